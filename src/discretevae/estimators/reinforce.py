"""The score-function estimator."""

from collections.abc import Callable
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from discretevae.estimators.baselines import Baseline, ConstantBaseline, MovingAverageBaseline
from discretevae.estimators.estimator import Estimator, evaluate, require_samples
from discretevae.latents import categorical

__all__ = ["Reinforce"]


class Reinforce(nn.Module, Estimator):
    r"""Weighs the score by the value: unbiased for any f, differentiable or not.

    .. math:: \frac{1}{S} \sum_s \big[ (f(z_s) - b) \nabla \log q(z_s) + \nabla f(z_s) \big],
        \qquad z_s \sim q

    Arguments:
        samples: S ≥ 1.
        baseline: A number in the units of f (0: none), or a :class:`Baseline`; the default is the
            moving average of earlier batches. Any b that does not depend on z_s leaves the mean
            as it is and changes the variance.

    Raises:
        ValueError: If `samples` is below 1.

    Reference: Williams, Simple statistical gradient-following algorithms, 1992, eq. 4.

    Example:
        >>> logits = torch.zeros(5, 4, 8, requires_grad=True)
        >>> estimate = Reinforce(samples=2, baseline=1.0)(lambda z: z[..., 0].sum(-1), logits)
        >>> estimate.sum().backward()
        >>> logits.grad.shape
        torch.Size([5, 4, 8])
    """

    unbiased: ClassVar[bool] = True

    def __init__(self, samples: int = 1, baseline: Baseline | float | None = None) -> None:
        super().__init__()
        require_samples(samples, 1)
        self.samples = samples
        if baseline is None:
            baseline = MovingAverageBaseline()
        self.baseline = baseline if isinstance(baseline, Baseline) else ConstantBaseline(baseline)

    def forward(
        self,
        f: Callable[[Tensor], Tensor],
        logits: Float[Tensor, "*B D K"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*B"]:
        z = categorical.sample(logits, self.samples, generator)
        value, log_q = evaluate(f, z), categorical.log_prob(z, logits)
        score = (value - self.baseline(value)).detach() * log_q
        return (value + (score - score.detach())).mean(0)

    def evaluations(self, num_latents: int, num_categories: int) -> int:
        return self.samples
