"""How many codes of a codebook a data set uses, and how many examples share theirs."""

from dataclasses import dataclass

import torch
from jaxtyping import Int, Int64
from torch import Tensor

from discretevae.latents.quantisers.quantiser import require_codes

__all__ = ["CodeUsage", "code_usage", "collisions", "occurrences"]


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


def collisions(codes: Int[Tensor, "n *D"]) -> float:
    """Gives the share of examples whose whole code another example has too, between 0 and 1.

    Raises:
        ValueError: If there is no example.

    Example:
        >>> collisions(torch.tensor([[0, 1], [2, 1], [0, 1], [3, 3]]))
        0.5
    """
    _require_rows(codes)
    _, counts = codes.flatten(1).unique(dim=0, return_counts=True)
    return float(counts[counts > 1].sum()) / len(codes)


def occurrences(codes: Int[Tensor, "n *D"]) -> Int64[Tensor, " n"]:
    """Counts the examples before each that have the same whole code: with it, no two are alike.

    Raises:
        ValueError: If there is no example.

    Example:
        >>> occurrences(torch.tensor([[0, 1], [2, 1], [0, 1], [0, 1]]))
        tensor([0, 0, 1, 2])
    """
    _require_rows(codes)
    _, same, counts = codes.flatten(1).unique(dim=0, return_inverse=True, return_counts=True)
    order = same.argsort(stable=True)
    starts = counts.cumsum(0) - counts
    found = torch.empty_like(same)
    found[order] = torch.arange(len(same), device=same.device) - starts[same[order]]
    return found


def _require_rows(codes: Tensor) -> None:
    """Refuses what is no code of at least one example."""
    if codes.is_floating_point() or codes.is_complex():
        raise ValueError(f"`codes` must be whole numbers, got {codes.dtype}.")
    if codes.ndim < 2 or not codes.numel():
        raise ValueError(
            f"`codes` must be of at least one example, (N, D), got the shape {tuple(codes.shape)}."
        )
