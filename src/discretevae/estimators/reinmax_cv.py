"""ReinMax with a control variate from Gumbel-Rao: experimental."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.estimators.conditional_gumbel import with_averaged_gradient
from discretevae.estimators.estimator import with_gradient_of
from discretevae.estimators.point import point_of
from discretevae.estimators.tempered import Tempered
from discretevae.latents import categorical

__all__ = ["ReinMaxCV", "reinmax_cv"]

PERTURBATIONS = 10
"""How many perturbations the averaged Jacobian takes."""


@dataclass(frozen=True)
class ReinMaxCV(Tempered):
    r"""Adds the noise of a Gumbel-softmax Jacobian about its mean to ReinMax. **Experimental.**

    .. math:: g = 2 J(\pi_z) v - \tfrac12 J(p) v + \eta \Big[ \frac{1}{M \tau} \sum_m J(y^m) v
        - \frac{1}{\tau} J(y^0) v \Big], \qquad
        y^m = \mathrm{softmax}\Big(\frac{\log \pi_z + G^m}{\tau}\Big)

    with :math:`\pi_z = \tfrac12 (p + z)`, p = softmax(l), J(p)v = p ⊙ (v − p·v), v = ∂f/∂z, M = 10
    and G^m independent Gumbel noise given that argmax(log π_z + G^m) = z. The value is unbiased.
    The gradient for `logits` is **biased** as that of `ReinMax` at τ = 1 is, by the same amount:
    exact for an f that is quadratic in each latent. In this reading of the method, with all noise
    given z, the bracket has mean zero whatever z is: uncorrelated with ReinMax, it **adds**
    variance for every η ≠ 0. It is here to be compared with, not to be recommended.

    Arguments:
        samples: S ≥ 1.
        temperature: τ > 0 of the bracket; that of ReinMax is 1.
        scale: η; 0 is ReinMax.

    Raises:
        ValueError: If `samples` is below 1 or `temperature` is not positive.

    Reference: Wang & Bui, Beyond ReinMax: low-variance gradient estimators for discrete latent
    variables, 2026, eq. 18.

    Example:
        >>> logits = torch.zeros(5, 4, 8, requires_grad=True)
        >>> ReinMaxCV(scale=0.5)(lambda z: z[..., 0].sum(-1), logits).shape
        torch.Size([5])
    """

    temperature: float = 0.7
    scale: float = 0.7

    def point(
        self, logits: Float[Tensor, "*B D K"], samples: int, generator: torch.Generator | None
    ) -> Float[Tensor, "S *B D K"]:
        z = categorical.sample(logits, samples, generator)
        p, each = logits.softmax(-1), logits.expand_as(z)
        log_pi = ((p + z) / 2).log()
        # softmax of a tensor whose value is log π and whose gradient is that of the logits: J(π).
        reinmax = 2 * with_gradient_of(log_pi, each).softmax(-1) - 0.5 * p
        averaged, single = (
            with_averaged_gradient(z, each, log_pi, self.temperature, perturbations, generator)
            for perturbations in (PERTURBATIONS, 1)
        )
        surrogate = reinmax + self.scale * (averaged - single)
        return with_gradient_of(z, surrogate)


def reinmax_cv(
    logits: Float[Tensor, "*B K"],
    temperature: float = 0.7,
    scale: float = 0.7,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*B K"]:
    """Draws exact one-hot codes with ReinMax's gradient and a control variate: experimental.

    `ReinMaxCV` has the formula, what it is exact for and biased for, and the source.

    Example:
        >>> reinmax_cv(torch.zeros(5, 8)).shape
        torch.Size([5, 8])
    """
    return point_of(ReinMaxCV(temperature=temperature, scale=scale), logits, generator)
