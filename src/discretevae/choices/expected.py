"""The expectation of any loss over codes, with the gradient of any estimator."""

from collections.abc import Callable
from inspect import signature
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.estimators import ESTIMATORS, CodeFunction, Estimator, as_code_function
from discretevae.names import resolve

__all__ = ["depends_on", "expected"]

BLACK_BOX = "exact, rloo or unordered-set"


def expected(
    f: Callable[[Tensor], Tensor],
    logits: Float[Tensor, "*B D K"],
    estimator: str | Estimator = "rloo",
    samples: int | None = None,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*B"]:
    r"""Gives E_q[f(z)] of a loss f that need not be differentiable, as a loss that is.

    .. math:: \mathbb{E}_{q(z)}[f(z)], \qquad q = \prod_d \mathrm{softmax}(l_d)

    Its value estimates the expectation; its gradient, by autograd, is the estimator's, for the
    logits and for whatever f closes over. Unbiased or not, and how many rows of f it takes, is the
    estimator's to say: `discretevae estimators` lists them. In float32 at least; f itself runs as
    it is, under autocast too. What `torch.compile(fullgraph=True)` captures, and what takes
    `torch.func.vmap`, is the estimator's matter as well: those that learn or that differentiate f
    within an estimate do neither.

    Arguments:
        f: Maps one-hot codes (S, *B, D, K) to (S, *B), each row by itself; a
            :class:`~discretevae.CodeFunction` may offer more.
        logits: Of q.
        estimator: A name in `ESTIMATORS`, or an estimator. One that learns from call to call
            (`reinforce`, `nvil`, `muprop`, `double-cv`, `rodeo`, `rebar`, `relax`) is made once,
            and given.
        samples: S of a name, where its estimator has one; by default the estimator's own.
        generator: Decides all that is drawn.

    Raises:
        ValueError: If the estimator needs the gradient of f and f is not differentiable in z, if a
            name is unknown or learns, or if `samples` goes with an estimator that has its own or
            none.

    Example:
        Accuracy, which has no gradient, of a classifier that draws its class.

        >>> target = torch.tensor([0, 2, 1])
        >>> logits = torch.zeros(3, 1, 3, requires_grad=True)
        >>> accuracy = lambda z: (z.argmax(-1)[..., 0] == target).float()
        >>> expected(accuracy, logits, "exact").mean().backward()
        >>> logits.grad[:, 0].argmax(-1)
        tensor([0, 2, 1])
    """
    chosen = _estimator(estimator, samples)
    if chosen.needs_gradient_of_f:
        f = _Differentiable(f, chosen)
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return chosen(f, wide, generator)


def _estimator(estimator: str | Estimator, samples: int | None) -> Estimator:
    if not isinstance(estimator, str):
        if samples is not None:
            raise ValueError(
                f"`samples` must not go with an estimator that has its own, got {samples}."
            )
        return estimator
    make: Any = resolve("estimator", estimator, ESTIMATORS)
    if issubclass(make, torch.nn.Module):
        kind = make.__name__
        raise ValueError(
            f"`estimator` must be an object that is kept, such as {kind}(), where it learns from "
            f"call to call, got the name {estimator!r}."
        )
    if samples is None:
        return make()
    if "samples" not in signature(make).parameters:
        raise ValueError(
            f"`samples` must not go with {estimator!r}, which has none, got {samples}."
        )
    return make(samples=samples)


class _Differentiable(CodeFunction):
    """An f that is refused where its value does not depend on z through a gradient."""

    def __init__(self, f: Callable[[Tensor], Tensor], estimator: Estimator) -> None:
        self.f, self.kind = as_code_function(f), type(estimator).__name__
        self.shared = self.f.shared

    def __call__(self, z: Tensor) -> Tensor:
        return self._checked(self.f(z), z)

    def at_codes(self, z: Tensor) -> Tensor:
        return self._checked(self.f.at_codes(z), z)

    @property
    def context(self) -> Tensor | None:
        return self.f.context

    def _checked(self, value: Tensor, z: Tensor) -> Tensor:
        if z.requires_grad and not torch.compiler.is_compiling() and not depends_on(value, z):
            raise ValueError(
                f"`f` must be differentiable in z for {self.kind}, which follows its gradient; got "
                f"a value without one. `estimator` {BLACK_BOX} asks for values alone."
            )
        return value


def depends_on(value: Tensor, z: Tensor) -> bool:
    """Tells whether autograd knows a way from `value` back to `z`; nothing is computed.

    Example:
        >>> z, w = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
        >>> depends_on(z * w, z), depends_on(z.argmax() * w, z)
        (True, False)
    """
    if value is z:
        return True
    target, seen = z.grad_fn, set()
    ahead = [value.grad_fn]
    while ahead:
        node = ahead.pop()
        if node is None or node in seen:
            continue
        if node is target or getattr(node, "variable", None) is z:
            return True
        seen.add(node)
        ahead += [parent for parent, _ in node.next_functions]
    return False
