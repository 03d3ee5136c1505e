"""Grouped quantisation: each group of the numbers of a vector has a quantiser of its own."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from discretevae.latents.quantisers.quantiser import Quantisation, Quantiser

__all__ = ["GroupedQuantiser"]


class GroupedQuantiser(nn.Module):
    r"""Vectors of E numbers in G groups side by side, each quantised alone.

    .. math:: z = (z_1, \dots, z_G), \qquad v = (Q_1(z_1), \dots, Q_G(z_G))

    The K codes of each make K^G vectors, of G·K that are learned. The gradient of each group is its
    quantiser's, **biased** as that is.

    As a model this is a chain of `Quantised` variables, each of whose posteriors takes its part of
    the vectors.

    Arguments:
        quantisers: G of them, whose E add up to that of the whole.

    Raises:
        ValueError: If there is none.

    Reference: Jégou, Douze & Schmid, Product quantization for nearest neighbor search, 2011, §2.

    Example:
        >>> from discretevae.latents.quantisers import VectorQuantiser
        >>> quantiser = GroupedQuantiser([VectorQuantiser(16, 4) for _ in range(3)]).eval()
        >>> values, codes, cost = quantiser(torch.randn(5, 7, 12))
        >>> codes.shape, bool(quantiser.lookup(codes).isclose(values).all())
        (torch.Size([5, 7, 3]), True)
    """

    quantisers: Sequence[Quantiser]

    def __init__(self, quantisers: Sequence[Quantiser]) -> None:
        super().__init__()
        if not quantisers:
            raise ValueError("`quantisers` must be at least one, got none.")
        self.quantisers = nn.ModuleList(quantisers)  # type: ignore[assignment]
        self.dims = [quantiser.dim for quantiser in quantisers]

    def forward(self, z: Float[Tensor, "*B E"]) -> Quantisation:
        """Quantises vectors; the codes are (*B, G), the cost the sum of all G.

        Raises:
            ValueError: If the vectors have another E.
        """
        if z.shape[-1] != sum(self.dims):
            raise ValueError(f"`z` must end in E = {sum(self.dims)} numbers, got {z.shape[-1]}.")
        parts = zip(self.quantisers, z.split(self.dims, -1), strict=True)
        found = [quantiser(part) for quantiser, part in parts]
        return Quantisation(
            torch.cat([one.values for one in found], -1),
            torch.stack([one.codes for one in found], -1),
            torch.stack([one.cost for one in found]).sum(0),
        )

    def lookup(self, codes: Int[Tensor, "*B G"]) -> Float[Tensor, "*B E"]:
        """Gives the vectors of G codes side by side.

        Raises:
            ValueError: If there are more or fewer, or one lies outside its codebook.
        """
        if codes.shape[-1] != len(self.quantisers):
            raise ValueError(
                f"`codes` must have {len(self.quantisers)} columns, got {codes.shape[-1]}."
            )
        parts = zip(self.quantisers, codes.unbind(-1), strict=True)
        return torch.cat([quantiser.lookup(column) for quantiser, column in parts], -1)
