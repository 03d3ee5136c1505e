"""Cells without a value."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .numbers import POINT

__all__ = ["MISSING", "MISSING_NUMBERS", "Marks"]

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
        return not isinstance(cell, bool) and cell in self._numbers  # type: ignore[attr-defined]
