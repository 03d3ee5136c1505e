"""Where a codebook starts: k-means."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.latents.quantisers.assignment import nearest, totals

__all__ = ["k_means"]


@torch.no_grad()
def k_means(
    vectors: Float[Tensor, "N E"], num_codes: int, iterations: int = 10
) -> Float[Tensor, "K E"]:
    r"""Finds K centres by Lloyd's iterations, from K of the vectors drawn at random.

    .. math:: e_k \leftarrow \frac{1}{n_k} \sum_{i : k^*(z_i) = k} z_i

    A centre to which no vector is nearest stays. Of fewer vectors than K each is taken as often
    as it goes, with noise of 1 % of their standard deviation, so that no two centres are equal.

    Reference: Lloyd, Least squares quantization in PCM, 1982.

    Example:
        >>> k_means(torch.tensor([[0.0], [0.2], [5.0], [5.2]]), num_codes=2).sort(0).values
        tensor([[0.1000],
                [5.1000]])
    """
    if len(vectors) < num_codes:
        repeated = vectors.repeat(math.ceil(num_codes / len(vectors)), 1)[:num_codes]
        return repeated + 0.01 * vectors.std(correction=0) * torch.randn_like(repeated)
    centres = vectors[torch.randperm(len(vectors), device=vectors.device)[:num_codes]]
    for _ in range(iterations):
        counts, sums = totals(vectors, nearest(vectors, centres), num_codes)
        used = (counts > 0)[:, None]
        centres = torch.where(used, sums / counts.clamp_min(1)[:, None], centres)
    return centres
