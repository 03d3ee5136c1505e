"""Real-valued data."""

import math
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from discretevae.likelihoods.likelihood import Likelihood, value_range

__all__ = ["GaussianLikelihood"]

LEAST = 1e-6
"""Part of the largest value below which no σ starts, where all observations are alike."""


class GaussianLikelihood(Likelihood):
    r"""Observes the decoder's output :math:`h` through noise of one learned scale.

    .. math:: p(x | h) = \mathcal{N}(x | h, \sigma^2 I)

    Arguments:
        event_dims: How many trailing dimensions make one observation.
        scale: The initial :math:`\sigma > 0`, in the units of :math:`x`. By default training starts
            at the spread of the data about their means, and the decoder at these means: from
            another scale it may never come to use the code.

    Raises:
        ValueError: If `scale` is not positive.

    Example:
        >>> p = GaussianLikelihood(event_dims=1)
        >>> p(torch.zeros(8, 784)).log_prob(torch.zeros(8, 784)).shape
        torch.Size([8])
    """

    name: ClassVar[str] = "gaussian"
    standardised: ClassVar[bool] = True

    def __init__(self, event_dims: int = 1, scale: float | None = None) -> None:
        super().__init__(event_dims)
        if scale is not None and not scale > 0:
            raise ValueError(f"`scale` must be positive, got {scale}.")
        self.given = scale is not None
        self.log_scale = nn.Parameter(torch.tensor(float(scale or 1.0)).log())

    @property
    def untouched(self) -> bool:
        """Whether σ is a new model's: 1, which nobody asked for and no training leaves exactly."""
        return not self.given and self.log_scale.requires_grad and float(self.log_scale) == 0

    @torch.no_grad()
    def start(self, x: Float[Tensor, "N *event"]) -> Float[Tensor, "*event"]:
        mean = x.mean(0)
        spread = (x - mean).double().square().mean().sqrt()
        self.log_scale.copy_(spread.clamp_min(LEAST * x.abs().max().clamp_min(LEAST)).log())
        return mean

    def forward(self, h: Float[Tensor, "*B_and_event"]) -> Distribution:
        normal = Normal(h, self.log_scale.exp(), validate_args=False)
        return Independent(normal, self.event_dims)

    def log_prob_pairs(
        self, h: Float[Tensor, "S *event"], x: Float[Tensor, "*B_and_event"]
    ) -> Float[Tensor, "S *B"]:
        h, x, batch = self._flatten(h, x)
        # The expanded square cancels badly for a small σ.
        distance = torch.cdist(h, x, compute_mode="donot_use_mm_for_euclid_dist")
        constant = h.shape[1] * (self.log_scale + 0.5 * math.log(2 * math.pi))
        pairs = -0.5 * (distance / self.log_scale.exp()).square() - constant
        return pairs.reshape(-1, *batch)

    def shades(self, x: Tensor) -> tuple[float, float]:
        """The range of these values, which have no other bounds."""
        low, high = float(x.min()), float(x.max())
        return low, high if high > low else low + 1

    def check(self, x: Tensor) -> None:
        if not bool(x.isfinite().all()):
            raise ValueError(f"`x` must be finite, got {value_range(x)}.")
