"""An array as its source has it, with what stands beside its rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped

from ..errors import DataError
from .raw import Note, RawColumn

__all__ = ["RawArray"]


@dataclass(frozen=True, eq=False)
class RawArray:
    """N observations in an array.

    Arguments:
        where: What to call it in errors.
        name: What to call it in titles.
        x: One observation a row.
        labels: One label a row.
        context: What a conditional model is told of each row.
        beside: Name → what else the source has for each row: names of files, ids.
        parts: Which part each row belongs to, where the source says so: 0, 1 or 2.
        notes: What was guessed, and what was left out.
        pictures: How images became this array, where they did.
    """

    where: str
    name: str
    x: Shaped[np.ndarray, "..."]
    labels: RawColumn | None = None
    context: Shaped[np.ndarray, "..."] | None = None
    beside: Mapping[str, RawColumn] = field(default_factory=dict)
    parts: Int[np.ndarray, " _"] | None = None
    notes: tuple[Note, ...] = ()
    pictures: Any = None

    def __post_init__(self) -> None:
        if self.x.ndim == 0:
            raise DataError(f"{self.where} must have rows, got a single value.")

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.x)
