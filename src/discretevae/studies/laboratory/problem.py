"""What the laboratory measures: an expectation of some f, of a model or of a user's own."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.choices.expected import depends_on
from discretevae.estimators import (
    CodeFunction,
    Estimator,
    Exact,
    as_code_function,
)
from discretevae.latents import (
    categorical,
    is_enumerable,
    require_sizes,
)
from discretevae.models import DiscreteVAE
from discretevae.models.coded import LogLikelihood
from discretevae.names import shorten

__all__ = ["ModelProblem", "OwnProblem", "Problem"]

ROWS = 2**12
"""Examples that a model encodes at once."""
ENUMERATED = 2**20
"""Rows of an f of one's own that are evaluated for the true gradient."""
LETTERS = 300
"""Of an error of somebody's f."""


class Problem(ABC):
    """A batch of expectations E_q[f(z)] whose gradients for the logits are estimated.

    Attributes:
        logits: Of q, of every example.
        of: What is expected, in words.
        unit: Of f, or nothing.
        parameters: What is inside f and differentiated in training too.
        enumerable: Whether the true gradient is a sum over all codes.
    """

    logits: Float[Tensor, "B D K"]
    of: str
    unit: str = ""
    parameters: list[Tensor]
    enumerable: bool

    @abstractmethod
    def parts(self, most: int) -> Iterator[slice]:
        """Cuts the batch into parts of so many examples, where it can be cut."""

    @abstractmethod
    def f(self, examples: slice) -> CodeFunction:
        """Gives f of a part of the batch."""

    def require(self, estimator: Estimator) -> None:  # noqa: B027
        """Refuses an estimator whose theory does not cover this f; D × K are looked at before.

        Raises:
            ValueError: Naming what is wrong.
        """

    def suitable(self, estimators: Mapping[str, Estimator]) -> dict[str, Estimator]:
        """Gives those estimators that :meth:`require` does not refuse."""
        return dict(estimators)

    @property
    def num_latents(self) -> int:
        return self.logits.shape[-2]

    @property
    def num_categories(self) -> int:
        return self.logits.shape[-1]


class ModelProblem(Problem):
    """log p(x|z) of a model, under its q(z|x).

    Arguments:
        model: Its weights and mode are left as they are.
        x: The batch.
    """

    of, unit = "log p(x|z)", "nats"

    def __init__(self, model: DiscreteVAE, x: Float[Tensor, "B *shape"]) -> None:
        if x.ndim != len(model.shape) + 1 or len(x) == 0:
            raise ValueError(
                f"`x` must hold at least one example of shape {model.shape}, got {tuple(x.shape)}."
            )
        self.model, self.x = model, x
        with torch.no_grad():
            self.logits = torch.cat([model.logits(part) for part in x.split(ROWS)])
        self.parameters = [*model.decoder.parameters()]
        self.enumerable = model.enumerable

    def parts(self, most: int) -> Iterator[slice]:
        return (slice(start, start + most) for start in range(0, len(self.x), most))

    def f(self, examples: slice) -> CodeFunction:
        return LogLikelihood(self.model, self.x[examples])


class OwnProblem(Problem):
    """An f and logits of one's own; the batch, which f may know, stays whole.

    Arguments:
        f: Maps one-hot codes (S, *B, D, K) to (S, *B), each row by itself.
        logits: Of q.

    Raises:
        ValueError: If `logits` are no such numbers, or f fails at a code or gives no finite number
            for each row.

    Example:
        >>> problem = OwnProblem(lambda z: z[..., 0].sum(-1), torch.zeros(2, 3))
        >>> problem.logits.shape, problem.differentiable
        (torch.Size([1, 2, 3]), True)
    """

    of = "f(z)"

    def __init__(self, f: Callable[[Tensor], Tensor], logits: Tensor) -> None:
        _require_logits(logits)
        self.batch = logits.shape[:-2]
        self.logits = logits.detach().reshape(-1, *logits.shape[-2:])
        self.parameters = []
        self._f = _Own(f, self.batch)
        D, K = self.num_latents, self.num_categories
        self.enumerable = is_enumerable(D, K, ENUMERATED // len(self.logits))
        draws = torch.Generator(self.logits.device).manual_seed(0)
        z = categorical.sample(self.logits, 2, draws).requires_grad_()
        value = self._f(z)
        if not value.isfinite().all():
            raise ValueError("`f` must be finite at every code, got NaN or an infinity.")
        self.differentiable = depends_on(value, z)

    def parts(self, most: int) -> Iterator[slice]:
        return iter([slice(None)])

    def f(self, examples: slice) -> CodeFunction:
        return self._f

    def require(self, estimator: Estimator) -> None:
        if estimator.needs_gradient_of_f and not self.differentiable:
            raise ValueError(
                f"`f` must be differentiable in z for {type(estimator).__name__}, "
                "which follows its gradient; got a value without one."
            )
        if isinstance(estimator, Exact):
            return
        leaf = self.logits.clone().requires_grad_()
        draws = torch.Generator(leaf.device).manual_seed(0)
        value = copy.deepcopy(estimator)(self._f, leaf, draws).sum()
        try:
            torch.autograd.grad(value, leaf)
        except RuntimeError as error:
            raise _in_words(error) from None

    def suitable(self, estimators: Mapping[str, Estimator]) -> dict[str, Estimator]:
        return {name: one for name, one in estimators.items() if self._takes(one)}

    def _takes(self, estimator: Estimator) -> bool:
        try:
            self.require(estimator)
        except ValueError:
            return False
        return True


class _Own(CodeFunction):
    """An f that sees its own batch, however many replicates of it there are, and fails in words."""

    def __init__(self, f: Callable[[Tensor], Tensor], batch: torch.Size) -> None:
        self.f, self.offered, self.batch = f, as_code_function(f), batch
        self.shared = self.offered.shared

    def __call__(self, z: Float[Tensor, "... B D K"]) -> Float[Tensor, "... B"]:
        rows = z.reshape(-1, *self.batch, *z.shape[-2:])
        return self._checked(self.f, rows).reshape(z.shape[:-2])

    def at_codes(self, z: Float[Tensor, "S D K"]) -> Float[Tensor, "S B"]:
        return self._checked(self.offered.at_codes, z).reshape(len(z), -1)

    @property
    def context(self) -> Tensor | None:
        return self.offered.context

    def _checked(self, f: Callable[[Tensor], Any], z: Tensor) -> Tensor:
        try:
            value = f(z)
        except Exception as error:
            raise _in_words(error) from None
        expected = (len(z), *self.batch)
        if not isinstance(value, Tensor) or not value.is_floating_point():
            kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"`f` must return a tensor of floating-point numbers, got {kind}.")
        if value.shape != expected:
            raise ValueError(f"`f` must return {expected}, got {tuple(value.shape)}.")
        return value


def _in_words(error: Exception) -> ValueError:
    text = shorten(" ".join(str(error).split()), LETTERS)
    return ValueError(f"`f` must take codes (S, *B, D, K), got {type(error).__name__}: {text}")


def _require_logits(logits: Tensor) -> None:
    if not logits.is_floating_point() or logits.ndim < 2:
        got = f"{tuple(logits.shape)} of {logits.dtype}"
        raise ValueError(
            f"`logits` must be a tensor of floating-point numbers of shape (*B, D, K), got {got}."
        )
    require_sizes(*logits.shape[-2:])
    if logits.numel() == 0:
        raise ValueError(f"`logits` must hold an example, got {tuple(logits.shape)}.")
    if (logits.isnan() | (logits == torch.inf)).any():
        raise ValueError("`logits` must be finite, or −inf for a class ruled out, got NaN or ∞.")
