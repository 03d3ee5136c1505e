"""The leave-one-out estimator of the importance-weighted bound."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.estimators.estimator import require_samples
from discretevae.estimators.multisample.multi_sample_estimator import (
    MultiSampleEstimator,
    log_weights_at,
)
from discretevae.latents import categorical
from discretevae.objectives import importance_weighted_bound

__all__ = ["VIMCO"]


@dataclass(frozen=True)
class VIMCO(MultiSampleEstimator):
    r"""Weighs each score by what its sample adds to the bound: unbiased for it.

    .. math:: \sum_s (L - L_{-s}) \nabla \log q(z_s) + \nabla L, \qquad
        L = \log \frac{1}{S} \sum_s w_s, \quad
        L_{-s} = \log \frac{1}{S} \Big( \hat w_{-s} + \sum_{t \neq s} w_t \Big), \quad z_s \sim q

    with :math:`\hat w_{-s} = \exp \frac{1}{S - 1} \sum_{t \neq s} \log w_t` the geometric mean of
    the others. L₋ₛ does not depend on z_s, so the mean stays that of the score function. All is
    computed from log w, which may lie thousands of nats apart.

    Arguments:
        samples: S ≥ 2.

    Raises:
        ValueError: If `samples` is below 2: there would be none to leave out.

    Reference: Mnih & Rezende, Variational inference for Monte Carlo objectives, 2016.

    Example:
        >>> logits = torch.zeros(5, 4, 8, requires_grad=True)
        >>> def log_weight(z: Tensor) -> Tensor:
        ...     return z[..., 0].sum(-1) - categorical.log_prob(z, logits)
        >>> VIMCO(samples=3)(log_weight, logits).shape
        torch.Size([5])
    """

    samples: int = 5

    def __post_init__(self) -> None:
        require_samples(self.samples, 2, " to leave one out")

    def __call__(
        self,
        log_weight: Callable[[Tensor], Tensor],
        logits: Float[Tensor, "*B D K"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*B"]:
        z = categorical.sample(logits, self.samples, generator)
        return self.bound(log_weights_at(log_weight, z), categorical.log_prob(z, logits))

    def bound(
        self, log_w: Float[Tensor, "S *B"], log_q: Float[Tensor, "S *B"]
    ) -> Float[Tensor, "*B"]:
        bound = importance_weighted_bound(log_w)
        score = ((bound - _bounds_without(log_w)).detach() * log_q).sum(0)
        return bound + (score - score.detach())

    def evaluations(self, num_latents: int, num_categories: int) -> int:
        return self.samples


def _bounds_without(log_w: Float[Tensor, "S *B"]) -> Float[Tensor, "S *B"]:
    """Gives the bound with each weight replaced by the geometric mean of the others."""
    S = len(log_w)
    others = (log_w.sum(0) - log_w) / (S - 1)
    columns = log_w[:, None].expand(S, S, *log_w.shape[1:])
    replaced = columns.diagonal_scatter(others.movedim(0, -1), dim1=0, dim2=1)
    return importance_weighted_bound(replaced)
