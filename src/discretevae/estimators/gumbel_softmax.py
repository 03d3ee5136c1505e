"""The Gumbel-Softmax relaxation."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.estimators.point import point_of
from discretevae.estimators.tempered import Tempered
from discretevae.latents.categorical import gumbel

__all__ = ["GumbelSoftmax", "gumbel_softmax"]


@dataclass(frozen=True)
class GumbelSoftmax(Tempered):
    r"""Replaces the code by a point inside the simplex: low variance, biased in everything.

    .. math:: f(\mathrm{softmax}((l + G) / \tau)), \qquad G_{dk} \sim \mathrm{Gumbel}(0, 1)

    **Biased**: the value is the relaxed objective, not E f at codes, and no bound comes from it.
    The bias falls and the variance grows as τ → 0. `f` must accept points of the simplex.

    Arguments:
        samples: S ≥ 1.
        temperature: τ > 0.

    Raises:
        ValueError: If `samples` is below 1 or `temperature` is not positive.

    Reference: Jang, Gu & Poole, Categorical reparameterization with Gumbel-Softmax, 2017, eq. 2;
    Maddison, Mnih & Teh, The Concrete distribution, 2017.

    Example:
        >>> logits = torch.zeros(5, 4, 8, requires_grad=True)
        >>> GumbelSoftmax(temperature=0.5)(lambda z: z[..., 0].sum(-1), logits).shape
        torch.Size([5])
    """

    temperature: float = 0.5

    relaxed: ClassVar[bool] = True

    def point(
        self, logits: Float[Tensor, "*B D K"], samples: int, generator: torch.Generator | None
    ) -> Float[Tensor, "S *B D K"]:
        noise = gumbel((samples, *logits.shape), logits, generator)
        return ((logits + noise) / self.temperature).softmax(-1)


def gumbel_softmax(
    logits: Float[Tensor, "*B K"],
    temperature: float = 0.5,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*B K"]:
    """Draws points inside the simplex, which are no codes, with their own gradient.

    `GumbelSoftmax` has the formula, what it is exact for and biased for, and the source.

    Example:
        >>> gumbel_softmax(torch.zeros(5, 8)).shape
        torch.Size([5, 8])
    """
    return point_of(GumbelSoftmax(temperature=temperature), logits, generator)
