"""Which vector of a codebook is nearest, and what falls to each of them."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

__all__ = ["nearest", "totals"]

ENTRIES = 2**20
"""Pairs of a vector and a code that are looked at together."""


@torch.no_grad()
def nearest(z: Float[Tensor, "*B E"], codebook: Float[Tensor, "K E"]) -> Int64[Tensor, "*B"]:
    r"""Finds the nearest code of each vector, the first where several are.

    .. math:: k^* = \arg\min_k \lVert e_k \rVert^2 - 2 z^\top e_k

    Both are taken from the mean of the codebook: far from 0 the difference would drown in rounding.
    Memory is that of 2^20 pairs at a time, or of one vector with all K; an exported program,
    whose batch has no size yet, takes all vectors at once.

    Example:
        >>> nearest(torch.tensor([[0.9], [2.2]]), torch.tensor([[0.0], [1.0], [2.0]]))
        tensor([1, 2])
    """
    with torch.autocast(z.device.type, enabled=False):
        middle = codebook.mean(0)
        vectors, codebook = z.reshape(-1, z.shape[-1]) - middle, codebook - middle
        squared = codebook.square().sum(-1)

        def closest(part: Tensor) -> Tensor:
            return torch.addmm(squared, part, codebook.T, alpha=-2).argmin(-1)

        if torch.compiler.is_exporting():
            return closest(vectors).view(z.shape[:-1])
        # Written in place: small results kept between large ones would hold the heap apart.
        codes = torch.empty(vectors.shape[0], dtype=torch.long, device=z.device)
        together = max(1, ENTRIES // codebook.shape[0])
        for part, found in zip(vectors.split(together), codes.split(together), strict=True):
            found.copy_(closest(part))
        return codes.view(z.shape[:-1])


@torch.no_grad()
def totals(
    vectors: Float[Tensor, "N E"], codes: Int64[Tensor, " N"], num_codes: int
) -> tuple[Float[Tensor, " K"], Float[Tensor, "K E"]]:
    """Counts and sums the vectors of each code.

    Example:
        >>> totals(torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([0, 2, 2]), num_codes=3)
        (tensor([1., 0., 2.]), tensor([[1.],
                [0.],
                [6.]]))
    """
    counts = vectors.new_zeros(num_codes).index_add_(0, codes, vectors.new_ones(codes.shape))
    sums = vectors.new_zeros(num_codes, vectors.shape[1]).index_add_(0, codes, vectors)
    return counts, sums
