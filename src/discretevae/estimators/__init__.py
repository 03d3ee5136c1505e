"""Estimators of E_q[f(z)] and of its gradient: one method, one file."""

from discretevae.estimators.auto import recommended
from discretevae.estimators.base import Estimator
from discretevae.estimators.baselines import Baseline, ConstantBaseline, MovingAverageBaseline
from discretevae.estimators.exact import Exact
from discretevae.estimators.gumbel_softmax import GumbelSoftmax
from discretevae.estimators.reinforce import Reinforce
from discretevae.estimators.reinmax import ReinMax
from discretevae.estimators.rloo import RLOO
from discretevae.estimators.st_gumbel_softmax import STGumbelSoftmax
from discretevae.estimators.straight_through import StraightThrough

__all__ = [
    "ESTIMATORS",
    "RLOO",
    "Baseline",
    "ConstantBaseline",
    "Estimator",
    "Exact",
    "GumbelSoftmax",
    "MovingAverageBaseline",
    "ReinMax",
    "Reinforce",
    "STGumbelSoftmax",
    "StraightThrough",
    "recommended",
]

ESTIMATORS: dict[str, type[Estimator]] = {
    "exact": Exact,
    "reinforce": Reinforce,
    "rloo": RLOO,
    "gumbel-softmax": GumbelSoftmax,
    "st-gumbel-softmax": STGumbelSoftmax,
    "straight-through": StraightThrough,
    "reinmax": ReinMax,
}
"""Name → estimator class; a class called without arguments has its recommended defaults."""
