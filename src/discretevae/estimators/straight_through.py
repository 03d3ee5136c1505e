"""The straight-through estimator."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae import categorical
from discretevae.estimators.base import (
    Estimator,
    evaluate,
    require_positive,
    require_samples,
    with_gradient_of,
)

__all__ = ["StraightThrough"]


@dataclass(frozen=True)
class StraightThrough(Estimator):
    r"""Evaluates f at the code, passes its gradient to the probabilities.

    .. math:: z \sim q, \qquad \nabla z := \nabla \mathrm{softmax}(l / \tau)

    The value is unbiased. The gradient for `logits` is first order: at τ = 1 it is exact for an f
    that is linear in each latent, **biased** for any other.

    Arguments:
        samples: S ≥ 1.
        temperature: τ > 0; other than 1 it is biased even for a linear f.

    Raises:
        ValueError: If `samples` is below 1 or `temperature` is not positive.

    Reference: Bengio, Léonard & Courville, Estimating or propagating gradients through
    stochastic neurons, 2013, §4.

    Example:
        >>> logits = torch.zeros(5, 4, 8, requires_grad=True)
        >>> StraightThrough()(lambda z: z[..., 0].sum(-1), logits).shape
        torch.Size([5])
    """

    samples: int = 1
    temperature: float = 1.0

    unbiased: ClassVar[bool] = False
    needs_gradient_of_f: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_samples(self.samples, 1)
        require_positive(self.temperature)

    def __call__(
        self,
        f: Callable[[Tensor], Tensor],
        logits: Float[Tensor, "*B D K"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*B"]:
        z = categorical.sample(logits, self.samples, generator)
        p = (logits / self.temperature).softmax(-1).expand_as(z)
        return evaluate(f, with_gradient_of(z, p)).mean(0)

    def evaluations(self, num_latents: int, num_categories: int) -> int:
        return self.samples
