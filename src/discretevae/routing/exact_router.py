"""The exact router."""

from discretevae.estimators import Exact
from discretevae.routing.estimated_router import EstimatedRouter

__all__ = ["ExactRouter"]


class ExactRouter(EstimatedRouter):
    r"""Sums the loss over all experts: no variance, no bias.

    .. math:: \mathbb{E} f(p_D E_D) = \sum_i p_i f\big(p_i E_i(x)\big)

    All N experts are evaluated, and the loss at each. This is the loss of one expert a token, in
    the mean, and not that of the mean of the experts.

    Example:
        >>> import torch
        >>> from discretevae.routing import MixtureOfExperts, MLPExperts
        >>> mixture = MixtureOfExperts(MLPExperts(4, 6, 16, 3), router="exact")
        >>> x, target = torch.randn(5, 6), torch.randn(5, 3)
        >>> mixture.expected(lambda y: (y - target).square().sum(-1), x).values.shape
        torch.Size([5])
    """

    def __init__(self) -> None:
        super().__init__(Exact())
