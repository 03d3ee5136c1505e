"""ReinMax with the Jacobian of Gumbel-Rao: experimental."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.estimators.conditional_gumbel import require_perturbations, with_averaged_gradient
from discretevae.estimators.estimator import with_gradient_of
from discretevae.estimators.point import point_of
from discretevae.estimators.tempered import Tempered
from discretevae.latents import categorical

__all__ = ["ReinMaxRao", "reinmax_rao"]


@dataclass(frozen=True)
class ReinMaxRao(Tempered):
    r"""Trades bias for variance in ReinMax by averaging over Gumbel noise. **Experimental.**

    .. math:: g = \frac{2}{M} \sum_m \tfrac1\tau J(y^m) v - \tfrac12 J(p) v, \qquad
        y^m = \mathrm{softmax}\Big(\frac{\log \pi_z + G^m}{\tau}\Big)

    with :math:`\pi_z = \tfrac12 (p + z)`, p = softmax(l), J(p)v = p ⊙ (v − p·v), v = ∂f/∂z and
    G^m Gumbel noise given that argmax(log π_z + G^m) = z. The value is unbiased. The gradient for
    `logits` is **biased**, even for a linear f and in the limit τ → 0, because the noise is
    conditioned as if z had been drawn from π_z: more bias than `ReinMax`, and at τ near 1 less
    variance. Time grows with M, memory does not.

    Arguments:
        samples: S ≥ 1.
        temperature: τ > 0.
        perturbations: M ≥ 1; 100 in the authors' code.

    Raises:
        ValueError: If `samples` or `perturbations` is below 1 or `temperature` is not positive.

    Reference: Wang & Bui, Beyond ReinMax: low-variance gradient estimators for discrete latent
    variables, 2026, eq. 17.

    Example:
        >>> logits = torch.zeros(5, 4, 8, requires_grad=True)
        >>> ReinMaxRao(temperature=0.5)(lambda z: z[..., 0].sum(-1), logits).shape
        torch.Size([5])
    """

    perturbations: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        require_perturbations(self.perturbations)

    def point(
        self, logits: Float[Tensor, "*B D K"], samples: int, generator: torch.Generator | None
    ) -> Float[Tensor, "S *B D K"]:
        z = categorical.sample(logits, samples, generator)
        p = logits.softmax(-1)
        averaged = with_averaged_gradient(
            z,
            logits.expand_as(z),
            ((p + z) / 2).log(),
            self.temperature,
            self.perturbations,
            generator,
        )
        return with_gradient_of(z, 2 * averaged - 0.5 * p)


def reinmax_rao(
    logits: Float[Tensor, "*B K"],
    temperature: float = 1.0,
    perturbations: int = 10,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*B K"]:
    """Draws exact one-hot codes with ReinMax's gradient, averaged over noise: experimental.

    `ReinMaxRao` has the formula, what it is exact for and biased for, and the source.

    Example:
        >>> reinmax_rao(torch.zeros(5, 8)).shape
        torch.Size([5, 8])
    """
    return point_of(
        ReinMaxRao(temperature=temperature, perturbations=perturbations), logits, generator
    )
