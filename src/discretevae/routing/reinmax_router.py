"""The ReinMax router."""

from discretevae.estimators import ReinMax
from discretevae.routing.point_router import PointRouter

__all__ = ["ReinMaxRouter"]


class ReinMaxRouter(PointRouter):
    r"""Sends each token to an expert that is drawn, with a gradient of second order.

    .. math:: y = \sum_i z_i\, p_i E_i(x), \quad z \sim p, \quad
        \nabla z := 2 \nabla \pi_z - \tfrac12 \nabla p, \quad \pi_z = \tfrac12 (p + z)

    All N experts are evaluated: each difference of two states is the mean of the gradients at
    both, so that those of all are needed. As an estimate of the gradient of E f(p_D E_D) the value
    is unbiased and the gate's gradient exact for an f up to quadratic, else **biased**.

    Arguments:
        temperature: Of the softmax in π, positive.

    Raises:
        ValueError: If the temperature is not positive.

    Reference: Liu, Dong, Liu, Yu & Gao, Bridging discrete and backpropagation: straight-through
    and beyond, 2023, algorithm 2.

    Example:
        >>> import torch
        >>> from discretevae.routing import MixtureOfExperts, MLPExperts
        >>> mixture = MixtureOfExperts(MLPExperts(4, 6, 16, 3), router="reinmax")
        >>> mixture(torch.randn(5, 6)).values.shape
        torch.Size([5, 3])
    """

    def __init__(self, temperature: float = 1.0) -> None:
        super().__init__(ReinMax(temperature=temperature))
