"""The second-order straight-through estimator."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.estimators.estimator import with_gradient_of
from discretevae.estimators.point import point_of
from discretevae.estimators.tempered import Tempered
from discretevae.latents import categorical

__all__ = ["ReinMax", "reinmax"]


@dataclass(frozen=True)
class ReinMax(Tempered):
    r"""Evaluates f at the code, takes a gradient of second order (Heun's rule).

    .. math:: g = 2 J(\pi_z) v - \tfrac12 J(p) v, \qquad
        \pi_z = \tfrac12 (\mathrm{softmax}(l / \tau) + z), \quad v = \partial f / \partial z

    with :math:`p = \mathrm{softmax}(l)` and J(p)v = p ⊙ (v − p·v). The value is unbiased. At
    τ = 1 the gradient for `logits` is exact for an f that is quadratic in each latent, **biased**
    for any other; at τ ≠ 1 it is biased even for a linear f.

    Arguments:
        samples: S ≥ 1.
        temperature: τ > 0; published tuned values lie between 1 and 1.5.

    Raises:
        ValueError: If `samples` is below 1 or `temperature` is not positive.

    Reference: Liu, Dong, Liu, Yu & Gao, Bridging discrete and backpropagation: straight-through
    and beyond, 2023, algorithm 2.

    Example:
        >>> logits = torch.zeros(5, 4, 8, requires_grad=True)
        >>> ReinMax(temperature=1.1)(lambda z: z[..., 0].sum(-1), logits).shape
        torch.Size([5])
    """

    def point(
        self, logits: Float[Tensor, "*B D K"], samples: int, generator: torch.Generator | None
    ) -> Float[Tensor, "S *B D K"]:
        z = categorical.sample(logits, samples, generator)
        pi = ((logits / self.temperature).softmax(-1) + z) / 2
        # softmax of a tensor whose value is log π and whose gradient is that of the logits: J(π).
        at_pi = with_gradient_of(pi.log(), logits.expand_as(z)).softmax(-1)
        surrogate = 2 * at_pi - 0.5 * logits.softmax(-1)
        return with_gradient_of(z, surrogate)


def reinmax(
    logits: Float[Tensor, "*B K"],
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*B K"]:
    """Draws exact one-hot codes with the second-order gradient of ReinMax.

    `ReinMax` has the formula, what it is exact for and biased for, and the source.

    Example:
        >>> reinmax(torch.zeros(5, 8)).shape
        torch.Size([5, 8])
    """
    return point_of(ReinMax(temperature=temperature), logits, generator)
