"""The Rao-Blackwellised straight-through Gumbel-Softmax."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.estimators.base import evaluate
from discretevae.estimators.conditional_gumbel import require_perturbations, with_averaged_gradient
from discretevae.estimators.tempered import Tempered
from discretevae.latents import categorical

__all__ = ["GumbelRao"]


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

    def __call__(
        self,
        f: Callable[[Tensor], Tensor],
        logits: Float[Tensor, "*B D K"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*B"]:
        z = categorical.sample(logits, self.samples, generator)
        at_z = with_averaged_gradient(
            z,
            logits.expand_as(z),
            logits.log_softmax(-1).expand_as(z),
            self.temperature,
            self.perturbations,
            generator,
        )
        return evaluate(f, at_z).mean(0)
