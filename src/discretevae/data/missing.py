"""Cells without a value."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from .numbers import POINT

__all__ = ["MISSING", "MISSING_NUMBERS", "Marks", "suspected_gaps"]

MISSING = (
    *("", "?", "na", "n/a", "nan", "null", "<na>", "#n/a", "nat", "#na", "#n/a n/a", "\\n"),
    *("(null)", "<null>", "[null]"),  # as databases write them
)
"""What a cell without a value may say, in small or capital letters."""
MISSING_NUMBERS = (
    *("-", "--", "–", "—", ".", "..", "*"),
    *("none", "missing", "unknown", "nil", "n.a.", "not available"),
    *("n.d.", "nd", "n/d", "k.a.", "s/d", "tbd", "not applicable", "not recorded"),
    *("#div/0!", "#value!", "#num!", "#ref!", "#name?", "#null!", "-nan", "1.#ind", "-1.#ind"),
)  # fmt: skip
"""What it may say besides in a column of numbers or dates."""

CODES = (-9, -8, -7, *(sign * number for number in (99, 999, 9999, 99999) for sign in (1, -1)))
"""Numbers by which surveys and sensors say that there is none."""
RECUR = 3
"""Times that another number must be there to be taken for such a code."""


def suspected_gaps(numbers: Float64[np.ndarray, " n"]) -> list[str]:
    """Finds numbers at either end that may stand for missing ones.

    They lie farther from all others than these span, and are usual codes or recur.

    Example:
        >>> suspected_gaps(np.array([1.0, 4.0, 5.0, 2.0, 99.0, -9.0]))
        ['-9', '99']
        >>> suspected_gaps(np.array([1.0, 4.0, 5.0, 2.0, 98.0]))
        []
    """
    values, counts = np.unique(numbers[np.isfinite(numbers)], return_counts=True)
    often = dict(zip(values.tolist(), counts.tolist(), strict=True))
    found: list[float] = []
    while len(values) > 3:
        gaps = {-1: values[-1] - values[-2], 0: values[1] - values[0]}
        end = max(gaps, key=lambda end: gaps[end])
        rest = np.delete(values, end)
        number = float(values[end])
        coded = number in CODES or (often[number] >= RECUR and number % 1 == 0)
        inner = np.delete(rest, -1 if end == 0 else 0)
        if not coded or gaps[end] <= min(np.ptp(rest), 2 * np.ptp(inner)):
            break
        found.append(number)
        values = rest
    return [f"{number:g}" for number in sorted(found)]


@dataclass(frozen=True)
class Marks:
    """Tells which cells have no value.

    Arguments:
        given: What the user says that such a cell may hold.

    Example:
        >>> marks = Marks(["-999"])
        >>> [marks.missing(cell) for cell in (None, " NA ", -999, 0, "-")], marks.missing("-", True)
        ([True, True, True, False, False], True)
    """

    given: Iterable[str] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "given", tuple(mark.strip().lower() for mark in self.given))
        numbers = {POINT.number(mark) for mark in self.given} - {None}
        object.__setattr__(self, "_numbers", numbers)

    def missing(self, cell: Any, in_numbers: bool = False) -> bool:
        """Tells whether a cell is without a value, in a column of numbers or any other."""
        if cell is None or cell != cell:
            return True
        if isinstance(cell, str):
            text = cell.strip().lower()
            if text in MISSING or text in self.given or (in_numbers and text in MISSING_NUMBERS):
                return True
            numbers: set[float] = self._numbers  # type: ignore[attr-defined]
            return bool(numbers) and POINT.number(text) in numbers
        return not isinstance(cell, bool) and self.is_mark(cell)

    def is_mark(self, number: Any) -> bool:
        """Tells whether the user says that a number stands for none."""
        return number in self._numbers  # type: ignore[attr-defined]
