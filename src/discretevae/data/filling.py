"""The gaps of a table filled, and nothing else of it touched."""

from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from .dates import EPOCH
from .fields import CategoryField, ClockField, DateField, Field, NumberField, category_text
from .formats.raw import RawColumn, RawTable
from .formats.raw_array import RawArray
from .missing import Marks
from .table_schema import TableSchema

__all__ = ["filled", "filled_array"]


def filled(
    table: RawTable, schema: TableSchema, x: Float[Tensor, "n F"]
) -> tuple[dict[str, list[Any]], int]:
    """Gives the columns of a table with its missing cells filled, and how many they were.

    Every cell that is there comes as it came, also one that could not be read; only cells
    without a value are filled, in the style of their column.

    Arguments:
        table: As it was read.
        schema: What it means.
        x: Its rows with all cells, as a model gives them.

    Example:
        >>> import torch
        >>> from discretevae.data.formats.raw import RawColumn
        >>> table = RawTable("t", "t", {"a": RawColumn.of("a", ["1.50", "?", "4", "9"])})
        >>> filled(table, TableSchema.learn(table), torch.tensor([[1.5], [2.25], [4.0], [9.0]]))
        ({'a': ['1.50', '2.25', '4', '9']}, 1)
    """
    columns = {name: column.cells() for name, column in table.columns.items()}
    marks, place, count = Marks(schema.reading.na_values), 0, 0
    for field in schema.fields_in(table):
        column = table.columns[field.name]
        own = marks.of(field.name)
        gaps = [field.missing(cell, own) for cell in column.values]
        rows = column.spread(np.array(gaps)).nonzero()[0]
        values = x[:, place].double().numpy()
        for row in rows:
            columns[field.name][row] = _cell(field, column, float(values[row]), table.typed)
        place += len(field.columns)
        count += len(rows)
    return columns, count


def filled_array(array: RawArray, x: Float[Tensor, "n F"]) -> tuple[dict[str, list[Any]], int]:
    """Gives the columns of an array of numbers with its gaps filled, and how many they were.

    Every number that is there comes as it came; those that are filled have the digits of float32.

    Example:
        >>> import torch
        >>> array = RawArray("`x`", "x", np.array([[0.1, np.nan], [0.2, 5.0]]))
        >>> filled_array(array, torch.tensor([[9.0, 4.25], [9.0, 9.0]]))
        ({'0': [0.1, 0.2], '1': [4.25, 5.0]}, 1)
    """
    gaps = np.isnan(array.x) if array.x.dtype.kind == "f" else np.zeros(array.x.shape, bool)
    made = x.float().numpy()
    columns = {
        str(i): [
            float(str(new)) if gap else old
            for old, new, gap in zip(array.x[:, i].tolist(), made[:, i], gaps[:, i], strict=True)
        ]
        for i in range(array.x.shape[1])
    }
    return columns, int(gaps.sum())


def _cell(field: Field, column: RawColumn, value: float, typed: bool) -> Any:
    """A cell as its source would have it: text of a file, or of the type of the column."""
    if not typed:
        return field.text(value)
    if isinstance(field, NumberField):
        number = field.natural(value)
        of_ints = field.whole and all(isinstance(c, int) for c in column.values if c is not None)
        return int(number) if of_ints else number
    if isinstance(field, CategoryField):
        text = field.text(value)
        return next((cell for cell in column.values if category_text(cell) == text), text)
    known = next(cell for cell in column.values if cell is not None)
    if isinstance(known, str):
        return field.text(value)
    if isinstance(field, DateField):
        moment = field.typed(value)
        if isinstance(known, (int, float)):  # a day such as 20240131
            return type(known)(field.text(value))
        if not isinstance(known, datetime):
            return moment.date()
        zone = known.tzinfo
        return moment if zone is None else moment.replace(tzinfo=timezone.utc).astimezone(zone)
    if isinstance(field, ClockField):
        span = field.typed(value)
        return span if isinstance(known, timedelta) else (EPOCH + span).time()
    return field.text(value)
