"""The laboratory: estimators measured on a model, and against each other in training."""

from discretevae.studies.laboratory.gradients import (
    GradientReport,
    GradientRow,
    measure_gradients,
    require_suitable,
    suitable_estimators,
)

__all__ = [
    "GradientReport",
    "GradientRow",
    "measure_gradients",
    "require_suitable",
    "suitable_estimators",
]
