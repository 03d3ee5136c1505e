"""The router by the score function, with the other draws as baseline."""

from discretevae.estimators import RLOO
from discretevae.routing.estimated_router import EstimatedRouter

__all__ = ["RLOORouter"]


class RLOORouter(EstimatedRouter):
    r"""Draws several experts a token, each the others' baseline: unbiased for E f(p_D E_D), any f.

    .. math:: \frac{1}{S} \sum_s \big[ (f_s - b_s) \nabla \log p_{D_s} + \nabla f_s \big],
        \qquad b_s = \frac{1}{S - 1} \sum_{t \neq s} f_t, \quad f_s = f(p_{D_s} E_{D_s})

    Only the S experts drawn are evaluated; f need not be differentiable in the choice.

    Arguments:
        samples: S ≥ 2.

    Raises:
        ValueError: If `samples` is below 2.

    Reference: Kool, van Hoof & Welling, Buy 4 REINFORCE samples, get a baseline for free!, 2019.

    Example:
        >>> import torch
        >>> from discretevae.routing import MixtureOfExperts, MLPExperts
        >>> mixture = MixtureOfExperts(MLPExperts(4, 6, 16, 3), router="rloo")
        >>> x, target = torch.randn(5, 6), torch.randn(5, 3)
        >>> mixture.expected(lambda y: (y - target).square().sum(-1), x).values.shape
        torch.Size([5])
    """

    def __init__(self, samples: int = 2) -> None:
        super().__init__(RLOO(samples))
