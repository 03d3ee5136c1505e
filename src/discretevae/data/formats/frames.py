"""Data frames: of pandas, and of others by the interchange protocol."""

import sys
from typing import Any

import numpy as np

from ..budget import require_memory
from ..errors import DataError
from .raw import RawColumn, RawTable, with_names_of_their_own
from .records import is_single

__all__ = ["is_frame", "is_mixed", "read_frame"]

FRAME = 100
"""Bytes at most, as measured, that a cell of a data frame takes while it is read."""


def is_frame(data: object) -> bool:
    """Tells whether an object is a data frame.

    Example:
        >>> import pandas
        >>> is_frame(pandas.DataFrame({"a": [1]})), is_frame([[1]])
        (True, False)
    """
    return hasattr(data, "__dataframe__") or hasattr(data, "__arrow_c_stream__")


def is_mixed(data: object) -> bool:
    """Tells whether an object is a data frame in which not every cell is a number.

    Example:
        >>> import pandas
        >>> is_mixed(pandas.DataFrame({"a": [1, 2]})), is_mixed(pandas.DataFrame({"a": [1, None]}))
        (False, True)
    """
    if not is_frame(data):
        return False
    columns = read_frame(data).columns.values()
    return any(not isinstance(cell, (int, float)) for c in columns for cell in c.values)


def read_frame(frame: Any) -> RawTable:
    """Returns the table in a data frame, each cell in its type; an index of names comes first.

    Raises:
        DataError: If it holds no cell, or needs pyarrow, which is not installed.
    """
    pandas = sys.modules.get("pandas")  # who has a data frame of it has loaded it
    if pandas is not None and isinstance(frame, pandas.DataFrame):
        return _read_pandas(frame)
    try:
        import pyarrow
    except ImportError:
        raise DataError(
            f"`data`: to read a {type(frame).__name__}, install discretevae[tables]."
        ) from None
    from .parquet import table_of_arrow

    table = (
        pyarrow.table(frame)
        if hasattr(frame, "__arrow_c_stream__")
        else pyarrow.interchange.from_dataframe(frame)
    )
    return table_of_arrow(table, "`data`", "data")


def _read_pandas(frame: Any) -> RawTable:
    import pandas

    if not frame.shape[0] or not frame.shape[1]:
        raise DataError("`data` must hold at least one row of one cell, got none.")
    require_memory(FRAME * frame.size, "`data`", "; give fewer rows, or write it as .parquet")
    names = [_name(name) for name in frame.columns]
    series = [frame.iloc[:, i] for i in range(len(names))]
    if not isinstance(frame.index, pandas.RangeIndex):
        index = frame.index.to_frame(index=False)
        names = [str(n) if n is not None else "" for n in frame.index.names] + names
        series = [index.iloc[:, i] for i in range(index.shape[1])] + series
    nested = [n for n, s in zip(names, series, strict=True) if _is_nested(s)]
    categories = [n for n, s in zip(names, series, strict=True) if str(s.dtype) == "category"]
    raw = [
        RawColumn.nested(name, column.tolist()) if name in nested
        else RawColumn.of(name, _cells(column))
        for name, column in zip(names, series, strict=True)
    ]  # fmt: skip
    columns, notes = with_names_of_their_own(raw)
    return RawTable(
        "`data`",
        "data",
        columns,
        typed=True,
        categories=frozenset(categories),
        nested=frozenset(new for new, old in zip(columns, names, strict=True) if old in nested),
        notes=tuple(notes),
        native=frame,
    )


def _name(name: Any) -> str:
    """The name of a column: of one with several levels, these one after the other."""
    parts = name if isinstance(name, tuple) else (name,)
    return " ".join(str(part) for part in parts if str(part))


def _is_nested(column: Any) -> bool:
    return column.dtype == object and not all(map(is_single, column.tolist()))


def _cells(column: Any) -> list[Any]:
    missing = column.isna().to_numpy()
    return [
        None if gone else _plain(cell)
        for cell, gone in zip(column.tolist(), missing.tolist(), strict=True)
    ]


def _plain(cell: Any) -> Any:
    """A type of Python for one of NumPy or pandas; what has no number or text stays as it is."""
    if isinstance(cell, np.generic):
        return cell.item()
    if hasattr(cell, "to_pydatetime"):
        return cell.to_pydatetime(warn=False)
    if hasattr(cell, "to_pytimedelta"):
        return cell.to_pytimedelta()
    return str(cell) if type(cell).__name__ in ("Interval", "Period") else cell
