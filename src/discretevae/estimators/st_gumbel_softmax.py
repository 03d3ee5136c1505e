"""The straight-through form of Gumbel-Softmax."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.estimators.estimator import with_gradient_of
from discretevae.estimators.point import point_of
from discretevae.estimators.tempered import Tempered
from discretevae.latents.categorical import gumbel, one_hot_argmax

__all__ = ["STGumbelSoftmax", "st_gumbel_softmax"]


@dataclass(frozen=True)
class STGumbelSoftmax(Tempered):
    r"""Evaluates f at the code, takes the gradient of the relaxation with the same noise.

    .. math:: z = \mathrm{onehot}(\arg\max(l + G)), \qquad
        \nabla z := \nabla \mathrm{softmax}((l + G) / \tau)

    The value is unbiased; the gradient for `logits` is **biased**, even for a linear f, by an
    amount that falls as τ → 0 while the variance grows.

    Arguments:
        samples: S ≥ 1.
        temperature: τ > 0.

    Raises:
        ValueError: If `samples` is below 1 or `temperature` is not positive.

    Reference: Jang, Gu & Poole, Categorical reparameterization with Gumbel-Softmax, 2017, §2.2.

    Example:
        >>> logits = torch.zeros(5, 4, 8, requires_grad=True)
        >>> STGumbelSoftmax(temperature=0.5)(lambda z: z[..., 0].sum(-1), logits).shape
        torch.Size([5])
    """

    temperature: float = 0.5

    def point(
        self, logits: Float[Tensor, "*B D K"], samples: int, generator: torch.Generator | None
    ) -> Float[Tensor, "S *B D K"]:
        perturbed = logits + gumbel((samples, *logits.shape), logits, generator)
        z = one_hot_argmax(perturbed.detach())
        soft = (perturbed / self.temperature).softmax(-1)
        return with_gradient_of(z, soft)


def st_gumbel_softmax(
    logits: Float[Tensor, "*B K"],
    temperature: float = 0.5,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*B K"]:
    """Draws exact one-hot codes with the gradient of Gumbel-Softmax at the same noise.

    `STGumbelSoftmax` has the formula, what it is exact for and biased for, and the source.

    Example:
        >>> st_gumbel_softmax(torch.zeros(5, 8)).shape
        torch.Size([5, 8])
    """
    return point_of(STGumbelSoftmax(temperature=temperature), logits, generator)
