"""What the entropy of soft codes costs, whose digits are independent given a vector."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.latents.quantisers.gathering import summed

__all__ = ["SHARE", "SHARPNESS", "entropy_cost", "joint_entropy", "sum_of_entropies"]

SHARPNESS = 10.0
"""Of a soft digit: minus its logit at a distance of one step between digits."""
SHARE = 0.03
"""Of the nats that a code stands for, the weight of its entropy: so that all codes are used."""
SUMMED = 2**20
"""Codes up to which the entropy of a mean is a sum over all of them."""


def entropy_cost(
    logits: Sequence[Float[Tensor, "*B _L"]], diversity: float = 1.0
) -> Float[Tensor, "*B"]:
    r"""Gives what asks that a soft code is sharp, and that its mean over a batch is not, in nats.

    .. math:: \mathrm{H}(q(\cdot | z)) - \gamma \, \mathrm{H}(\mathrm{E}_z\, q(\cdot | z)), \qquad
        q(k | z) = \prod_i q_i(k_i | z)

    Up to 2^20 codes the entropy of the mean is exact, :func:`joint_entropy`; above, it is its bound
    :func:`sum_of_entropies`.

    Arguments:
        logits: Of each digit.
        diversity: γ.

    Reference: Yu et al., Language model beats diffusion: tokenizer is key to visual generation,
    2023, §3.1.

    Example:
        >>> sharp = [torch.tensor([[9e3, -9e3], [-9e3, 9e3]])] * 2  # two codes of four
        >>> entropy_cost(sharp)  # −log 2
        tensor([-0.6931, -0.6931])
    """
    digits = [digit.softmax(-1) for digit in logits]
    rows = [digit.flatten(0, -2) for digit in digits]
    codes = math.prod([digit.shape[-1] for digit in digits])
    of_mean = joint_entropy(rows) if codes <= SUMMED else sum_of_entropies(rows)
    return torch.stack([_entropy(digit).sum(-1) for digit in digits]).sum(0) - diversity * of_mean


def joint_entropy(digits: Sequence[Float[Tensor, "N _L"]]) -> Float[Tensor, ""]:
    r"""Gives the entropy of the mean of N products of categoricals, over all codes, in nats.

    .. math:: \bar q(a, b) = \frac1N \sum_n q_n(a) \, q_n(b)

    With a and b the halves of a code that is one product of matrices.

    Example:
        >>> joint_entropy([torch.eye(2), torch.eye(2)])  # two codes of four: log 2
        tensor(0.6931)
    """
    half = len(digits) // 2
    first, second = _products(digits[:half], digits[0]), _products(digits[half:], digits[0])
    return _entropy(summed(first.T @ second) / _many(digits[0])).sum()


def sum_of_entropies(digits: Sequence[Float[Tensor, "N _L"]]) -> Float[Tensor, ""]:
    """Gives the same as if digits were independent under the mean too: never less, in nats.

    Example:
        >>> sum_of_entropies([torch.eye(2), torch.eye(2)])  # 2 log 2
        tensor(1.3863)
    """
    means = [summed(digit.sum(0)) / _many(digit) for digit in digits]
    return torch.stack([_entropy(mean).sum() for mean in means]).sum()


def _many(rows: Float[Tensor, "N L"]) -> Float[Tensor, ""]:
    """N, of all processes that share a batch."""
    return summed(torch.ones_like(rows[:, 0]).sum())


def _products(
    digits: Sequence[Float[Tensor, "N _L"]], like: Float[Tensor, "N _L"]
) -> Float[Tensor, "N C"]:
    """Gives q of all codes of these digits."""
    found = torch.ones_like(like[:, :1])
    for digit in digits:
        found = (found[:, :, None] * digit[:, None, :]).flatten(1)
    return found


def _entropy(p: Float[Tensor, "*B L"]) -> Float[Tensor, "*B L"]:
    # The derivative of −p log p is infinite at 0, and infinite times 0 no number.
    return -p * p.clamp_min(torch.finfo(p.dtype).tiny).log()
