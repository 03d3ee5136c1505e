"""SimVQ: a codebook that moves as one, by a linear map."""

from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor, nn

from discretevae.latents.gradients import with_gradient_of
from discretevae.latents.quantisers.assignment import nearest
from discretevae.latents.quantisers.quantiser import (
    Quantisation,
    Quantiser,
    require_codes,
    widened,
)
from discretevae.latents.quantisers.vector import require_commitment
from discretevae.names import require_count

__all__ = ["SimVQ"]


class SimVQ(Quantiser):
    r"""The nearest of K vectors e = C W, of which C is drawn once and W learned.

    .. math:: q = e_{k^*}, \qquad C_{kj} \sim \mathcal{N}(0, 1 / E), \qquad
        \text{cost} = \lVert \mathrm{sg}\,z - q \rVert^2 + \beta \lVert z - \mathrm{sg}\,q \rVert^2

    Whichever code is used, W moves them all, so that none is left behind: there is nothing to
    revive, also where K is large. The gradient is copied from the value to z, **biased** as that
    of :class:`~discretevae.latents.quantisers.VectorQuantiser`.

    Arguments:
        num_codes: K ≥ 2.
        dim: E ≥ 1.
        commitment: β ≥ 0.

    Raises:
        ValueError: If a number is out of range, or a code to look up outside the codebook.

    Reference: Zhu et al., Addressing representation collapse in vector quantized models with one
    linear layer, 2024, §4.

    Example:
        >>> quantiser = SimVQ(num_codes=16, dim=4)
        >>> values, codes, cost = quantiser(torch.randn(5, 4))
        >>> cost.sum().backward()
        >>> bool(quantiser.transform.weight.grad.any()), quantiser.frozen.requires_grad
        (True, False)
    """

    kind: ClassVar[str] = "simvq"
    frozen: Tensor

    def __init__(self, num_codes: int, dim: int, commitment: float = 0.25) -> None:
        super().__init__()
        require_count("num_codes", num_codes, 2)
        require_count("dim", dim)
        self.num_codes, self.dim = num_codes, dim
        self.commitment = require_commitment(commitment)
        self.register_buffer("frozen", torch.randn(num_codes, dim) / dim**0.5)
        self.transform = nn.Linear(dim, dim, bias=False)

    @property
    def codebook(self) -> Float[Tensor, "K E"]:
        """The vectors e."""
        return self.transform(self.frozen)

    def nearest(self, z: Float[Tensor, "*B E"]) -> Int64[Tensor, "*B"]:
        with torch.no_grad(), torch.autocast(z.device.type, enabled=False):
            return nearest(widened(z), widened(self.codebook))

    def lookup(self, codes: Int[Tensor, "*B"]) -> Float[Tensor, "*B E"]:
        require_codes(codes, self.num_codes)
        with torch.autocast(codes.device.type, enabled=False):
            return widened(self.transform(self.frozen[codes.long()]))

    def forward(self, z: Float[Tensor, "*B E"]) -> Quantisation:
        z = widened(z)
        with torch.autocast(z.device.type, enabled=False):
            codebook = widened(self.codebook)
            codes = nearest(z, codebook)
            q = codebook[codes]
            cost = (z.detach() - q).square() + self.commitment * (z - q.detach()).square()
            return Quantisation(with_gradient_of(q.detach(), z), codes, cost.sum(-1))

    def config(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "num_codes": self.num_codes,
            "dim": self.dim,
            "commitment": self.commitment,
        }
