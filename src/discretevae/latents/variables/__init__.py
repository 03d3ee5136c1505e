"""Latent variables: the links of a model's chain."""

from collections.abc import Callable

from discretevae.latents.variables.categorical import Categorical
from discretevae.latents.variables.gaussian import Gaussian
from discretevae.latents.variables.known import Known, beside
from discretevae.latents.variables.prior import (
    LogitsGiven,
    PriorAlone,
    PriorGiven,
    PriorOfBlock,
    PriorOfLevel,
    joined,
)
from discretevae.latents.variables.quantised import Quantised
from discretevae.latents.variables.variable import Variable

__all__ = [
    "VARIABLES",
    "Categorical",
    "Gaussian",
    "Known",
    "LogitsGiven",
    "PriorAlone",
    "PriorGiven",
    "PriorOfBlock",
    "PriorOfLevel",
    "Quantised",
    "Variable",
    "beside",
    "joined",
]

VARIABLES: dict[str, Callable[..., Variable]] = {"categorical": Categorical}
"""Name → variable with D × K values, as a function of what `Categorical` is made of."""
