"""Cells without a value."""

from collections.abc import Iterable
from dataclasses import dataclass, field
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
        given: What the user says that such a cell may hold; COLUMN=MARK in one column alone.

    Example:
        >>> marks = Marks(["-999", "age=-1"])
        >>> [marks.missing(cell) for cell in (None, " NA ", -999, 0, "-")], marks.missing("-", True)
        ([True, True, True, False, False], True)
        >>> marks.missing("-1"), marks.of("age").missing("-1"), marks.columns
        (False, True, ('age',))
    """

    given: Iterable[str] = ()
    numbers: set[float] = field(init=False, repr=False, compare=False)
    _apart: dict[str, list[str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        apart: dict[str, list[str]] = {}
        everywhere = []
        for mark in self.given:
            name, sign, value = mark.partition("=")
            if sign and name.strip():
                apart.setdefault(name.strip(), []).append(value)
            else:
                everywhere.append(mark.strip().lower())
        object.__setattr__(self, "given", tuple(everywhere))
        object.__setattr__(self, "numbers", {POINT.number(mark) for mark in everywhere} - {None})
        object.__setattr__(self, "_apart", apart)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that have marks of their own."""
        return tuple(self._apart)

    def of(self, column: str) -> "Marks":
        """Gives the marks of a column: those of all, and its own."""
        return Marks((*self.given, *self._apart.get(column, ())))

    def missing(self, cell: Any, in_numbers: bool = False) -> bool:
        """Tells whether a cell is without a value, in a column of numbers or any other."""
        if cell is None or cell != cell:
            return True
        if isinstance(cell, str):
            text = cell.strip().lower()
            if text in MISSING or text in self.given or (in_numbers and text in MISSING_NUMBERS):
                return True
            return bool(self.numbers) and POINT.number(text) in self.numbers
        return not isinstance(cell, bool) and self.is_mark(cell)

    def is_mark(self, number: Any) -> bool:
        """Tells whether the user says that a number stands for none."""
        return number in self.numbers
