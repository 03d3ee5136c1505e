"""The router by the score function."""

from discretevae.estimators import Baseline, Reinforce
from discretevae.routing.estimated_router import EstimatedRouter

__all__ = ["ReinforceRouter"]


class ReinforceRouter(EstimatedRouter):
    r"""Weighs the score of the expert drawn by its loss: unbiased for E f(p_D E_D), any f.

    .. math:: \frac{1}{S} \sum_s \big[ (f_s - b) \nabla \log p_{D_s} + \nabla f_s \big],
        \qquad f_s = f(p_{D_s} E_{D_s}), \quad D_s \sim p

    Only the S experts drawn are evaluated; f need not be differentiable in the choice.

    Arguments:
        samples: S ≥ 1.
        baseline: b, a number in the units of f, or a :class:`~discretevae.estimators.Baseline`; the
            default is the moving average of earlier batches.

    Raises:
        ValueError: If `samples` is below 1.

    Reference: Williams, Simple statistical gradient-following algorithms, 1992, eq. 4.

    Example:
        >>> import torch
        >>> from discretevae.routing import MixtureOfExperts, MLPExperts
        >>> mixture = MixtureOfExperts(MLPExperts(4, 6, 16, 3), router="reinforce")
        >>> x, target = torch.randn(5, 6), torch.randn(5, 3)
        >>> mixture.expected(lambda y: (y - target).square().sum(-1), x).values.shape
        torch.Size([5])
    """

    def __init__(self, samples: int = 1, baseline: Baseline | float | None = None) -> None:
        super().__init__(Reinforce(samples, baseline))
