"""The laboratory: estimators measured on a model, and against each other in training."""

from discretevae.studies.laboratory.gradients import (
    GradientReport,
    GradientRow,
    measure_gradients,
    measure_gradients_of,
    require_suitable,
    suitable_estimators,
)
from discretevae.studies.laboratory.problem import OwnProblem
from discretevae.studies.laboratory.problem_file import read_problem

__all__ = [
    "GradientReport",
    "GradientRow",
    "OwnProblem",
    "measure_gradients",
    "measure_gradients_of",
    "read_problem",
    "require_suitable",
    "suitable_estimators",
]
