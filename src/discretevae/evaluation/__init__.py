"""True bounds with their standard errors, and the health of the code: one record for a model."""

from discretevae.evaluation.bounds import Bounds, evaluate_bounds
from discretevae.evaluation.code_health import CodeHealth, code_health, collapse_warnings
from discretevae.evaluation.figure import Figure, mean_figure
from discretevae.evaluation.record import evaluate

__all__ = [
    "Bounds",
    "CodeHealth",
    "Figure",
    "code_health",
    "collapse_warnings",
    "evaluate",
    "evaluate_bounds",
    "mean_figure",
]
