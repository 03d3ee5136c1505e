"""From options, which are plain, to objects: the data, the model and how to train it."""

from discretevae.assemble.data import data_from_options
from discretevae.assemble.models import estimator_from_options, model_from_options
from discretevae.assemble.options import resolve_options, training_from_options
from discretevae.assemble.shown import (
    Contexts,
    Shown,
    contexts_from_options,
    contexts_of,
    shown,
    shown_from_options,
)

__all__ = [
    "Contexts",
    "Shown",
    "contexts_from_options",
    "contexts_of",
    "data_from_options",
    "estimator_from_options",
    "model_from_options",
    "resolve_options",
    "shown",
    "shown_from_options",
    "training_from_options",
]
