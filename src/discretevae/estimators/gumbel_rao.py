"""The Rao-Blackwellised straight-through Gumbel-Softmax."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.estimators.conditional_gumbel import require_perturbations, with_averaged_gradient
from discretevae.estimators.point import point_of
from discretevae.estimators.tempered import Tempered
from discretevae.latents import categorical

__all__ = ["GumbelRao", "gumbel_rao"]


@dataclass(frozen=True)
class GumbelRao(Tempered):
    r"""Averages the gradient of ST-Gumbel-Softmax over the noise that gives the same code.

    .. math:: z \sim q, \qquad \nabla z := \frac{1}{M} \sum_m \nabla \mathrm{softmax}
        \Big(\frac{l + G^m}{\tau}\Big), \qquad G^m \text{ given that } \arg\max(l + G^m) = z

    The value is unbiased. The gradient for `logits` has the mean of `STGumbelSoftmax` at the same
    τ, so it is **biased**, even for a linear f, and less variance; f is evaluated as often. The
    bias falls and the variance grows as τ → 0. Time grows with M, memory does not.

    Arguments:
        samples: S ≥ 1.
        temperature: τ > 0.
        perturbations: M ≥ 1.

    Raises:
        ValueError: If `samples` or `perturbations` is below 1 or `temperature` is not positive.

    Reference: Paulus, Maddison & Krause, Rao-Blackwellizing the straight-through Gumbel-Softmax
    gradient estimator, 2021.

    Example:
        >>> logits = torch.zeros(5, 4, 8, requires_grad=True)
        >>> GumbelRao(perturbations=20)(lambda z: z[..., 0].sum(-1), logits).shape
        torch.Size([5])
    """

    temperature: float = 0.5
    perturbations: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        require_perturbations(self.perturbations)

    def point(
        self, logits: Float[Tensor, "*B D K"], samples: int, generator: torch.Generator | None
    ) -> Float[Tensor, "S *B D K"]:
        z = categorical.sample(logits, samples, generator)
        return with_averaged_gradient(
            z,
            logits.expand_as(z),
            logits.log_softmax(-1).expand_as(z),
            self.temperature,
            self.perturbations,
            generator,
        )


def gumbel_rao(
    logits: Float[Tensor, "*B K"],
    temperature: float = 0.5,
    perturbations: int = 10,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*B K"]:
    """Draws exact one-hot codes with the averaged gradient of ST-Gumbel-Softmax.

    `GumbelRao` has the formula, what it is exact for and biased for, and the source.

    Example:
        >>> gumbel_rao(torch.zeros(5, 8)).shape
        torch.Size([5, 8])
    """
    return point_of(
        GumbelRao(temperature=temperature, perturbations=perturbations), logits, generator
    )
