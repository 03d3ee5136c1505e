"""How many codes of a codebook a data set uses."""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from discretevae.latents.quantisers.quantiser import require_codes

__all__ = ["CodeUsage", "code_usage"]


@dataclass(frozen=True)
class CodeUsage:
    """What is used of K codes.

    Attributes:
        counts: Of each code.
        perplexity: exp of the entropy of their shares: how many are used, between 1 and K, were
            they used alike.
        share: Of the codes, that which is used at all, between 0 and 1.
    """

    counts: Int[Tensor, " K"]
    perplexity: float
    share: float


def code_usage(codes: Int[Tensor, "..."], num_codes: int) -> CodeUsage:
    r"""Measures the usage of codes over a data set; over a batch it depends on the batch's size.

    .. math:: \text{perplexity} = \exp\Big( -\sum_k \hat p_k \log \hat p_k \Big), \qquad
        \hat p_k = \frac{n_k}{\sum_j n_j}

    Raises:
        ValueError: If there is no code, or one lies outside [0, K).

    Example:
        >>> code_usage(torch.tensor([[0, 1], [1, 0]]), num_codes=4)
        CodeUsage(counts=tensor([2, 2, 0, 0]), perplexity=2.0, share=0.5)
    """
    if not codes.numel():
        raise ValueError("`codes` must be at least one, got none.")
    require_codes(codes, num_codes)
    counts = torch.bincount(codes.flatten(), minlength=num_codes)
    entropy = torch.special.entr(counts / counts.sum().double()).sum()
    return CodeUsage(counts, float(entropy.exp()), float((counts > 0).double().mean()))
