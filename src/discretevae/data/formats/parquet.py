"""Tables in Parquet."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError
from ..tables import read_arrow
from .raw import RawColumn, RawTable, with_names_of_their_own

if TYPE_CHECKING:
    import pyarrow

__all__ = ["INDEX", "read_parquet_table", "table_of_arrow"]

INDEX = "__index_level_"
"""How pandas stores the index of a data frame."""


def read_parquet_table(path: Path) -> RawTable:
    """Returns the table in a Parquet file, each cell in its type.

    Raises:
        DataError: If it is damaged, holds no row or does not fit into memory, or pyarrow is not
            installed.
    """
    return table_of_arrow(read_arrow(path, measured=True), str(path), path.stem)


def table_of_arrow(table: "pyarrow.Table", where: str, name: str) -> RawTable:
    """Takes the columns of an Arrow table; the index of a data frame comes last there."""
    import pyarrow

    if not table.num_rows or not table.num_columns:
        raise DataError(f"{where} must hold at least one row of cells, got none.")
    kept: list[RawColumn] = []
    nested: list[RawColumn] = []
    categories: list[str] = []
    for title, column in zip(table.column_names, table.columns, strict=True):
        if pyarrow.types.is_nested(column.type) or pyarrow.types.is_binary(column.type):
            nested.append(RawColumn.nested(title, _Cells(column)))
            continue
        if pyarrow.types.is_dictionary(column.type):
            categories.append(title)
        index = title.startswith(INDEX)
        found = RawColumn.of("" if index else title, map(_cell, column.to_pylist()))
        kept.insert(0 if index else len(kept), found)
    columns, notes = with_names_of_their_own([*kept, *nested])
    return RawTable(
        where,
        name,
        columns,
        typed=True,
        categories=frozenset(categories),
        nested=frozenset([*columns][len(kept) :]),
        notes=tuple(notes),
        native=table,
    )


class _Cells(Sequence[Any]):
    """The cells of a column of Arrow, each made when it is looked at."""

    def __init__(self, column: "pyarrow.ChunkedArray") -> None:
        self.column = column

    def __len__(self) -> int:
        return len(self.column)

    def __getitem__(self, row: Any) -> Any:
        if isinstance(row, slice):
            return [self[place] for place in range(*row.indices(len(self)))]
        return self.column[int(row)].as_py()


def _cell(cell: object) -> object:
    """NaN is a missing cell; a type of NumPy is that of Python."""
    if isinstance(cell, np.generic):
        cell = cell.item()
    return None if cell != cell else cell
