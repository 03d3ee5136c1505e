"""The second-order straight-through estimator of least variance."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.estimators.estimator import with_gradient_of
from discretevae.estimators.point import Point, point_of
from discretevae.latents import categorical

__all__ = ["MVE", "mve"]


@dataclass(frozen=True)
class MVE(Point):
    r"""Takes the smallest weights of f's gradient that are exact for quadratics.

    .. math:: g = \tfrac12 v_i (e_i - p) + \sum_{j \neq i} v_j \frac{p_j}{p_i + p_j} (C_j - C_i),
        \qquad z = e_i \sim q, \quad v = \partial f / \partial z

    where the rows C_j of a K × K matrix solve
    :math:`\sum_j \omega_{kj} (C_k - C_j) = \tfrac12 p_k (e_k - p)` for every class k, with
    :math:`\omega_{kj} = p_k p_j / (p_k + p_j)`. The value is unbiased. The gradient for `logits`
    is exact for an f that is quadratic in each latent, **biased** for any other, as that of
    `ReinMax` at τ = 1. Among all :math:`g = A(z) v` that are exact so, it has the least
    :math:`\mathbb{E} \|A(z)\|^2`, hence the least variance if v at the codes is white noise. For
    one given f the variance, and the bias beyond quadratics, may lie above those of `ReinMax` as
    well as below. At K = 2 the two are the same estimator.

    Time grows as K³ and memory as K² for each latent of each example: meant for K up to about 100.

    Arguments:
        samples: S ≥ 1.

    Raises:
        ValueError: If `samples` is below 1.

    Reference: Hooper & Shekhovtsov, Generalized and optimal straight-through estimators, 2026.

    Example:
        >>> logits = torch.zeros(5, 4, 8, requires_grad=True)
        >>> MVE()(lambda z: z[..., 0].sum(-1), logits).shape
        torch.Size([5])
    """

    def point(
        self, logits: Float[Tensor, "*B D K"], samples: int, generator: torch.Generator | None
    ) -> Float[Tensor, "S *B D K"]:
        z = categorical.sample(logits, samples, generator)
        log_p = categorical.log_probabilities(logits.detach())
        # Linear in the logits with constant weights, so that its gradient is g.
        c = (_weights(log_p) * logits.unsqueeze(-2)).sum(-1)
        share = torch.sigmoid(log_p - (z * log_p).sum(-1, keepdim=True))  # p_j / (p_i + p_j)
        drawn = z * (logits - (log_p.exp() * logits).sum(-1, keepdim=True)) / 2
        surrogate = share * (c - (z * c).sum(-1, keepdim=True)) + drawn
        return with_gradient_of(z, surrogate)


def _weights(log_p: Float[Tensor, "*B D K"]) -> Float[Tensor, "*B D K K"]:
    r"""Solves for the rows C_j, less the row of the most probable class.

    Only differences of rows matter, so that row may be zero. Divided by p_k the equations read
    :math:`\sum_j \frac{p_j}{p_k + p_j} (C_k - C_j) = \tfrac12 (e_k - p)`: each fraction is a
    sigmoid of a difference of logits, and the one of the most probable class is at least ½. The
    system without its row and column is thus diagonally dominant by ½ and its inverse at most 2,
    however small the other p are; p_k + p_j itself would underflow.
    """
    fractions = torch.sigmoid(log_p.unsqueeze(-2) - log_p.unsqueeze(-1))
    laplacian = torch.diag_embed(fractions.sum(-1)) - fractions
    identity = torch.eye(log_p.shape[-1], dtype=log_p.dtype, device=log_p.device)
    grounded = categorical.one_hot_argmax(log_p).bool().unsqueeze(-1)
    right = (identity - log_p.exp().unsqueeze(-2)) / 2
    # A class of probability zero has a zero in each row but its own, which has no weight.
    right = right.masked_fill(grounded | (log_p.exp() == 0).unsqueeze(-2), 0)
    return torch.linalg.solve(torch.where(grounded, identity, laplacian), right)


def mve(
    logits: Float[Tensor, "*B K"],
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*B K"]:
    """Draws exact one-hot codes with the second-order gradient of the smallest weights.

    `MVE` has the formula, what it is exact for and biased for, and the source.

    Example:
        >>> mve(torch.zeros(5, 8)).shape
        torch.Size([5, 8])
    """
    return point_of(MVE(), logits, generator)
