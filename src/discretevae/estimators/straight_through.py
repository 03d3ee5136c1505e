"""The straight-through estimator."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.estimators.estimator import with_gradient_of
from discretevae.estimators.point import point_of
from discretevae.estimators.tempered import Tempered
from discretevae.latents import categorical

__all__ = ["StraightThrough", "straight_through"]


@dataclass(frozen=True)
class StraightThrough(Tempered):
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

    def point(
        self, logits: Float[Tensor, "*B D K"], samples: int, generator: torch.Generator | None
    ) -> Float[Tensor, "S *B D K"]:
        z = categorical.sample(logits, samples, generator)
        p = (logits / self.temperature).softmax(-1).expand_as(z)
        return with_gradient_of(z, p)


def straight_through(
    logits: Float[Tensor, "*B K"],
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*B K"]:
    """Draws exact one-hot codes whose gradient is that of the probabilities: straight-through.

    `StraightThrough` has the formula, what it is exact for and biased for, and the source.

    Example:
        >>> straight_through(torch.zeros(5, 8)).shape
        torch.Size([5, 8])
    """
    return point_of(StraightThrough(temperature=temperature), logits, generator)
