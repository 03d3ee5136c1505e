"""The contract that every estimator keeps."""

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.estimators.gradient_estimator import GradientEstimator
from discretevae.latents import categorical, require_sizes
from discretevae.latents.gradients import with_gradient_of
from discretevae.names import require_count

__all__ = [
    "Estimator",
    "evaluate",
    "inject",
    "require_binary",
    "require_positive",
    "require_samples",
    "value_and_gradient",
    "with_gradient_of",
]


class Estimator(GradientEstimator):
    r"""Estimates :math:`\mathbb{E}_{q(z)}[f(z)]`, q a product of D categoricals.

    Called as `estimator(f, logits, generator=None)`, where `logits` has shape (*B, D, K) and `f`
    maps one-hot codes `z` of shape (S, *B, D, K) to (S, *B), each row by itself: any callable, or
    a :class:`~discretevae.estimators.CodeFunction`, which may offer more. Returns a tensor of
    shape (*B,): its **value** estimates E f, its **gradient**, by autograd, is the estimator's
    gradient for `logits` and for whatever `f` closes over.

    A code has at least one latent and a latent at least two classes: D < 1 and K < 2 are refused,
    for one class says nothing and is most often one logit where two were meant. A logit of −inf
    rules its class out: it has probability 0 and a gradient of 0, and is never drawn, though an
    enumeration calls `f` there too; `f` must be finite at every code. Each latent must keep a
    class.

    Every class declares, and `discretevae.estimators.battery` checks:

    - `unbiased`: value, gradient for `logits` and gradient inside `f` all have the exact mean;
    - `relaxed`: `f` sees points inside the simplex and must accept them; where the estimator is
      not unbiased, its value is then not E f at codes;
    - `needs_gradient_of_f`: the gradient for `logits` passes through `f`;
    - `binary_only`: K must be 2;
    - `evaluations(D, K)`: rows of `f` per element of the batch.
    """

    unbiased: ClassVar[bool]
    relaxed: ClassVar[bool] = False
    needs_gradient_of_f: ClassVar[bool] = False
    binary_only: ClassVar[bool] = False
    multi_sample: ClassVar[bool] = False

    @abstractmethod
    def __call__(
        self,
        f: Callable[[Tensor], Tensor],
        logits: Float[Tensor, "*B D K"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*B"]:
        """Estimates E_q[f(z)] with a gradient."""

    @torch.no_grad()
    def average(
        self,
        f: Callable[[Tensor], Tensor],
        logits: Float[Tensor, "*B D K"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "..."]:
        """Estimates E_q[f(z)] without a gradient, of an f with values (S, *B, …)."""
        return f(categorical.sample(logits, 1, generator))[0]


def evaluate(f: Callable[[Tensor], Tensor], z: Float[Tensor, "S *B D K"]) -> Float[Tensor, "S *B"]:
    """Calls `f` and refuses a result that would broadcast into a wrong answer.

    Raises:
        ValueError: If `z` has no latent or fewer than two classes, or `f(z)` has not shape (S, *B).
    """
    require_sizes(*z.shape[-2:])
    value = f(z)
    if value.shape != z.shape[:-2]:
        raise ValueError(f"`f` must return {tuple(z.shape[:-2])}, got {tuple(value.shape)}.")
    return value


def value_and_gradient(
    f: Callable[[Tensor], Tensor], z: Float[Tensor, "S *B D K"]
) -> tuple[Float[Tensor, "S *B"], Float[Tensor, "S *B D K"]]:
    """Calls `f` and takes its gradient in `z`, row by row, as numbers.

    Raises:
        ValueError: If `f(z)` has not shape (S, *B), or has no gradient in `z`.
    """
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        value = evaluate(f, z)
        gradient = None
        if value.requires_grad:
            total = value.sum()
            (gradient,) = torch.autograd.grad(total, z, retain_graph=True, allow_unused=True)
    if gradient is None:
        raise ValueError("`f` must be differentiable in `z`, got a value without a gradient.")
    return value, gradient


def require_samples(samples: int, least: int, why: str = "") -> None:
    """Refuses fewer samples than the method needs."""
    require_count("samples", samples, least, why)


def require_binary(num_latents: int, num_categories: int) -> None:
    """Refuses latents with other than two classes."""
    require_sizes(num_latents, num_categories)
    if num_categories != 2:
        raise ValueError(
            f"`num_categories` must be 2 for an estimator of binary latents, got {num_categories}."
        )


def require_positive(temperature: float) -> None:
    """Refuses a temperature that is not a positive number."""
    if not temperature > 0:
        raise ValueError(f"`temperature` must be positive, got {temperature}.")


def inject(
    logits: Float[Tensor, "*B D K"], gradient: Float[Tensor, "*B D K"]
) -> Float[Tensor, "*B"]:
    """Returns zeros whose gradient for `logits` is the given one, a number like any other.

    Example:
        >>> logits = torch.zeros(1, 2, requires_grad=True)
        >>> nothing = inject(logits, torch.tensor([[-0.5, 0.5]]))
        >>> nothing.backward()
        >>> nothing.item(), logits.grad.tolist()
        (0.0, [[-0.5, 0.5]])
    """
    product = (logits * gradient.detach()).sum((-2, -1))
    return with_gradient_of(torch.zeros_like(product), product)
