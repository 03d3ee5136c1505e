"""The options of an estimator, which scikit-learn has looked at by `fit` alone."""

from collections.abc import Callable
from typing import TypeVar, no_type_check

__all__ = ["takes_anything"]

Initialiser = TypeVar("Initialiser", bound=Callable[..., None])


def takes_anything(init: Initialiser) -> Initialiser:
    """Keeps scikit-learn's rule where types are checked: it is `fit` that refuses."""
    return no_type_check(init)
