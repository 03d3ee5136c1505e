"""The gapped straight-through estimator."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.estimators.estimator import with_gradient_of
from discretevae.estimators.point import point_of
from discretevae.estimators.tempered import Tempered
from discretevae.latents import categorical

__all__ = ["GST", "gst"]


@dataclass(frozen=True)
class GST(Tempered):
    r"""Shifts the logits until the code leads by a gap, takes the gradient of their softmax.

    .. math:: z \sim q, \qquad \nabla z := \nabla \mathrm{softmax}\Big(\frac{l + m}{\tau}\Big),
        \qquad m = (\max l - l_z)\, z - [\,l - \max l + \gamma\,]_+ (1 - z)

    with m constant: what was drawn rises to the largest logit, all others fall to at least γ below
    it, as the noise of ST-Gumbel-Softmax would have it, but without noise beyond the code. The
    value is unbiased; the gradient for `logits` is **biased**, even for a linear f.

    Arguments:
        samples: S ≥ 1.
        temperature: τ > 0.
        gap: γ ≥ 0; 1 in the paper.

    Raises:
        ValueError: If `samples` is below 1, `temperature` is not positive or `gap` is negative.

    Reference: Fan, Chi, Rudnicky & Ramadge, Training discrete deep generative models via gapped
    straight-through estimator, 2022.

    Example:
        >>> logits = torch.zeros(5, 4, 8, requires_grad=True)
        >>> GST(temperature=0.5)(lambda z: z[..., 0].sum(-1), logits).shape
        torch.Size([5])
    """

    temperature: float = 0.7
    gap: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.gap >= 0:
            raise ValueError(f"`gap` must not be negative, got {self.gap}.")

    def point(
        self, logits: Float[Tensor, "*B D K"], samples: int, generator: torch.Generator | None
    ) -> Float[Tensor, "S *B D K"]:
        z = categorical.sample(logits, samples, generator)
        below = logits.detach() - logits.detach().amax(-1, keepdim=True)
        shift = torch.where(z == 1, -below, -(below + self.gap).relu())
        soft = ((logits + shift) / self.temperature).softmax(-1)
        return with_gradient_of(z, soft)


def gst(
    logits: Float[Tensor, "*B K"],
    temperature: float = 0.7,
    gap: float = 1.0,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*B K"]:
    """Draws exact one-hot codes with the gapped straight-through gradient.

    `GST` has the formula, what it is exact for and biased for, and the source.

    Example:
        >>> gst(torch.zeros(5, 8)).shape
        torch.Size([5, 8])
    """
    return point_of(GST(temperature=temperature, gap=gap), logits, generator)
