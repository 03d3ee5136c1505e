"""The columns of a source that a model sees: how their cells are read, and written again."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64

from discretevae.names import resolve
from discretevae.schema.columns import (
    CategoricalColumn,
    Column,
    DiscreteColumn,
    NumericColumn,
    as_columns,
)

from .clocks import ClockStyle
from .dates import ISO, PARTS, DateStyle, moment_of
from .formats.raw import RawColumn
from .missing import Marks
from .numbers import POINT, NumberStyle

__all__ = [
    *("CategoryField", "ClockField", "DateField", "Field", "NumberField", "ReadCells"),
    "category_text",
]

LARGEST = float(np.finfo(np.float32).max)


class ReadCells(NamedTuple):
    """A column as a model sees it.

    Arguments:
        values: One column of numbers for each of `Field.columns`; NaN where a cell is missing.
        stray: Which cells were there and could not be taken: of another kind, or unseen.
    """

    values: Float32[np.ndarray, "n f"]
    stray: Bool[np.ndarray, " n"]


@dataclass(frozen=True)
class Field(ABC):
    """One column of a source; it becomes one column of the model's rows or several."""

    name: str

    kind: ClassVar[str]
    wanted: ClassVar[str]
    """What a cell must be."""

    @property
    @abstractmethod
    def columns(self) -> tuple[Column, ...]:
        """The columns of the model's rows."""

    @abstractmethod
    def value(self, cell: Any) -> Sequence[float] | None:
        """Reads a cell that is there; nothing of one that cannot be taken."""

    @abstractmethod
    def text(self, value: float) -> Any:
        """Writes a value of the first of the model's columns as the source writes it."""

    def typed(self, value: float) -> Any:
        """Gives a value as a data frame holds it."""
        return self.text(value)

    @property
    def of_numbers(self) -> bool:
        """Whether every cell that is there is a number."""
        return False

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Describes the field in plain types."""

    def written_in(self, decimal: str) -> "Field":
        """Gives the field as a file with another decimal sign has it."""
        return self

    def missing(self, cell: Any, marks: Marks) -> bool:
        """Tells whether a cell is without a value."""
        return marks.missing(cell, in_numbers=True)

    def read(self, column: RawColumn, marks: Marks) -> ReadCells:
        """Reads a column of a source."""
        values = np.full((len(column.values), len(self.columns)), np.nan, np.float32)
        stray = np.zeros(len(column.values), bool)
        for place, cell in enumerate(column.values):
            if self.missing(cell, marks):
                continue
            found = self.value(cell)
            if found is None:
                stray[place] = True
            else:
                values[place] = found
        return ReadCells(column.spread(values), column.spread(stray))


@dataclass(frozen=True)
class NumberField(Field):
    """Numbers.

    Arguments:
        name: Of the column.
        column: As the model has it; of the number less `origin`.
        style: How numbers are written.
        origin: Taken from each number, where float32 would not tell them apart.
        whole: Whether all numbers are whole.
    """

    column: NumericColumn
    style: NumberStyle = POINT
    origin: float = 0.0
    whole: bool = False

    kind: ClassVar[str] = "number"
    wanted: ClassVar[str] = "a finite number"
    of_numbers: ClassVar[bool] = True

    @property
    def columns(self) -> tuple[Column, ...]:
        return (self.column,)

    def value(self, cell: Any) -> Sequence[float] | None:
        number = self.style.number(cell)
        if number is None or not abs(number - self.origin) <= LARGEST:
            return None
        return (number - self.origin,)

    def missing(self, cell: Any, marks: Marks) -> bool:
        if super().missing(cell, marks):
            return True
        return bool(marks.given) and marks.is_mark(self.style.number(cell))

    def read_numbers(self, column: RawColumn) -> Float64[np.ndarray, " n"]:
        """Gives the numbers of a column as the source has them; NaN where there is none."""
        found = [self.style.number(cell) for cell in column.values]
        return column.spread(np.array([np.nan if n is None else n for n in found], np.float64))

    def written_in(self, decimal: str) -> Field:
        return replace(self, style=_with_decimal(self.style, decimal))

    def text(self, value: float) -> Any:
        return self.style.text(self.natural(value))

    def natural(self, value: float) -> float:
        """Gives a number as the source has it: a whole one where all are."""
        # The shortest number that is this one in float32: 0.1, not 0.10000000149.
        number = float(str(np.float32(value))) + self.origin
        return float(round(number)) if self.whole else number

    def typed(self, value: float) -> Any:
        return int(self.natural(value)) if self.whole else self.natural(value)

    def config(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "name": self.name,
            "column": self.column.config(),
            "style": self.style.config(),
            "origin": self.origin,
            "whole": self.whole,
        }


@dataclass(frozen=True)
class CategoryField(Field):
    """Names of categories, among them yes and no.

    Arguments:
        name: Of the column.
        column: As the model has it.
        style: How numbers are written, where categories are numbers.
    """

    column: DiscreteColumn
    style: NumberStyle = POINT

    kind: ClassVar[str] = "category"
    wanted: ClassVar[str] = "a category of the training rows"

    @property
    def columns(self) -> tuple[Column, ...]:
        return (self.column,)

    @property
    def of_numbers(self) -> bool:
        return all(POINT.number(name) is not None for name in self.column.categories)

    def missing(self, cell: Any, marks: Marks) -> bool:
        return category_text(cell) not in self.column.categories and marks.missing(cell)

    def value(self, cell: Any) -> Sequence[float] | None:
        names, text = self.column.categories, category_text(cell)
        if text not in names:
            number = self.style.number(cell)
            text = text if number is None else category_text(number)
        return (float(names.index(text)),) if text in names else None

    def written_in(self, decimal: str) -> Field:
        return replace(self, style=_with_decimal(self.style, decimal))

    def text(self, value: float) -> Any:
        name = self.column.categories[int(value)]
        number = None if self.style.is_plain else POINT.number(name)
        return name if number is None else self.style.text(number)

    def typed(self, value: float) -> Any:
        name = self.column.categories[int(value)]
        if set(self.column.categories) <= {"True", "False"}:
            return name == "True"
        return POINT.number(name) if self.of_numbers else name

    def config(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "name": self.name,
            "column": self.column.config(),
            "style": self.style.config(),
        }


@dataclass(frozen=True)
class DateField(Field):
    """Dates, as days since a first one, and the parts of the calendar that tell something.

    Arguments:
        name: Of the column.
        column: Of the days since `origin`, as the model has it.
        style: How dates are written.
        origin: Days from 1970 to the first date.
        parts: Names in `PARTS`; each is a column of categories.
        whole: Whether all dates are whole days.
    """

    column: NumericColumn
    style: DateStyle = ISO
    origin: float = 0.0
    parts: tuple[str, ...] = ()
    whole: bool = False

    kind: ClassVar[str] = "date"
    wanted: ClassVar[str] = "a date"

    @property
    def columns(self) -> tuple[Column, ...]:
        names = [f"{self.name}: {part}" for part in self.parts]
        values = [PARTS[part].values for part in self.parts]
        return (self.column, *map(CategoricalColumn, names, values))

    def value(self, cell: Any) -> Sequence[float] | None:
        days = self.style.days(cell)
        if days is None:
            return None
        parts = (PARTS[part].of(np.array([days]))[0] for part in self.parts)
        return (days - self.origin, *map(float, parts))

    def text(self, value: float) -> Any:
        return self.style.text(self.natural(value))

    def typed(self, value: float) -> datetime:
        return moment_of(self.natural(value))

    def natural(self, value: float) -> float:
        """Gives the days since 1970: whole ones where all are."""
        days = float(value) + self.origin
        return float(round(days)) if self.whole else days

    def config(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "name": self.name,
            "column": self.column.config(),
            "style": self.style.config(),
            "origin": self.origin,
            "parts": list(self.parts),
            "whole": self.whole,
        }


@dataclass(frozen=True)
class ClockField(Field):
    """Times of day or spans of time, as hours.

    Arguments:
        name: Of the column.
        column: Of the hours, as the model has it.
        style: How times are written.
        of_day: Whether all are times of a day.
    """

    column: NumericColumn
    style: ClockStyle
    of_day: bool = False

    kind: ClassVar[str] = "time"
    wanted: ClassVar[str] = "a time"

    @property
    def columns(self) -> tuple[Column, ...]:
        return (self.column,)

    def value(self, cell: Any) -> Sequence[float] | None:
        hours = self.style.number(cell)
        return None if hours is None else (hours,)

    def text(self, value: float) -> Any:
        return self.style.text(self.natural(value))

    def typed(self, value: float) -> timedelta:
        return timedelta(seconds=round(self.natural(value) * 3600))

    def natural(self, value: float) -> float:
        """Gives the hours: from 0:00 to 23:59 where all are of a day."""
        return min(max(float(value), 0.0), 24 - 1 / 60) if self.of_day else float(value)

    def config(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "name": self.name,
            "column": self.column.config(),
            "style": self.style.config(),
            "of_day": self.of_day,
        }


def _with_decimal(style: NumberStyle, decimal: str) -> NumberStyle:
    """The same style with another decimal sign, which takes the place of the thousands' sign."""
    if style.decimal == decimal:
        return style
    swapped = {",": ".", ".": ","}
    thousands = swapped.get(style.thousands, style.thousands)
    return replace(style, decimal=decimal, thousands=thousands)


def category_text(cell: Any) -> str:
    """What a cell says as the name of a category: 1, not 1.0.

    Example:
        >>> category_text(1.0), category_text(" red "), category_text(True)
        ('1', 'red', 'True')
    """
    if isinstance(cell, str):
        return cell.strip()
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return str(int(cell))
    return str(cell)


def _number(config: Mapping[str, Any], column: Any) -> Field:
    style = NumberStyle(**config["style"])
    return NumberField(config["name"], column, style, config["origin"], config["whole"])


def _category(config: Mapping[str, Any], column: Any) -> Field:
    return CategoryField(config["name"], column, NumberStyle(**config["style"]))


def _date(config: Mapping[str, Any], column: Any) -> Field:
    style = DateStyle.from_config(config["style"])
    return DateField(
        config["name"], column, style, config["origin"], tuple(config["parts"]), config["whole"]
    )


def _clock(config: Mapping[str, Any], column: Any) -> Field:
    style = ClockStyle(**config["style"])
    return ClockField(config["name"], column, style, config["of_day"])


_KINDS: dict[str, Callable[[Mapping[str, Any], Any], Field]] = {
    NumberField.kind: _number,
    CategoryField.kind: _category,
    DateField.kind: _date,
    ClockField.kind: _clock,
}


def field_from_config(config: Mapping[str, Any]) -> Field:
    """Rebuilds what `Field.config` gave.

    Raises:
        ValueError: If something is missing or does not fit.

    Example:
        >>> from discretevae.schema.columns import BinaryColumn
        >>> field = CategoryField("a", BinaryColumn("a", ("no", "yes")))
        >>> field_from_config(field.config()) == field
        True
    """
    kind = resolve("kind", str(config.get("kind")), _KINDS)
    try:
        return kind(config, as_columns([config["column"]])[0])
    except (KeyError, TypeError) as error:
        raise ValueError(f"`fields` do not fit: {error}.") from None
