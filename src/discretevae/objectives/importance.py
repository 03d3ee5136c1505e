"""The importance-weighted bound of several samples."""

import math

from jaxtyping import Float
from torch import Tensor

__all__ = ["importance_weighted_bound"]


def importance_weighted_bound(log_weights: Float[Tensor, "S *B"]) -> Float[Tensor, "*B"]:
    r"""Bounds log p(x) by the log of the mean of S importance weights, in nats.

    .. math:: \log \frac{1}{S} \sum_s w_s, \qquad w_s = p(x, z_s) / q(z_s | x)

    A lower bound in expectation, tighter as S grows; S = 1 is the ELBO.

    Reference: Burda, Grosse & Salakhutdinov, Importance Weighted Autoencoders, 2016, eq. 8.

    Example:
        >>> import torch
        >>> importance_weighted_bound(torch.tensor([[-3.0], [-3.0]]))
        tensor([-3.])
    """
    return log_weights.logsumexp(0) - math.log(log_weights.shape[0])
