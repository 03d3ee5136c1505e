"""Choices inside a network of one's own: one of K, k of n, and the gradient of any loss of them."""

from discretevae.choices import conditional_poisson, plackett_luce
from discretevae.choices.balanced_kl import balanced_kl
from discretevae.choices.expected import expected
from discretevae.choices.one_hot import OneHotChoice
from discretevae.choices.relaxed_top_k import GumbelTopK, RelaxedTopK
from discretevae.choices.simple import Simple
from discretevae.choices.subset import SUBSET_ESTIMATORS, SubsetChoice
from discretevae.choices.subset_estimator import SubsetEstimator
from discretevae.choices.uniform_mix import mix_uniform

__all__ = [
    "SUBSET_ESTIMATORS",
    "GumbelTopK",
    "OneHotChoice",
    "RelaxedTopK",
    "Simple",
    "SubsetChoice",
    "SubsetEstimator",
    "balanced_kl",
    "conditional_poisson",
    "expected",
    "mix_uniform",
    "plackett_luce",
]
