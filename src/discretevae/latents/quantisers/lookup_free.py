"""Quantisers whose codes are the signs of the numbers: LFQ, and BSQ on a sphere."""

from abc import ABC
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor
from torch.nn.functional import normalize

from discretevae.latents.gradients import with_gradient_of
from discretevae.latents.quantisers.entropy import SHARE, SHARPNESS, entropy_cost
from discretevae.latents.quantisers.quantiser import (
    Quantisation,
    Quantiser,
    require_codes,
    widened,
)
from discretevae.latents.quantisers.vector import require_commitment

__all__ = ["BinaryQuantiser", "BinarySphericalQuantiser", "LookupFreeQuantiser"]


class BinaryQuantiser(Quantiser, ABC):
    r"""Signs of E numbers, K = 2^E, times a scale s; the first is the highest bit of the code.

    Around each vector stands a distribution over codes, in which the bits are independent, and its
    entropy costs, :func:`~discretevae.latents.quantisers.entropy.entropy_cost`, w times

    .. math:: \mathrm{H}(q(\cdot | z)) - \gamma \, \mathrm{H}(\mathrm{E}_z\, q(\cdot | z)),
        \qquad q(k | z) \propto \exp(5 \, z^\top e_k / s^2)
        = \prod_i \sigma(\pm 10 \, z_i / s)

    Published is 200 for 5 / s², where vectors as long as codes feel nothing of it.

    Arguments:
        dim: E, from 1 to 62.
        entropy_weight: w ≥ 0.
        diversity: γ ≥ 0.

    Raises:
        ValueError: If a number is out of range.
    """

    whitened: ClassVar[bool] = True
    scale: float

    def __init__(self, dim: int, entropy_weight: float, diversity: float) -> None:
        super().__init__()
        if not 1 <= dim <= 62:
            raise ValueError(f"`dim` must be from 1 to 62, got {dim}.")
        if not entropy_weight >= 0:
            raise ValueError(f"`entropy_weight` must be at least 0, got {entropy_weight}.")
        if not diversity >= 0:
            raise ValueError(f"`diversity` must be at least 0, got {diversity}.")
        self.dim, self.num_codes = dim, 2**dim
        self.entropy_weight, self.diversity = entropy_weight, diversity

    def _places(self, device: torch.device) -> Int64[Tensor, " E"]:
        return 2 ** torch.arange(self.dim - 1, -1, -1, device=device)

    def _values(self, bits: Bool[Tensor, "*B E"], like: Tensor) -> Float[Tensor, "*B E"]:
        return (2 * bits.to(like) - 1) * self.scale

    def nearest(self, z: Float[Tensor, "*B E"]) -> Int64[Tensor, "*B"]:
        return ((z > 0) * self._places(z.device)).sum(-1)

    def lookup(self, codes: Int[Tensor, "*B"]) -> Float[Tensor, "*B E"]:
        require_codes(codes, self.num_codes)
        bits = codes.long()[..., None] // self._places(codes.device) % 2 == 1
        return self._values(bits, torch.empty((), device=codes.device))

    def weigh(self, nats: float) -> None:
        self.entropy_weight = SHARE * nats

    def entropy_cost(self, u: Float[Tensor, "*B E"]) -> Float[Tensor, "*B"]:
        """Gives what the distributions around vectors cost."""
        logits = SHARPNESS / self.scale * u
        bits = [torch.stack([-bit, bit], -1) / 2 for bit in logits.unbind(-1)]
        return self.entropy_weight * entropy_cost(bits, self.diversity)


class LookupFreeQuantiser(BinaryQuantiser):
    r"""LFQ: the sign of each number, :math:`v = \mathrm{sign}(z)`, K = 2^E codes without a table.

    .. math:: \text{cost} = w \big( \mathrm{H}(q(\cdot | z))
        - \gamma \, \mathrm{H}(\mathrm{E}_z\, q(\cdot | z)) \big)
        + \beta \lVert z - \mathrm{sg}\,v \rVert^2

    The gradient for z is that of the value, **biased**: the sign has
    none. Without β nothing brings a vector back whose bits have left 0 behind.

    Arguments:
        dim: E, from 1 to 62.
        entropy_weight: w ≥ 0.
        diversity: γ ≥ 0.
        commitment: β ≥ 0.

    Raises:
        ValueError: If a number is out of range, or a code to look up outside [0, 2^E).

    Reference: Yu et al., Language model beats diffusion: tokenizer is key to visual generation,
    2023, §3.1.

    Example:
        >>> values, codes, _ = LookupFreeQuantiser(3)(torch.tensor([[0.2, -3.0, 0.1]]))
        >>> values, codes
        (tensor([[ 1., -1.,  1.]]), tensor([5]))
    """

    kind: ClassVar[str] = "lfq"
    scale = 1.0

    def __init__(
        self,
        dim: int,
        entropy_weight: float = 0.1,
        diversity: float = 1.0,
        commitment: float = 0.25,
    ) -> None:
        super().__init__(dim, entropy_weight, diversity)
        self.commitment = require_commitment(commitment)

    def forward(self, z: Float[Tensor, "*B E"]) -> Quantisation:
        z = widened(z)
        with torch.autocast(z.device.type, enabled=False):
            v = self._values(z > 0, z)
            cost = self.entropy_cost(z) + self.commitment * (z - v).square().sum(-1)
            return Quantisation(with_gradient_of(v, z), self.nearest(z), cost)

    def config(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "dim": self.dim,
            "entropy_weight": self.entropy_weight,
            "diversity": self.diversity,
            "commitment": self.commitment,
        }


class BinarySphericalQuantiser(BinaryQuantiser):
    r"""BSQ: the corner of a cube nearest on the sphere, K = 2^E codes without a table.

    .. math:: u = z / \lVert z \rVert, \qquad v = \mathrm{sign}(u) / \sqrt{E}, \qquad
        \text{cost} = w \big( \mathrm{H}(q(\cdot | u))
        - \gamma \, \mathrm{H}(\mathrm{E}_u\, q(\cdot | u)) \big)

    Values have norm 1, so that quantising moves u by less than √2. The entropy of the mean is exact
    up to 20 bits, where published takes bits for independent. The gradient for u is that of the
    value, **biased**: the sign has none.

    Arguments:
        dim: E, from 1 to 62.
        entropy_weight: w ≥ 0.
        diversity: γ ≥ 0.

    Raises:
        ValueError: If a number is out of range, or a code to look up outside [0, 2^E).

    Reference: Zhao, Xiong & Krähenbühl, Image and video tokenization with binary spherical
    quantization, 2024, §4.

    Example:
        >>> values, codes, _ = BinarySphericalQuantiser(4)(torch.tensor([[0.2, -3.0, 0.1, -1.0]]))
        >>> values, codes
        (tensor([[ 0.5000, -0.5000,  0.5000, -0.5000]]), tensor([10]))
    """

    kind: ClassVar[str] = "bsq"

    def __init__(self, dim: int, entropy_weight: float = 0.1, diversity: float = 1.0) -> None:
        super().__init__(dim, entropy_weight, diversity)
        self.scale = dim**-0.5

    def forward(self, z: Float[Tensor, "*B E"]) -> Quantisation:
        z = widened(z)
        with torch.autocast(z.device.type, enabled=False):
            u = normalize(z, dim=-1)
            v = self._values(z > 0, z)
            return Quantisation(with_gradient_of(v, u), self.nearest(z), self.entropy_cost(u))

    def config(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "dim": self.dim,
            "entropy_weight": self.entropy_weight,
            "diversity": self.diversity,
        }
