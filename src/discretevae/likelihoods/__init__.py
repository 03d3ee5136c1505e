"""Distributions p(x | h) of the data given the decoder's output."""

from collections.abc import Callable, Mapping
from typing import Any

from discretevae.likelihoods.bernoulli import BernoulliLikelihood
from discretevae.likelihoods.columns import ColumnsLikelihood
from discretevae.likelihoods.continuous_bernoulli import ContinuousBernoulliLikelihood
from discretevae.likelihoods.discretised_logistic import DiscretisedLogisticLikelihood
from discretevae.likelihoods.gaussian import GaussianLikelihood
from discretevae.likelihoods.levels import LevelsLikelihood
from discretevae.likelihoods.likelihood import Likelihood, Part
from discretevae.likelihoods.local import (
    LocalBernoulliLikelihood,
    LocalLikelihood,
    LocalMixtureLikelihood,
)
from discretevae.likelihoods.logistic_mixture import LogisticMixtureLikelihood
from discretevae.likelihoods.tokens import TokenLikelihood
from discretevae.names import resolve

__all__ = [
    "LIKELIHOODS",
    "BernoulliLikelihood",
    "ColumnsLikelihood",
    "ContinuousBernoulliLikelihood",
    "DiscretisedLogisticLikelihood",
    "GaussianLikelihood",
    "LevelsLikelihood",
    "Likelihood",
    "LocalBernoulliLikelihood",
    "LocalLikelihood",
    "LocalMixtureLikelihood",
    "LogisticMixtureLikelihood",
    "Part",
    "TokenLikelihood",
    "likelihood_from_config",
]


def _of_images(
    kind: type[LocalBernoulliLikelihood] | type[LocalMixtureLikelihood],
) -> Callable[[int], Likelihood]:
    """Gives a kind that is of images alone, whatever the number of dimensions."""

    def make(event_dims: int) -> Likelihood:
        if event_dims != 3:
            raise ValueError(
                f"`likelihood` {kind.name} must be of images (C, H, W), got observations of "
                f"{event_dims} dimensions."
            )
        return kind()

    return make


LIKELIHOODS: dict[str, Callable[[int], Likelihood]] = {
    "bernoulli": BernoulliLikelihood,
    "bernoulli-grey": lambda event_dims: BernoulliLikelihood(event_dims, grey=True),
    "continuous-bernoulli": ContinuousBernoulliLikelihood,
    "gaussian": GaussianLikelihood,
    "discretised-logistic": DiscretisedLogisticLikelihood,
    "logistic-mixture": LogisticMixtureLikelihood,
    "levels": LevelsLikelihood,
    "local-bernoulli": _of_images(LocalBernoulliLikelihood),
    "local-mixture": _of_images(LocalMixtureLikelihood),
}
"""Name → likelihood, as a function of the number of dimensions of one observation."""

_KINDS: dict[str, Callable[..., Likelihood]] = {
    "columns": ColumnsLikelihood,
    "tokens": TokenLikelihood,
    "discretised-logistic": DiscretisedLogisticLikelihood,
    "logistic-mixture": LogisticMixtureLikelihood,
    "levels": LevelsLikelihood,
    "local-bernoulli": LocalBernoulliLikelihood,
    "local-mixture": LocalMixtureLikelihood,
}
"""Kind → likelihood that has options, or that the data describe."""


def likelihood_from_config(config: str | Mapping[str, Any], event_dims: int) -> Likelihood:
    """Rebuilds what :meth:`Likelihood.config` describes, without its weights.

    Raises:
        ValueError: If the name is unknown or an option does not belong to it.

    Example:
        >>> likelihood_from_config("bernoulli-grey", 1).normalised
        False
    """
    if not isinstance(config, Mapping):
        return resolve("likelihood", str(config), LIKELIHOODS)(event_dims)
    options = dict(config)
    kind = resolve("likelihood", str(options.pop("kind", None)), _KINDS)
    try:
        return kind(**options)
    except TypeError as error:
        raise ValueError(f"`likelihood` does not fit {dict(config)}: {error}.") from None
