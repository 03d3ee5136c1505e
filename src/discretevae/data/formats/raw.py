"""A table as its source has it: every cell as it came, nothing understood yet."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int32, Shaped

__all__ = [
    "SPLIT",
    "Dialect",
    "Note",
    "RawColumn",
    "RawTable",
    "part_of",
    "with_names_of_their_own",
]


PARTS = {
    **dict.fromkeys(("train", "training"), 0),
    **dict.fromkeys(("val", "valid", "validation", "dev"), 1),
    **dict.fromkeys(("test", "testing"), 2),
}
"""What the parts of a source are called → which they are: training, validation, test."""
SPLIT = "split"
"""The column that says which part each row belongs to."""


class Note(NamedTuple):
    """What was taken for what, and the option that overrules it."""

    text: str
    option: str = ""

    def __str__(self) -> str:
        return f"{self.text} ({self.option})" if self.option else self.text


@dataclass(frozen=True)
class Dialect:
    """How a file of text has its table, so that another can be written in the same way."""

    delimiter: str = ","
    decimal: str = "."
    header: bool = True
    encoding: str = "utf-8"
    quote_all: bool = False


@dataclass(frozen=True, eq=False)
class RawColumn:
    """N cells, by way of the different ones among them.

    Arguments:
        name: Of the column.
        values: The different cells; None where there is none.
        index: Which of them each row has.
        title: What the source calls it, where that is no name of its own.

    Example:
        >>> column = RawColumn.of("a", ["x", "y", "x"])
        >>> column.values, column.index.tolist(), column.cells([2, 1])
        (['x', 'y'], [0, 1, 0], ['x', 'y'])
    """

    name: str
    values: Sequence[Any]
    index: Int32[np.ndarray, " n"]
    title: str | None = None

    @classmethod
    def of(cls, name: str, cells: Iterable[Any]) -> "RawColumn":
        """Finds the different cells; 1, 1.0 and True differ."""
        found: dict[Any, int] = {}
        index = [found.setdefault((cell.__class__, cell), len(found)) for cell in cells]
        return cls(name, [cell for _, cell in found], np.array(index, np.int32))

    @classmethod
    def nested(cls, name: str, cells: Sequence[Any]) -> "RawColumn":
        """Takes cells that are no single values: each by itself, looked at when it is needed."""
        return cls(name, cells, np.arange(len(cells), dtype=np.int32))

    def __len__(self) -> int:
        return len(self.index)

    def cells(self, rows: Iterable[int] | None = None) -> list[Any]:
        """Gives the cells of some rows, or of all."""
        index = self.index if rows is None else self.index[np.asarray(rows, np.int64)]
        return [self.values[i] for i in index]

    def spread(self, of_values: Shaped[np.ndarray, "v *of"]) -> Shaped[np.ndarray, "n *of"]:
        """Gives every row what belongs to its cell."""
        return of_values[self.index]

    def counts(self, rows: np.ndarray | None = None) -> np.ndarray:
        """Counts how often each of the different cells is there, in all rows or some."""
        index = self.index if rows is None else self.index[rows]
        return np.bincount(index, minlength=len(self.values))


@dataclass(frozen=True, eq=False)
class RawTable:
    """A table, column by column.

    Arguments:
        where: What to call it in errors.
        name: What to call it in titles.
        columns: In the order of the source.
        places: What the source calls each row, for errors: "line 7".
        typed: Whether the source says what is a number and what is text.
        categories: Columns that the source itself calls categorical.
        nested: Columns of lists, bytes or objects, which are carried along.
        dialect: Of a file of text.
        notes: What was guessed of the file.
        native: The table in the form of its library, where it has one.
    """

    where: str
    name: str
    columns: dict[str, RawColumn]
    lines: np.ndarray | None = None
    typed: bool = False
    categories: frozenset[str] = frozenset()
    nested: frozenset[str] = frozenset()
    dialect: Dialect | None = None
    notes: tuple[Note, ...] = ()
    native: Any = field(default=None, repr=False)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(next(iter(self.columns.values()))) if self.columns else 0

    @property
    def parts(self) -> np.ndarray | None:
        """Which part each row belongs to, where a column called split says so: 0, 1 or 2."""
        column = self.columns.get(SPLIT)
        if column is None:
            return None
        found = [part_of(str(cell)) for cell in column.values]
        return None if None in found or 0 not in found else column.spread(np.array(found))

    def place(self, row: int) -> str:
        """Where a row is, for an error."""
        return f"row {row} (counted from 0)" if self.lines is None else f"line {self.lines[row]}"


def with_names_of_their_own(
    columns: Sequence[RawColumn],
) -> tuple[dict[str, RawColumn], list[Note]]:
    """Gives each column a name that no other has; a first one without stays so.

    Example:
        >>> columns = [RawColumn.of(name, [1]) for name in ("", "a", "a", "")]
        >>> list(with_names_of_their_own(columns)[0])
        ['', 'a', 'a.2', 'column 4']
    """
    named: dict[str, RawColumn] = {}
    again = []
    for place, column in enumerate(columns, 1):
        name = column.name if column.name or place == 1 else f"column {place}"
        number = 1
        while name in named:
            number += 1
            name = f"{column.name}.{number}"
        if number > 1:
            again.append(name)
        title = None if name == column.name else column.name
        named[name] = replace(column, name=name, title=title)
    notes = [Note(f"columns of the same name are told apart: {', '.join(again)}")] if again else []
    return named, notes


def part_of(name: str) -> int | None:
    """Tells which part of a source a name stands for, if it does.

    Example:
        >>> part_of("Train"), part_of("val"), part_of("trainer") is None
        (0, 1, True)
    """
    return PARTS.get(name.lower())
