"""Quantisers whose codes are the signs of the numbers: LFQ, and BSQ on a sphere."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor
from torch.nn.functional import normalize, softplus

from discretevae.latents.gradients import with_gradient_of
from discretevae.latents.quantisers.gathering import summed
from discretevae.latents.quantisers.quantiser import (
    Quantisation,
    Quantiser,
    require_codes,
    widened,
)
from discretevae.latents.quantisers.vector import require_commitment

__all__ = [
    "BinaryQuantiser",
    "BinarySphericalQuantiser",
    "LookupFreeQuantiser",
    "joint_entropy",
    "sum_of_entropies",
]

SHARPNESS = 100.0
"""The inverse temperature of the distribution over codes whose entropy is a cost."""
SUMMED = 20
"""Bits up to which the entropy of the mean over a batch is a sum over all codes."""


class BinaryQuantiser(Quantiser, ABC):
    r"""Signs of E numbers, K = 2^E, times a scale s; the first is the highest bit of the code.

    Around each vector stands a distribution over codes, in which the bits are independent,

    .. math:: q(k | z) \propto \exp(2 \cdot 100 \, z^\top e_k) = \prod_i
        \sigma(\pm 400 \, s z_i),

    and the cost asks that it is sharp, and that its mean over the batch is not:
    :math:`w (\mathrm{H}(q(\cdot | z)) - \gamma \, \mathrm{H}(\mathrm{E}_z q(\cdot | z)))`, in nats.

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

    @abstractmethod
    def mean_entropy(self, logits: Float[Tensor, "N E"]) -> Float[Tensor, ""]:
        """Gives the entropy of the mean of N distributions with these logits of the bits."""

    def entropy_cost(self, u: Float[Tensor, "*B E"]) -> Float[Tensor, "*B"]:
        """Gives what the distributions around vectors cost."""
        logits = 4 * SHARPNESS * self.scale * u
        of_mean = self.mean_entropy(logits.reshape(-1, self.dim))
        return self.entropy_weight * (_bit_entropy(logits).sum(-1) - self.diversity * of_mean)


class LookupFreeQuantiser(BinaryQuantiser):
    r"""LFQ: the sign of each number, :math:`v = \mathrm{sign}(z)`, K = 2^E codes without a table.

    .. math:: \text{cost} = w \big( \mathrm{H}(q(\cdot | z))
        - \gamma \, \mathrm{H}(\mathrm{E}_z\, q(\cdot | z)) \big)
        + \beta \lVert z - \mathrm{sg}\,v \rVert^2

    Up to 20 bits the entropy of the mean is exact, :func:`joint_entropy`; above, it is its bound
    :func:`sum_of_entropies`. The gradient for z is that of the value, **biased**: the sign has
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

    def mean_entropy(self, logits: Float[Tensor, "N E"]) -> Float[Tensor, ""]:
        return joint_entropy(logits) if self.dim <= SUMMED else sum_of_entropies(logits)

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
        - \gamma \sum_i \mathrm{H}(\mathrm{E}_u\, q_i(\cdot | u)) \big)

    Values have norm 1, so that quantising moves u by less than √2. The entropy of the mean is
    that of independent bits, :func:`sum_of_entropies`, its upper bound. The gradient for u is that
    of the value, **biased**: the sign has none.

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

    def mean_entropy(self, logits: Float[Tensor, "N E"]) -> Float[Tensor, ""]:
        return sum_of_entropies(logits)

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


def joint_entropy(logits: Float[Tensor, "N E"]) -> Float[Tensor, ""]:
    r"""Gives the entropy of the mean of N products of E Bernoullis, over all 2^E codes, in nats.

    .. math:: \bar q(a, b) = \frac1N \sum_n q_n(a) \, q_n(b)

    With a and b the halves of a code that is one product of matrices.

    Example:
        >>> joint_entropy(torch.tensor([[9e3, 9e3], [-9e3, -9e3]]))  # two codes of four: log 2
        tensor(0.6931)
    """
    half = logits.shape[1] // 2
    first, second = _probabilities(logits[:, :half]), _probabilities(logits[:, half:])
    return _entropy(summed(first.T @ second) / _many(logits)).sum()


def sum_of_entropies(logits: Float[Tensor, "N E"]) -> Float[Tensor, ""]:
    """Gives the same as if the bits were independent under the mean too: never less, in nats.

    Example:
        >>> sum_of_entropies(torch.tensor([[9e3, 9e3], [-9e3, -9e3]]))  # 2 log 2
        tensor(1.3863)
    """
    one, nought = (summed(half.sigmoid().sum(0)) / _many(logits) for half in (logits, -logits))
    return (_entropy(one) + _entropy(nought)).sum()


def _many(logits: Float[Tensor, "N E"]) -> Float[Tensor, ""]:
    """N, of all processes that share a batch."""
    return summed(torch.ones_like(logits[:, 0]).sum())


def _probabilities(logits: Float[Tensor, "N E"]) -> Float[Tensor, "N C"]:
    """Gives q of all 2^E codes."""
    found = logits.new_ones(logits.shape[0], 1)
    for column in logits.T:
        bit = torch.stack([-column, column], -1).sigmoid()
        found = (found[:, :, None] * bit[:, None, :]).flatten(1)
    return found


def _bit_entropy(logits: Float[Tensor, "*B E"]) -> Float[Tensor, "*B E"]:
    """Gives H of a Bernoulli: |l| σ(−|l|) + log(1 + exp(−|l|)), without a difference."""
    size = logits.abs()
    return size * (-size).sigmoid() + softplus(-size)


def _entropy(p: Float[Tensor, "*C"]) -> Float[Tensor, "*C"]:
    # The derivative of −p log p is infinite at 0, and infinite times 0 no number.
    return -p * p.clamp_min(torch.finfo(p.dtype).tiny).log()
