"""Training with Lightning: options, schedules, terms, the loop, exact resume."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from discretevae.training.fit import Prepared, TrainingError, prepare, train
    from discretevae.training.history import History, best_row
    from discretevae.training.options import TrainingOptions
    from discretevae.training.phases import Phase
    from discretevae.training.prior import draw_codes, fit_prior, improve_prior
    from discretevae.training.schedules import Schedule, cosine, linear, parse_schedule
    from discretevae.training.sparse_fit import SparseResult, train_sparse
    from discretevae.training.sparse_options import SparseOptions
    from discretevae.training.terms import Term

__all__ = [
    "History",
    "Phase",
    "Prepared",
    "Schedule",
    "SparseOptions",
    "SparseResult",
    "Term",
    "TrainingError",
    "TrainingOptions",
    "best_row",
    "cosine",
    "draw_codes",
    "fit_prior",
    "improve_prior",
    "linear",
    "parse_schedule",
    "prepare",
    "train",
    "train_sparse",
]

_HOMES = {
    "fit": ("Prepared", "TrainingError", "prepare", "train"),
    "history": ("History", "best_row"),
    "options": ("TrainingOptions",),
    "phases": ("Phase",),
    "prior": ("draw_codes", "fit_prior", "improve_prior"),
    "sparse_fit": ("SparseResult", "train_sparse"),
    "sparse_options": ("SparseOptions",),
    "schedules": ("Schedule", "cosine", "linear", "parse_schedule"),
    "terms": ("Term",),
}


def __dir__() -> list[str]:
    """Lists what there is to use, loaded or not."""
    return [*__all__]


def __getattr__(name: str) -> Any:
    """Imports on first use: the options are read without loading torch."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
