"""Latent variables: the links of a model's chain."""

from discretevae.latents.variables.categorical import Categorical
from discretevae.latents.variables.gaussian import Gaussian
from discretevae.latents.variables.known import Known, beside
from discretevae.latents.variables.prior import LogitsGiven, PriorAlone, PriorGiven
from discretevae.latents.variables.variable import Variable

__all__ = [
    "Categorical",
    "Gaussian",
    "Known",
    "LogitsGiven",
    "PriorAlone",
    "PriorGiven",
    "Variable",
    "beside",
]
