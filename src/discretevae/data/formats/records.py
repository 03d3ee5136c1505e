"""Tables that come as columns, as records, or as arrays of several kinds of cells."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from ..errors import DataError
from .raw import RawColumn, RawTable, with_names_of_their_own

__all__ = [
    "is_single",
    "table_of_cells",
    "table_of_columns",
    "table_of_records",
    "table_of_structure",
]

SINGLE = (str, bool, int, float, Decimal, date, time, timedelta, np.generic, type(None))
ALSO = ("NAType", "NaTType", "Period", "Interval")
"""Cells of pandas."""


def is_single(cell: Any) -> bool:
    """Tells whether a cell is one value, not a list or another object.

    Example:
        >>> is_single(1.5), is_single([1.5])
        (True, False)
    """
    return isinstance(cell, SINGLE) or type(cell).__name__ in ALSO


def table_of_columns(
    columns: Mapping[str, Iterable[Any]], where: str, name: str, typed: bool = True
) -> RawTable:
    """Returns the table of columns by name, each cell in its type.

    Raises:
        DataError: If the columns differ in length, or there is no row.

    Example:
        >>> table = table_of_columns({"a": [1, 2], "b": ["x", [3]]}, "`data`", "data")
        >>> list(table.columns), table.nested
        (['a', 'b'], frozenset({'b'}))
    """
    cells = {str(title): [_plain(cell) for cell in column] for title, column in columns.items()}
    lengths = {title: len(column) for title, column in cells.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"{where} must have columns of one length, got {lengths}.")
    if not cells or not next(iter(cells.values())):
        raise DataError(f"{where} must hold at least one row of cells, got none.")
    nested = [title for title, column in cells.items() if not all(map(is_single, column))]
    found, notes = with_names_of_their_own(
        [RawColumn.nested(t, c) if t in nested else RawColumn.of(t, c) for t, c in cells.items()]
    )
    return RawTable(where, name, found, typed=typed, nested=frozenset(nested), notes=tuple(notes))


def table_of_records(records: Sequence[Mapping[str, Any]], where: str, name: str) -> RawTable:
    """Returns the table of records; what one lacks that others have is missing.

    Example:
        >>> table_of_records([{"a": 1}, {"a": 2, "b": "x"}], "`data`", "data").columns["b"].cells()
        [None, 'x']
    """
    titles = dict.fromkeys(str(title) for record in records for title in record)
    rows = [{str(title): cell for title, cell in record.items()} for record in records]
    return table_of_columns({t: [row.get(t) for row in rows] for t in titles}, where, name)


def table_of_structure(array: np.ndarray, where: str, name: str) -> RawTable:
    """Returns the table in a structured array of NumPy.

    Example:
        >>> array = np.array([(1, b"x"), (2, b"y")], [("a", "i4"), ("b", "S1")])
        >>> table_of_structure(array, "`data`", "data").columns["b"].cells()
        ['x', 'y']
    """
    return table_of_columns({n: array[n].tolist() for n in array.dtype.names or ()}, where, name)


def table_of_cells(array: np.ndarray, where: str, name: str) -> RawTable:
    """Returns the table in rows of texts or of objects, whose columns are called 0, 1, ….

    Raises:
        DataError: If the array has not two dimensions.
    """
    if array.ndim != 2:
        raise DataError(
            f"{where} must hold numbers, or rows of cells, got type {array.dtype} of shape "
            f"{array.shape}."
        )
    columns = {str(i): cells.tolist() for i, cells in enumerate(array.T)}
    return table_of_columns(columns, where, name, typed=array.dtype.kind == "O")


def _plain(cell: Any) -> Any:
    """A cell of Python: text of bytes, none of NaN."""
    if isinstance(cell, np.generic):
        cell = cell.item()
    if isinstance(cell, bytes):
        return cell.decode(errors="replace")
    return None if isinstance(cell, float) and cell != cell else cell
