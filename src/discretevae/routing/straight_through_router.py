"""The straight-through router."""

from discretevae.estimators import StraightThrough
from discretevae.routing.point_router import PointRouter

__all__ = ["StraightThroughRouter"]


class StraightThroughRouter(PointRouter):
    r"""Sends each token to an expert that is drawn, and learns from what all would have given.

    .. math:: y = \sum_i z_i\, p_i E_i(x), \quad z \sim p, \quad \nabla z := \nabla p

    All N experts are evaluated. As an estimate of the gradient of E f(p_D E_D) the value is
    unbiased and the gate's gradient of first order: exact for a linear f, else **biased**.

    Arguments:
        temperature: Of the softmax in ∇z, positive.

    Raises:
        ValueError: If the temperature is not positive.

    Reference: Bengio, Léonard & Courville, Estimating or propagating gradients through
    stochastic neurons, 2013.

    Example:
        >>> import torch
        >>> from discretevae.routing import MixtureOfExperts, MLPExperts
        >>> mixture = MixtureOfExperts(MLPExperts(4, 6, 16, 3), router="straight-through")
        >>> mixture(torch.randn(5, 6)).values.shape
        torch.Size([5, 3])
    """

    def __init__(self, temperature: float = 1.0) -> None:
        super().__init__(StraightThrough(temperature=temperature))
