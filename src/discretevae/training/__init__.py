"""Training with Lightning: options, schedules, the loop, exact resume."""

from discretevae.training.fit import TrainingError, best_row, check, train
from discretevae.training.options import TrainingOptions
from discretevae.training.prior import draw_codes, fit_prior
from discretevae.training.schedules import Schedule, cosine, linear, parse_schedule

__all__ = [
    "Schedule",
    "TrainingError",
    "TrainingOptions",
    "best_row",
    "check",
    "cosine",
    "draw_codes",
    "fit_prior",
    "linear",
    "parse_schedule",
    "train",
]
