"""How evenly tokens are spread over experts."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["balance_loss", "effective_experts", "load"]


def load(experts: Int[Tensor, "*B"], num_experts: int) -> Float[Tensor, " N"]:
    """Gives the share of each expert in what was routed.

    Example:
        >>> load(torch.tensor([0, 0, 2, 0]), 3)
        tensor([0.7500, 0.0000, 0.2500])
    """
    flat = experts.flatten()
    ones = torch.ones(len(flat), device=flat.device)
    return ones.new_zeros(num_experts).index_add_(0, flat, ones) / max(1, len(flat))


def effective_experts(share: Float[Tensor, " N"]) -> Float[Tensor, ""]:
    r"""Gives how many experts, used evenly, would be as uncertain a choice: e to the entropy.

    .. math:: \exp\Big(-\sum_i f_i \log f_i\Big) \in [1, N]

    Example:
        >>> effective_experts(torch.tensor([0.5, 0.5, 0.0]))
        tensor(2.)
    """
    return torch.special.entr(share).sum().exp()


def balance_loss(
    probabilities: Float[Tensor, "T N"], experts: Int[Tensor, "T M"]
) -> Float[Tensor, ""]:
    r"""Is least where tokens and probabilities are spread evenly, and then 1.

    .. math:: N \sum_i f_i \bar p_i

    with f the share of the tokens that went to each expert, a constant, and :math:`\bar p` the mean
    of their probabilities, through which the gate learns. At most N.

    Reference: Fedus, Zoph & Shazeer, Switch transformers, 2021, eq. 4 to 6.

    Example:
        >>> p = torch.tensor([[0.5, 0.5], [0.5, 0.5]])
        >>> balance_loss(p, torch.tensor([[0], [1]]))
        tensor(1.)
    """
    num_experts = probabilities.shape[-1]
    return num_experts * (load(experts, num_experts) * probabilities.mean(0)).sum()
