"""The score-function estimator of the importance-weighted bound."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from discretevae.estimators import Baseline, ConstantBaseline, MovingAverageBaseline
from discretevae.estimators.estimator import require_samples
from discretevae.estimators.multisample.multi_sample_estimator import (
    MultiSampleEstimator,
    log_weights_at,
)
from discretevae.latents import categorical
from discretevae.objectives import importance_weighted_bound

__all__ = ["IWAE"]


class IWAE(nn.Module, MultiSampleEstimator):
    r"""Weighs the scores of all samples by the one bound that they share: unbiased for it.

    .. math:: \sum_s (L - b) \nabla \log q(z_s) + \nabla L, \qquad
        L = \log \frac{1}{S} \sum_s w_s, \quad z_s \sim q

    The bound of the importance-weighted autoencoder; as codes have no pathwise gradient, its
    gradient comes from the score. The signal L − b is the same for good and bad samples, so the
    variance grows with S while VIMCO's signal tells them apart: a reference, not a choice. S = 1 is
    REINFORCE on the ELBO with log q(z) − log p(z) of the sample in place of the KL.

    Arguments:
        samples: S ≥ 1.
        baseline: b, a number in nats (0: none), or a :class:`~discretevae.estimators.Baseline`;
            the default is the moving average of earlier batches. Any b that does not depend on
            these samples leaves the mean as it is and changes the variance.

    Raises:
        ValueError: If `samples` is below 1.

    Reference: Burda, Grosse & Salakhutdinov, Importance weighted autoencoders, 2016, eq. 8; for
    discrete z, Mnih & Rezende, Variational inference for Monte Carlo objectives, 2016.

    Example:
        >>> logits = torch.zeros(5, 4, 8, requires_grad=True)
        >>> def log_weight(z: Tensor) -> Tensor:
        ...     return z[..., 0].sum(-1) - categorical.log_prob(z, logits)
        >>> IWAE(samples=3)(log_weight, logits).shape
        torch.Size([5])
    """

    def __init__(self, samples: int = 5, baseline: Baseline | float | None = None) -> None:
        super().__init__()
        require_samples(samples, 1)
        self.samples = samples
        if baseline is None:
            baseline = MovingAverageBaseline()
        self.baseline = baseline if isinstance(baseline, Baseline) else ConstantBaseline(baseline)

    def forward(
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
        score = (bound - self.baseline(bound[None])).detach() * log_q.sum(0)
        return bound + (score - score.detach())

    def evaluations(self, num_latents: int, num_categories: int) -> int:
        return self.samples
