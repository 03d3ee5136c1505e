"""Distributions p(z) over codes."""

from discretevae.priors.base import Prior
from discretevae.priors.factorised import CategoricalPrior, UniformPrior

__all__ = ["CategoricalPrior", "Prior", "UniformPrior"]
