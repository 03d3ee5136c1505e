"""What a column of a table is taken for, where nobody says."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from discretevae.schema.columns import BinaryColumn, CategoricalColumn

from .clocks import ClockStyle, find_clock_style
from .dates import DateStyle, calendar_parts, find_compact_style, find_date_style
from .errors import DataError
from .fields import CategoryField, ClockField, DateField, Field, NumberField, category_text
from .formats.raw import RawColumn, RawTable
from .missing import Marks
from .numbers import POINT, NumberStyle, find_style
from .prose import is_prose
from .quantiles import numeric_column
from .reading import ReadingOptions

__all__ = ["FEW", "LeftOut", "field_of"]

FEW = 20
"""Rows below which nothing is concluded from all of them being different."""
LARGEST = float(np.finfo(np.float32).max)
MOST_CATEGORIES = 1000
UNIQUE = 0.5
"""The share of different texts above which they are no categories."""
ID_NAMES = re.compile(
    r"(?:^|[_\s.-])(?:id|idx|index|key|uuid|guid|rowid|rownames?|row|no|nr)$|^(?:id|no|nr)[_\s.-]",
    re.IGNORECASE,
)
CODE = re.compile(r"0\d+")
"""Digits that are no number: a postcode, a key."""
CAMEL = re.compile(r"[a-z](?:Id|ID)$")


class LeftOut(NamedTuple):
    """A column that no model sees.

    Arguments:
        name: Of the column.
        why: In words.
        option: What would keep it.
        is_id: Whether it names the rows.
    """

    name: str
    why: str
    option: str = ""
    is_id: bool = False


def field_of(
    table: RawTable,
    column: RawColumn,
    rows: Int[np.ndarray, " t"],
    reading: ReadingOptions,
    marks: Marks,
) -> Field | LeftOut:
    """Finds out what a column holds, and learns it from the training rows.

    Arguments:
        table: That the column is of.
        column: The column.
        rows: Those to train on.
        reading: What the user says.
        marks: Of missing cells.

    Raises:
        DataError: If the user calls numbers or dates what are none.
    """
    name, said = column.name, reading.named.get(column.name)
    if said == "drop":
        return LeftOut(name, "as asked")
    if said == "id":
        return LeftOut(name, "names the rows", is_id=True)
    if name in table.nested:
        return LeftOut(name, "lists or objects, not single values")
    counts = column.counts(rows)
    there = [i for i in counts.nonzero()[0] if not marks.missing(column.values[i])]
    cells, often = [column.values[place] for place in there], counts[there]
    if not cells:
        empty = all(map(marks.missing, column.values))
        return LeftOut(name, "no cell" if empty else "no cell in the training rows")
    if all(isinstance(cell, bool) for cell in cells) and said is None:
        return CategoryField(name, BinaryColumn(name, ("False", "True")))
    if said == "categorical" or (said is None and name in table.categories):
        return _categories(name, cells)
    if said == "date":
        return _dates(table, column, cells, often, marks, asked=True)
    if said is None and (found := _id(table, column, cells, often)):
        return found
    if said is None and (compact := find_compact_style(cells)) is not None:
        return _dates(table, column, cells, often, marks, asked=False, style=compact)
    coded = said is None and any(isinstance(c, str) and CODE.fullmatch(c.strip()) for c in cells)
    style = None if coded else _number_style(table, cells, marks, reading)
    known = [cell for cell in cells if not marks.missing(cell, in_numbers=True)]
    clock = None if style is not None else find_clock_style(known)
    if clock is not None:
        return _clocks(column, cells, often, clock, asked=said == "numeric")
    if style is not None or said == "numeric":
        return _numbers(table, column, cells, often, style or POINT, marks, said == "numeric")
    if find_date_style(known) is not None:
        return _dates(table, column, cells, often, marks, asked=False)
    return _texts(table, column, cells, often)


def _id(
    table: RawTable, column: RawColumn, cells: Sequence[Any], often: np.ndarray
) -> LeftOut | None:
    """Whether a column names the rows: all cells differ, and count up or are called so."""
    name, whole = column.name, len(column.values) == table.rows
    if name == "" or (name.lower().startswith("unnamed: ") and whole):
        kind = "numeric" if find_date_style(list(cells)) is None else "date"
        shown = f"'{name}'" if not name or " " in name else name
        return LeftOut(name, "numbers or names of the rows", f"--{kind} {shown}", is_id=True)
    if not whole or table.rows < FEW:
        return None
    called = bool(ID_NAMES.search(name) or CAMEL.search(name))
    numbers = [POINT.number(cell) for cell in column.values]
    if None in numbers:
        texts = not any(isinstance(cell, float) for cell in cells)
        alike = called and texts and find_date_style(list(cells)) is None
        why = "as many values as rows"
        return LeftOut(name, why, f"--categorical {name}", is_id=True) if alike else None
    values = np.array(numbers, np.float64)
    if not bool((values == np.floor(values)).all()):
        return None
    counts_up = values[0] in (0, 1) and bool((np.diff(values) == 1).all())
    first = next(iter(table.columns)) == name
    if called or (counts_up and first and len(table.columns) > 1):
        why = "counts the rows" if counts_up else "as many values as rows"
        return LeftOut(name, why, f"--numeric {name}", is_id=True)
    return None


def _number_style(
    table: RawTable, cells: Sequence[Any], marks: Marks, reading: ReadingOptions
) -> NumberStyle | None:
    cells = [cell for cell in cells if not marks.missing(cell, in_numbers=True)]
    typed = [cell for cell in cells if not isinstance(cell, str)]
    if table.typed:
        numbers = [cell for cell in typed if POINT.number(cell) is not None]
        # Text of digits in a typed source is text: 007 is no number there.
        return POINT if cells and len(numbers) == len(cells) else _styled(cells)
    decimal = reading.decimal or (table.dialect.decimal if table.dialect else None)
    return find_style([cell for cell in cells if isinstance(cell, str)], decimal)


def _styled(cells: Sequence[Any]) -> NumberStyle | None:
    """A typed source has numbers as text where they have signs that no type can hold."""
    texts = [cell for cell in cells if isinstance(cell, str)]
    if len(texts) < len(cells):
        return None
    style = find_style(texts)
    return style if style and style.config() else None


def _numbers(
    table: RawTable,
    column: RawColumn,
    cells: Sequence[Any],
    often: np.ndarray,
    style: NumberStyle,
    marks: Marks,
    asked: bool,
) -> Field | LeftOut:
    name = column.name
    read = [style.number(cell) for cell in cells]
    known = [
        (number, int(count)) for number, count in zip(read, often, strict=True)
        if number is not None and abs(number) <= LARGEST and not marks.is_mark(number)
    ]  # fmt: skip
    if not known:
        place = f"{table.where}, column '{name}'"
        raise DataError(f"{place}: must hold numbers for `numeric`, got {cells[0]!r}.")
    values, weights = (np.array(part, np.float64) for part in zip(*known, strict=True))
    different = np.unique(values).tolist()
    if len(different) == 1 and not asked:
        exact = all(isinstance(cell, int) for cell in cells) and len(set(cells)) > 1
        why = "whole numbers too close to tell apart" if exact else _alone(cells, column)
        return LeftOut(name, why, f"--numeric {name}")
    if len(different) == 2 and not asked:
        texts = category_text(different[0]), category_text(different[1])
        return CategoryField(name, BinaryColumn(name, texts), style)
    origin = _origin(values)
    column_of, whole = numeric_column(name, values - origin, weights), bool((values % 1 == 0).all())
    return NumberField(name, column_of, style, origin, whole)


def _origin(values: np.ndarray) -> float:
    """What to take from numbers that float32 would not tell apart: their middle, about."""
    rounding = np.abs(values - values.astype(np.float32)).max()
    if rounding <= 1e-3 * values.std():
        return 0.0
    unit = 10.0 ** max(0, np.floor(np.log10(values.std())))  # not the number of one row
    return float(np.round(np.median(values) / unit) * unit)


def _dates(
    table: RawTable,
    column: RawColumn,
    cells: Sequence[Any],
    often: np.ndarray,
    marks: Marks,
    asked: bool,
    style: DateStyle | None = None,
) -> Field | LeftOut:
    name = column.name
    kept = [i for i, cell in enumerate(cells) if not marks.missing(cell, in_numbers=True)]
    known_cells = [cells[i] for i in kept]
    style = style or find_date_style(known_cells, share=0.5 if asked else 0.9)
    if style is None and asked:
        style = find_compact_style(known_cells, least=1)
    if style is None:
        place = f"{table.where}, column '{name}'"
        raise DataError(f"{place}: must hold dates for `date`, got {cells[0]!r}.")
    found = [(style.days(cells[i]), int(often[i])) for i in kept]
    known = [(days, count) for days, count in found if days is not None]
    days, weights = (np.array(part, np.float64) for part in zip(*known, strict=True))
    if len(np.unique(days)) == 1 and not asked:
        return LeftOut(name, _alone(cells, column), f"--date {name}")
    origin = float(np.floor(days.min()))
    parts = calendar_parts(np.repeat(days, weights.astype(int)))
    column_of, whole = numeric_column(name, days - origin, weights), bool((days % 1 == 0).all())
    return DateField(name, column_of, style, origin, parts, whole)


def _clocks(
    column: RawColumn, cells: Sequence[Any], often: np.ndarray, style: ClockStyle, asked: bool
) -> Field | LeftOut:
    name, found = column.name, [style.number(cell) for cell in cells]
    known = [(hours, int(n)) for hours, n in zip(found, often, strict=True) if hours is not None]
    hours, weights = (np.array(part, np.float64) for part in zip(*known, strict=True))
    if len(np.unique(hours)) == 1 and not asked:
        return LeftOut(name, f"{_short(cells[0])} alone", f"--numeric {name}")
    of_day = bool(((hours >= 0) & (hours < 24)).all()) and not style.days
    return ClockField(name, numeric_column(name, hours, weights), style, of_day)


def _texts(
    table: RawTable, column: RawColumn, cells: Sequence[Any], often: np.ndarray
) -> Field | LeftOut:
    name, different, total = column.name, len(set(map(category_text, cells))), int(often.sum())
    if different == 1:
        return LeftOut(name, _alone(cells, column), f"--categorical {name}")
    if different > FEW and (different > UNIQUE * total or different > MOST_CATEGORIES):
        every = len(column.values) == table.rows
        why = "as many texts as rows" if every else f"{different:,} texts in {total:,} rows"
        option = f"--{'column' if is_prose([*map(str, cells[:100])]) else 'categorical'} {name}"
        return LeftOut(name, why, option, is_id=every and _single_words(cells))
    return _categories(name, cells)


def _alone(cells: Sequence[Any], column: RawColumn) -> str:
    """Says of a column with one value whether it is in every row."""
    where = "in every row" if len(column.values) == 1 else "or nothing in every row"
    return f"{_short(cells[0])} {where}"


def _single_words(cells: Sequence[Any]) -> bool:
    return not any(" " in str(cell).strip() for cell in cells[:100])


def _categories(name: str, cells: Sequence[Any]) -> Field:
    texts = sorted(set(map(category_text, cells)))
    if all(isinstance(cell, bool) for cell in cells):
        texts = ["False", "True"]
    numbers = [POINT.number(text) for text in texts]
    if None not in numbers:
        texts = [text for _, text in sorted(zip(numbers, texts, strict=True))]
    kind = BinaryColumn if len(texts) == 2 else CategoricalColumn
    return CategoryField(name, kind(name, tuple(texts)))


def _short(cell: Any) -> str:
    text = category_text(cell)
    return repr(text if len(text) <= 20 else text[:19] + "…")
