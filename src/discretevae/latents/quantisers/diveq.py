"""DiVeQ: the quantised vector as the encoder's, moved by a differentiable distance."""

from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from discretevae.latents.gradients import with_gradient_of
from discretevae.latents.quantisers.codebook import StoredCodebook
from discretevae.latents.quantisers.gathering import normal_for_all
from discretevae.latents.quantisers.quantiser import Quantisation, widened

__all__ = ["DiVeQ"]

DECAY = 0.99
"""γ of the counts, by which dead codes are found."""


class DiVeQ(StoredCodebook):
    r"""Moves z towards its nearest code, by a distance with a gradient in about its direction.

    .. math:: v = z + \lVert q - z \rVert \, \mathrm{sg} \frac{d}{\lVert d \rVert}, \qquad
        d = q - z + \sigma \epsilon, \quad \epsilon \sim \mathcal{N}(0, I)

    Encoder and codebook both learn from the loss of the value, and need no cost of their own. In
    training the value lies as far from z as its code does, not quite at it; in evaluation, where σ
    is 0, it is the vector of the code. The gradient is **biased**: the choice of the code has none.

    Arguments:
        num_codes: K ≥ 2.
        dim: E ≥ 1.
        variance: σ² ≥ 0 of each number of the direction, in squared units of z.
        revive_below: The share of the mean count below which a code is dead and replaced; 0 for
            never.

    Raises:
        ValueError: If a number is out of range, or a code to look up outside the codebook.

    Reference: Vali, Bäckström & Solin, DiVeQ: differentiable vector quantization using the
    reparameterization trick, 2025.

    Example:
        >>> quantiser = DiVeQ(num_codes=16, dim=4)
        >>> values, codes, cost = quantiser(torch.randn(5, 4))
        >>> values.sum().backward()
        >>> bool(quantiser.codebook.grad.any()), float(cost.sum())
        (True, 0.0)
    """

    kind: ClassVar[str] = "diveq"

    def __init__(
        self, num_codes: int, dim: int, variance: float = 5e-3, revive_below: float = 0.1
    ) -> None:
        super().__init__(num_codes, dim, True, DECAY, revive_below)
        if not variance >= 0:
            raise ValueError(f"`variance` must be at least 0, got {variance}.")
        self.variance = variance

    def forward(self, z: Float[Tensor, "*B E"]) -> Quantisation:
        z = widened(z)
        with torch.autocast(z.device.type, enabled=False):
            self.prepare(z)
            codes = self.nearest(z)
            q = widened(self.codebook)[codes]
            values = self._moved(z, q)
            self.follow(z, codes)
            return Quantisation(values, codes, values.new_zeros(values.shape[:-1]))

    def _moved(self, z: Float[Tensor, "*B E"], q: Float[Tensor, "*B E"]) -> Float[Tensor, "*B E"]:
        way = q - z
        distance = torch.linalg.vector_norm(way, dim=-1, keepdim=True)
        if not self.training:
            return with_gradient_of(q.detach(), z + distance * normalize(way.detach(), dim=-1))
        noise = normal_for_all(way.detach().flatten(0, -2)).view_as(way)
        noisy = way.detach() + self.variance**0.5 * noise
        return z + distance * normalize(noisy, dim=-1)

    def config(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "num_codes": self.num_codes,
            "dim": self.dim,
            "variance": self.variance,
            "revive_below": self.revive_below,
        }
