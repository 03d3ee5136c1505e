"""Tables of numbers, with a column of labels if one is named so."""

import csv
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from discretevae.names import shorten

from .arrays import Contents, examples_from_arrays
from .budget import CELL, TEXT, require_memory
from .errors import DataError
from .sizes import require_honest_size

if TYPE_CHECKING:
    import pyarrow

__all__ = ["read_arrow", "read_csv", "read_parquet", "unpacked"]

LABELS = ("label", "labels")
WIDTH = 4
"""Bytes of a number, at least, once it is read."""
INDEX = "__index_level_"  # how pandas stores the index of a data frame


def read_csv(path: Path) -> Contents:
    """Returns the rows of a file with commas between numbers and a header or none.

    A first line without any number, or with a column `label` or `labels`, is a header.
    """
    try:
        return _read_csv(path)
    except (UnicodeDecodeError, csv.Error):
        raise DataError(f"{path} must be a table as text in UTF-8, got other content.") from None


def read_parquet(path: Path) -> Contents:
    """Returns the rows of a Parquet file of numbers; the index of a data frame is left out."""
    table = read_arrow(path)
    table = table.select([i for i, n in enumerate(table.column_names) if not n.startswith(INDEX)])
    names = table.column_names
    column = _label_column(names, path)
    features = [
        _arrow_numbers(values, f"{path}, column '{name}'")
        for i, (name, values) in enumerate(zip(names, table.columns, strict=True))
        if i != column
    ]
    labels = None if column is None else np.array(table.column(column).to_pylist())
    return examples_from_arrays(_columns(features, len(table)), labels, where=str(path))


def read_arrow(
    path: Path, columns: Sequence[str] | None = None, measured: bool = False
) -> "pyarrow.Table":
    """Reads a Parquet file, or some of its columns, unless it claims to be what it cannot be.

    Arguments:
        path: The file.
        columns: Some of its columns; by default all.
        measured: Whether its cells must fit into memory one by one.

    Raises:
        DataError: If it is damaged, unpacks to more than is honest, or does not fit.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise DataError(f"{path}: to read Parquet, install discretevae[tables].") from None
    try:
        metadata = pyarrow.parquet.read_metadata(path)
        groups = range(metadata.num_row_groups)
        require_honest_size(path, sum(map(partial(unpacked, metadata), groups)), _size(path))
        if measured:
            _require_memory(path, metadata)
        texts = [f.name for f in pyarrow.parquet.read_schema(path) if _is_text(f.type)]
        # As dictionaries: a text that is there a million times is held once, and measured.
        table = pyarrow.parquet.read_table(
            path, columns=columns, partitioning=None, read_dictionary=texts
        )
        require_honest_size(path, sum(map(_letters, table.columns)), _size(path))
    except MemoryError:
        raise
    except (pyarrow.ArrowException, OSError):
        raise DataError(f"{path} must be a whole Parquet file, got one damaged.") from None
    plain = [f.with_type(pyarrow.string()) if f.name in texts else f for f in table.schema]
    return table.cast(pyarrow.schema(plain))


def _require_memory(path: Path, metadata: Any) -> None:
    """Refuses a file whose cells do not fit into memory, before any is read."""
    rows = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    columns = [group.column(i) for group in rows for i in range(group.num_columns)]
    cells = sum(c.num_values for c in columns)
    packed = sum(c.total_uncompressed_size for c in columns)  # few where cells recur
    require_memory(CELL * cells + TEXT * packed, str(path), "; leave it on disk by --stream")


def unpacked(metadata: Any, group: int) -> int:
    """Says how many bytes a group of rows takes at least, once it is read."""
    rows = metadata.row_group(group)
    columns = [rows.column(i) for i in range(rows.num_columns)]
    return sum(max(WIDTH * c.num_values, c.total_uncompressed_size) for c in columns)


def _size(path: Path) -> int:
    return path.stat().st_size


def _is_text(kind: Any) -> bool:
    import pyarrow

    return bool(pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind))


def _letters(column: "pyarrow.ChunkedArray") -> int:
    """Counts the bytes of all texts of a column that is held as a dictionary."""
    import pyarrow
    import pyarrow.compute

    if not pyarrow.types.is_dictionary(column.type):
        return 0
    total = 0
    for chunk in column.chunks:
        lengths = pyarrow.compute.binary_length(chunk.dictionary)
        total += pyarrow.compute.sum(lengths.take(chunk.indices).cast("int64")).as_py() or 0
    return total


def _read_csv(path: Path) -> Contents:
    names, first = _header(path)
    column = _label_column(names, path)
    texts: dict[str, int] = {}
    try:
        table = _numbers(path, first, column, texts)
        if len(table) and len(names) not in (0, table.shape[1]):
            raise ValueError("the header has another width")
    except ValueError as error:
        raise DataError(_first_fault(path) or f"{path} is no table of numbers: {error}") from None
    if len(table) == 0:
        raise DataError(f"{path} must hold at least one row of numbers, got none.")
    if column is None:
        return examples_from_arrays(table, where=str(path))
    if "" in texts:
        raise DataError(f"{path}, column '{names[column]}': must be complete, got empty cells.")
    labels = _labels(list(texts), table[:, column])
    return examples_from_arrays(np.delete(table, column, axis=1), labels, where=str(path))


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        yield from ((reader.line_num, row) for row in reader if row)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _header(path: Path) -> tuple[list[str], int]:
    """Returns the columns' names, none without a header, and how many lines it takes."""
    line, row = next(_lines(path), (0, []))
    names = [cell.strip() for cell in row]
    if any(map(_is_number, names)) and not any(name.lower() in LABELS for name in names):
        return [], 0
    if "" in names:
        raise DataError(f"{path}: column {names.index('') + 1} must have a name, got none.")
    return names, line


def _label_column(names: list[str], path: Path) -> int | None:
    found = [i for i, name in enumerate(names) if name.lower() in LABELS]
    if len(found) > 1:
        raise DataError(f"{path} must have at most one column of labels, got {len(found)}.")
    return found[0] if found else None


def _numbers(path: Path, first: int, column: int | None, texts: dict[str, int]) -> np.ndarray:
    """Reads float32 rows; the cells of the label column become positions in `texts`."""
    positions: dict[int | str, Callable[[str], Any]] = {}
    if column is not None:
        positions[column] = lambda cell: texts.setdefault(cell.strip(), len(texts))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an empty table is refused later, by name
        return np.loadtxt(
            path,
            dtype=np.float32,
            delimiter=",",
            skiprows=first,
            ndmin=2,
            converters=positions,
            quotechar='"',
            comments=None,
            encoding="utf-8-sig",
        )


def _labels(texts: list[str], positions: np.ndarray) -> np.ndarray:
    values = np.array(texts, dtype=str)
    if all(map(_is_number, texts)):
        values = values.astype(np.float64)
    return values[positions.astype(np.int64)]


def _first_fault(path: Path) -> str | None:
    """Names the first cell or line that is no part of a table of numbers."""
    names, first = _header(path)
    column, width = _label_column(names, path), len(names)
    for line, row in _lines(path):
        if line <= first:
            continue
        width = width or len(row)
        if len(row) != width:
            return f"{path}, line {line}: must have {width} cells, got {len(row)}."
        for i, cell in enumerate(row):
            if i != column and not _is_number(cell):
                name = f"'{names[i]}'" if names else i + 1
                got = shorten(repr(cell))
                return f"{path}, line {line}, column {name}: must be a number, got {got}."
    return None


def _arrow_numbers(column: "pyarrow.ChunkedArray", where: str) -> np.ndarray:
    if column.null_count:
        raise DataError(f"{where}: must be complete, got {column.null_count} empty cells.")
    array = column.to_numpy()
    if array.dtype.kind not in "biuf":
        raise DataError(f"{where}: must hold numbers, got type {column.type}.")
    return array


def _columns(features: list[np.ndarray], rows: int) -> np.ndarray:
    """Joins columns; those of different types become float32, so that none is rescaled."""
    if not features:
        return np.empty((rows, 0))
    kinds = {feature.dtype for feature in features}
    return np.stack(
        features, axis=1, dtype=kinds.pop() if len(kinds) == 1 else np.float32, casting="unsafe"
    )
