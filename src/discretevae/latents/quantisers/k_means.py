"""Where a codebook starts: k-means."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from discretevae.latents.quantisers.assignment import nearest, totals

__all__ = ["far_vectors", "k_means"]


@torch.no_grad()
def k_means(
    vectors: Float[Tensor, "N E"], num_codes: int, iterations: int = 10
) -> Float[Tensor, "K E"]:
    r"""Finds K centres by Lloyd's iterations, from K of the vectors drawn at random.

    .. math:: e_k \leftarrow \frac{1}{n_k} \sum_{i : k^*(z_i) = k} z_i

    A centre to which no vector is nearest goes to a far one, :func:`far_vectors`. Of fewer vectors
    than K each is taken as often as it goes, with noise of 1 % of their standard deviation, so that
    no two centres are equal.

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
        codes = nearest(vectors, centres)
        squared = (vectors - centres[codes]).square().sum(-1)
        counts, sums = totals(vectors, codes, num_codes)
        unused = counts == 0
        means, far = sums / counts.clamp_min(1)[:, None], far_vectors(vectors, squared, unused)
        centres = torch.where(unused[:, None], far, means)
    return centres


@torch.no_grad()
def far_vectors(
    vectors: Float[Tensor, "N E"], squared: Float[Tensor, " N"], places: Bool[Tensor, " K"]
) -> Float[Tensor, "K E"]:
    r"""Draws a vector for each of the places, in proportion to its squared distance.

    .. math:: P(z_i) \propto \lVert z_i - e_{k_i} \rVert^2

    What is nearest to many equal vectors has no more than they need, and what is like no centre
    gets one. The draws are systematic: a vector with a share of s has of m places ⌊ms⌋ or ⌈ms⌉,
    so that few are drawn twice. Rows of other places are arbitrary.

    Arguments:
        vectors: z.
        squared: Their squared distances from what stands for them.
        places: Where one is drawn.

    Reference: Arthur & Vassilvitskii, k-means++: the advantages of careful seeding, 2007, §2.2.

    Example:
        >>> far_vectors(torch.eye(3), torch.tensor([0.0, 2.0, 0.0]), torch.tensor([False, True]))[1]
        tensor([0., 1., 0.])
    """
    cumulative = squared.cumsum(0)
    rank, many = places.cumsum(0) - 1, places.sum().clamp_min(1)
    share = (rank + torch.rand(places.shape, device=vectors.device)) / many
    drawn = torch.searchsorted(cumulative, share * cumulative[-1], right=True)
    return vectors[drawn.clamp(0, len(vectors) - 1)]
