"""Data in [0, 1] under a normalised density."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor
from torch.distributions import ContinuousBernoulli, Distribution, Independent

from discretevae.likelihoods.base import LinearLikelihood, value_range

__all__ = ["ContinuousBernoulliLikelihood"]


class ContinuousBernoulliLikelihood(LinearLikelihood):
    r"""Observes values in [0, 1] with logits :math:`h`.

    .. math:: \log p(x | h) = \sum_i x_i h_i - \log(1 + e^{h_i}) + \log C(h_i), \qquad
        C(h) = \frac{2 \tanh^{-1}(1 - 2\sigma(h))}{1 - 2\sigma(h)}

    Its values are log-densities; they may be positive and do not compare with Bernoulli's.

    Reference: Loaiza-Ganem & Cunningham, The continuous Bernoulli, 2019, eq. 3.

    Example:
        >>> import torch
        >>> p = ContinuousBernoulliLikelihood()
        >>> p(torch.zeros(2, 3)).log_prob(torch.rand(2, 3))  # uniform on the cube
        tensor([0., 0.])
    """

    name: ClassVar[str] = "continuous-bernoulli"

    def forward(self, h: Float[Tensor, "*B_and_event"]) -> Distribution:
        return Independent(ContinuousBernoulli(logits=h, validate_args=False), self.event_dims)

    def check(self, x: Tensor) -> None:
        if not bool(((x >= 0) & (x <= 1)).all()):
            raise ValueError(
                "`x` must lie in [0, 1] for the continuous Bernoulli likelihood, "
                f"got {value_range(x)}."
            )
