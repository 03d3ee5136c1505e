"""The information between example and code: sure about each example, even over the batch."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["batch_mutual_information"]


def batch_mutual_information(logits: Float[Tensor, "B D K"]) -> Float[Tensor, " D"]:
    r"""Gives what each latent tells about which of the B examples it codes, in nats.

    .. math:: I = H(\bar q) - \frac1B \sum_b H(q_b)
        = \frac1B \sum_b \mathrm{KL}(q_b \| \bar q), \qquad \bar q = \frac1B \sum_b q_b

    Maximised, it spreads the batch evenly over the classes and makes each example sure of its own.
    It lies between 0 and min(log K, log B). Over random batches its expectation is at most the
    information on all data, and nears it as B grows. The sum over latents is at least the
    information of the whole code, which is less by the latents' total correlation.

    Reference: Krause, Perona & Gomes, Discriminative Clustering by Regularized Information
    Maximization, 2010. As a loss of networks: Hu et al., Learning Discrete Representations via
    Information Maximizing Self-Augmented Training, 2017.

    Example:
        >>> logits = torch.zeros(4, 2, 2)
        >>> logits[:2, 1, 0] = logits[2:, 1, 1] = 99  # the second latent halves the batch
        >>> batch_mutual_information(logits)
        tensor([0.0000, 0.6931])
    """
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    with torch.autocast(logits.device.type, enabled=False):
        # A class of probability zero has log-probability −inf; 0 · −inf would be NaN.
        log_q = wide.log_softmax(-1).clamp_min(torch.finfo(wide.dtype).min)
        log_mean = log_q.logsumexp(0) - math.log(len(log_q))
        return (log_q.exp() * (log_q - log_mean)).sum(-1).mean(0)
