"""The half estimator for binary latents."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.estimators.estimator import require_binary, with_gradient_of
from discretevae.estimators.point import Point, point_of
from discretevae.latents import categorical

__all__ = ["DARN", "darn"]


@dataclass(frozen=True)
class DARN(Point):
    r"""Takes f's gradient as the difference between two codes, for binary latents only.

    .. math:: g_1 = -g_0 = (v_1 - v_0) (b - \tfrac12) (b - p_1), \qquad
        b \sim q, \quad v = \partial f / \partial z

    where b = 1 if class 1 was drawn; the factor of :math:`v_1 - v_0` is half the probability of
    the class that was not drawn. The value is unbiased. The gradient for `logits` is exact for an
    f that is quadratic in each latent, **biased** for any other. `ReinMax` at K = 2 and τ = 1 is
    the same estimator.

    Arguments:
        samples: S ≥ 1.

    Raises:
        ValueError: If `samples` is below 1; when called, if K is not 2.

    Reference: Gregor, Danihelka, Mnih, Blundell & Wierstra, Deep autoregressive networks, 2014.

    Example:
        >>> logits = torch.zeros(5, 4, 2, requires_grad=True)
        >>> DARN()(lambda z: z[..., 0].sum(-1), logits).shape
        torch.Size([5])
    """

    binary_only: ClassVar[bool] = True

    def point(
        self, logits: Float[Tensor, "*B D K"], samples: int, generator: torch.Generator | None
    ) -> Float[Tensor, "S *B D K"]:
        require_binary(*logits.shape[-2:])
        z = categorical.sample(logits, samples, generator)
        p = logits.detach().softmax(-1)
        half_of_the_other = ((1 - z) * p).sum(-1, keepdim=True) / 2
        surrogate = half_of_the_other * (logits - logits.flip(-1))
        return with_gradient_of(z, surrogate)


def darn(
    logits: Float[Tensor, "*B K"],
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*B K"]:
    """Draws exact one-hot codes of two classes with the half gradient.

    `DARN` has the formula, what it is exact for and biased for, and the source.

    Example:
        >>> darn(torch.zeros(5, 2)).shape
        torch.Size([5, 2])
    """
    return point_of(DARN(), logits, generator)
