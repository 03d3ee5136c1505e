"""Training with Lightning: options, schedules, the loop, exact resume."""

from discretevae.training.fit import TrainingError, check, train
from discretevae.training.options import TrainingOptions
from discretevae.training.schedules import Schedule, cosine, linear, parse_schedule

__all__ = [
    "Schedule",
    "TrainingError",
    "TrainingOptions",
    "check",
    "cosine",
    "linear",
    "parse_schedule",
    "train",
]
