"""Estimators of the S-sample bound, log (1/S) Σ w, and of its gradient: another objective.

What estimates E_q[f(z)] is in `discretevae.estimators`.
"""

from discretevae.estimators.multisample.multi_sample_estimator import MultiSampleEstimator
from discretevae.estimators.multisample.score_function import IWAE
from discretevae.estimators.multisample.vimco import VIMCO

__all__ = ["IWAE", "MULTISAMPLE_ESTIMATORS", "VIMCO", "MultiSampleEstimator"]

MULTISAMPLE_ESTIMATORS: dict[str, type[MultiSampleEstimator]] = {"iwae": IWAE, "vimco": VIMCO}
"""Name → estimator class; a class called without arguments has its recommended defaults."""
