"""Distributions p(x | h) of the data given the decoder's output."""

from collections.abc import Callable

from discretevae.likelihoods.base import Likelihood
from discretevae.likelihoods.bernoulli import BernoulliLikelihood
from discretevae.likelihoods.continuous_bernoulli import ContinuousBernoulliLikelihood
from discretevae.likelihoods.gaussian import GaussianLikelihood

__all__ = [
    "LIKELIHOODS",
    "BernoulliLikelihood",
    "ContinuousBernoulliLikelihood",
    "GaussianLikelihood",
    "Likelihood",
]

LIKELIHOODS: dict[str, Callable[[int], Likelihood]] = {
    "bernoulli": BernoulliLikelihood,
    "bernoulli-grey": lambda event_dims: BernoulliLikelihood(event_dims, grey=True),
    "continuous-bernoulli": ContinuousBernoulliLikelihood,
    "gaussian": GaussianLikelihood,
}
"""Name → likelihood, as a function of the number of dimensions of one observation."""
