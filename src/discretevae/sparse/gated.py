"""The sparse autoencoder that says apart whether a latent is active, and how strongly."""

from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from discretevae.sparse.autoencoder import SparseAutoencoder
from discretevae.sparse.products import Support, above, decoded, largest
from discretevae.sparse.steered import SteeredWeight

__all__ = ["GatedAutoencoder"]


class GatedAutoencoder(SparseAutoencoder):
    r"""A gate says which latents are active; the penalty falls on it, not on the amplitudes.

    .. math:: \pi = (x - b) W_{enc} + b_{enc}, \qquad
        a = 1[\pi > 0] \, \mathrm{relu}\big((x - b)(W_{enc} e^r) + b_{mag}\big)

    .. math:: \lVert x - \hat x \rVert^2 + \lambda \sum_j \mathrm{relu}(\pi_j)
        + \lVert x - \mathrm{relu}(\pi) \, \mathrm{sg}(W_{dec}) - \mathrm{sg}(b) \rVert^2

    The gate has no gradient from the first term; the last, whose decoder has none, gives it one.

    Arguments:
        dim: d.
        width: m.
        k: The mean number of active latents towards which λ is steered.
        dim_out: Of a transcoder.
        penalty: λ, which then stays; by default :class:`SteeredWeight`.

    Reference: Rajamanoharan et al., Improving dictionary learning with gated sparse autoencoders,
    2024, eq. 6 to 8.

    Example:
        >>> GatedAutoencoder(dim=8, width=32, k=4).encode(torch.randn(5, 8)).shape
        torch.Size([5, 32])
    """

    kind: ClassVar[str] = "gated"
    architecture: ClassVar[str] = "gated"
    in_units: ClassVar[tuple[str, ...]] = ("b_enc", "b_dec", "b_mag")

    def __init__(
        self,
        dim: int,
        width: int,
        k: int,
        dim_out: int | None = None,
        penalty: float | None = None,
    ) -> None:
        super().__init__(dim, width, k, dim_out)
        self.weight = SteeredWeight(penalty)
        self.r_mag = nn.Parameter(torch.zeros(width))
        self.b_mag = nn.Parameter(torch.zeros(width))

    def picked(self, x: Float[Tensor, "B d"]) -> tuple[Support, Float[Tensor, " nnz"]]:
        return largest(x, self.W_enc, self.bias, above(0.0))

    def amplitudes(self, h: Float[Tensor, " nnz"], support: Support) -> Float[Tensor, " nnz"]:
        of = support.latents
        product = h - self.b_enc[of]  # (x − b)·W_enc
        return (product * self.r_mag[of].exp() + self.b_mag[of]).relu()

    def penalty(
        self, h: Float[Tensor, " nnz"], a: Float[Tensor, " nnz"], support: Support
    ) -> Float[Tensor, ""]:
        return self.weight.value * h.relu().sum() / len(support)

    def beside(
        self, h: Float[Tensor, " nnz"], support: Support, y: Float[Tensor, "B e"]
    ) -> Float[Tensor, ""]:
        by_gate = decoded(h.relu(), self.W_dec.detach(), support) + self.b_dec.detach()
        return (y - by_gate).square().sum(-1).mean()

    @torch.no_grad()
    def start_at(self, x: Float[Tensor, "N d"], y: Float[Tensor, "N e"] | None = None) -> None:
        super().start_at(x, y)
        self.b_mag.copy_(self.b_enc)

    @torch.no_grad()
    def restart(
        self,
        latents: Int64[Tensor, " n"],
        encoder: Float[Tensor, "n d"],
        decoder: Float[Tensor, "n e"],
        x: Float[Tensor, "N d"],
    ) -> None:
        super().restart(latents, encoder, decoder, x)
        self.r_mag[latents] = self.b_mag[latents] = 0.0

    def after_step(self, l0: float) -> None:
        super().after_step(l0)
        self.weight.steer(l0, self.k)

    def tensors(self) -> dict[str, Tensor]:
        found = super().tensors()
        found["b_gate"] = found.pop("b_enc")
        return {**found, "r_mag": self.r_mag.data, "b_mag": self.b_mag.data}

    def options(self) -> dict[str, Any]:
        return {"penalty": self.weight.fixed}
