"""SimVQ: a codebook that moves as one, by a linear map."""

from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from discretevae.latents.gradients import with_gradient_of
from discretevae.latents.quantisers.assignment import nearest
from discretevae.latents.quantisers.codebook import CodebookQuantiser
from discretevae.latents.quantisers.quantiser import Quantisation, require_codes, widened
from discretevae.latents.quantisers.vector import require_commitment

__all__ = ["SimVQ"]


class SimVQ(CodebookQuantiser):
    r"""The nearest of K vectors e = C W, of which C is frozen and W learned.

    .. math:: q = e_{k^*}, \qquad
        \text{cost} = \lVert \mathrm{sg}\,z - q \rVert^2 + \beta \lVert z - \mathrm{sg}\,q \rVert^2

    Whichever code is used, W moves them all, so that few are left behind, also where K is large.
    Drawn at random, C fills all E dimensions, of which encoders soon use a few: it starts at the
    centres of the first batch instead, with W the identity, and a row whose code is dead is set
    such that e is a vector of the batch. The gradient is copied from the value to z, **biased** as
    that of :class:`~discretevae.latents.quantisers.VectorQuantiser`.

    Arguments:
        num_codes: K ≥ 2.
        dim: E ≥ 1.
        commitment: β ≥ 0.
        revive_below: The share of the mean use below which a code is dead and replaced; 0 for
            never, as in the paper.

    Raises:
        ValueError: If a number is out of range, or a code to look up outside the codebook.

    Reference: Zhu et al., Addressing representation collapse in vector quantized models with one
    linear layer, 2024, §4; a frozen codebook of the data's own vectors: Zhu et al., Scaling the
    codebook size of VQGAN to 100,000 with a utilization rate of 99%, 2024, §3.2.

    Example:
        >>> quantiser = SimVQ(num_codes=16, dim=4)
        >>> values, codes, cost = quantiser(torch.randn(5, 4))
        >>> cost.sum().backward()
        >>> bool(quantiser.transform.weight.grad.any()), quantiser.frozen.requires_grad
        (True, False)
    """

    kind: ClassVar[str] = "simvq"
    of_training: ClassVar[tuple[str, ...]] = ("idle", "started")
    frozen: Tensor

    def __init__(
        self, num_codes: int, dim: int, commitment: float = 0.25, revive_below: float = 0.1
    ) -> None:
        super().__init__(num_codes, dim, revive_below)
        self.commitment = require_commitment(commitment)
        self.register_buffer("frozen", torch.randn(num_codes, dim) / dim**0.5)
        self.transform = nn.Linear(dim, dim, bias=False)

    @property
    def codebook(self) -> Float[Tensor, "K E"]:  # type: ignore[override]
        """The vectors e."""
        return self.transform(self.frozen)

    def lookup(self, codes: Int[Tensor, "*B"]) -> Float[Tensor, "*B E"]:
        require_codes(codes, self.num_codes)
        with torch.autocast(codes.device.type, enabled=False):
            return widened(self.transform(self.frozen[codes.long()]))

    def begin_at(self, vectors: Float[Tensor, "K E"], count: float) -> None:
        self.frozen.copy_(vectors)
        self.transform.weight.copy_(torch.eye(self.dim, device=vectors.device))

    def put(self, places: Bool[Tensor, " K"], vectors: Float[Tensor, "K E"]) -> None:
        rows, _ = torch.linalg.solve_ex(widened(self.transform.weight), widened(vectors).T)
        found = places & rows.isfinite().all(0)  # a W without an inverse leaves them dead
        self.frozen.copy_(torch.where(found[:, None], rows.T.to(self.frozen), self.frozen))

    def forward(self, z: Float[Tensor, "*B E"]) -> Quantisation:
        z = widened(z)
        with torch.autocast(z.device.type, enabled=False):
            self.prepare(z)
            # A copy: rows may be replaced before W has its gradient.
            codebook = widened(self.transform(self.frozen.clone()))
            codes = nearest(z, codebook)
            q = codebook[codes]
            cost = (z.detach() - q).square() + self.commitment * (z - q.detach()).square()
            self.follow(z, codes)
            return Quantisation(with_gradient_of(q.detach(), z), codes, cost.sum(-1))

    def config(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "num_codes": self.num_codes,
            "dim": self.dim,
            "commitment": self.commitment,
            "revive_below": self.revive_below,
        }
