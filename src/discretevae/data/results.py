"""Results with the keys of the rows that they belong to, as .csv, .parquet or .npz."""

import csv
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from discretevae.files import atomic_path
from discretevae.texts import for_csv

from .errors import DataError
from .formats.raw import Dialect

__all__ = ["ENDINGS", "as_array", "write_rows"]

ENDINGS = (".csv", ".parquet", ".npz")
PLAIN = Dialect()


def write_rows(
    path: str | Path,
    keys: Mapping[str, Sequence[Any]],
    columns: Mapping[str, Sequence[Any]],
    dialect: Dialect = PLAIN,
    titles: Mapping[str, str] | None = None,
) -> None:
    """Writes a table, the keys first; as a whole or not at all.

    Keys leave as they came, byte for byte. Texts among the results are marked in a .csv file
    where a spreadsheet would run them. A column of results that is called as a key is gets
    `result` before its name.

    Arguments:
        path: Ends in .csv, .parquet or .npz.
        keys: Name → a cell for each row: what the row is.
        columns: Name → a cell for each row: what was found.
        dialect: Of a file of text.
        titles: Name → what a file of text calls the column, where several are called the same.

    Raises:
        DataError: If the ending is another, columns differ in length, or pyarrow is needed and not
            installed.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "codes.csv"
        ...     write_rows(path, {"file": ["a.png", "b.png"]}, {"z0": [3, 1]})
        ...     path.read_text().splitlines()
        ['file,z0', 'a.png,3', 'b.png,1']
    """
    path = Path(path)
    if path.suffix not in ENDINGS:
        raise DataError(f"`--output` must end in {', '.join(ENDINGS)}, got {str(path)!r}.")
    found = {f"result {n}" if n in keys else n: c for n, c in columns.items()}
    if path.suffix == ".csv":
        found = {for_csv(name): [*map(_marked, cells)] for name, cells in found.items()}
    whole = dict(keys) | found
    lengths = {name: len(cells) for name, cells in whole.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"`columns` must be of one length, got {lengths}.")
    with atomic_path(path) as temporary:
        if path.suffix == ".csv":
            _csv(temporary, whole, dialect, titles or {})
        else:
            WRITERS[path.suffix](temporary, whole)


def as_array(cells: Sequence[Any]) -> np.ndarray:
    """Makes an array without Python objects: numbers where all are, else text.

    Example:
        >>> as_array([1, 2]).dtype.kind, as_array(["a", None]).tolist()
        ('i', ['a', ''])
    """
    array = np.asarray(cells)
    if array.dtype.kind in "biuf":
        return array
    numbers = [isinstance(cell, (int, float)) or cell is None for cell in cells]
    if all(numbers):
        return np.array([np.nan if cell is None else cell for cell in cells], np.float64)
    return np.array(["" if cell is None else str(cell) for cell in cells], np.str_)


def _csv(
    path: Path, columns: Mapping[str, Sequence[Any]], dialect: Dialect, titles: Mapping[str, str]
) -> None:
    # The mark tells spreadsheets of UTF-8; a file that came without gets none.
    encoding = "utf-8" if dialect.encoding == "utf-8-sig" else dialect.encoding
    quoting: Any = csv.QUOTE_ALL if dialect.quote_all else csv.QUOTE_MINIMAL
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(
            file,
            delimiter=dialect.delimiter,
            lineterminator="\n",
            quoting=quoting,
        )
        if dialect.header:
            writer.writerow([titles.get(name, name) for name in columns])
        writer.writerows(zip(*(map(_plain, cells) for cells in columns.values()), strict=True))


def _parquet(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise DataError(f"{path}: to write Parquet, install discretevae[tables].") from None
    arrays = {}
    for name, cells in columns.items():
        try:
            arrays[name] = pyarrow.array(cells)
        except (pyarrow.ArrowException, TypeError):  # cells of several types
            arrays[name] = pyarrow.array([None if c is None else str(c) for c in cells])
    pyarrow.parquet.write_table(pyarrow.table(arrays), path)


def _npz(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, cells in columns.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, as_array(cells), allow_pickle=False)


def _marked(cell: Any) -> Any:
    return for_csv(cell) if isinstance(cell, str) else cell


def _plain(cell: Any) -> Any:
    if cell is None or (isinstance(cell, float) and cell != cell):
        return ""
    return cell.tolist() if isinstance(cell, np.ndarray) else cell


WRITERS = {".parquet": _parquet, ".npz": _npz}
