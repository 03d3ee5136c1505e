"""Tables of numbers, text and booleans, any cell of which may be missing."""

import csv
import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Union

import numpy as np
import torch
from torch import Tensor

from discretevae.names import shorten
from discretevae.schema.columns import (
    BinaryColumn,
    CategoricalColumn,
    Column,
    DiscreteColumn,
    NumericColumn,
    table_rows,
)
from discretevae.texts import from_csv

from .arrays import examples_from_arrays
from .errors import DataError, unknown_name
from .examples import Examples
from .files import _check_file
from .splits import Splits, split
from .tables import INDEX, LABELS, _lines, read_arrow

if TYPE_CHECKING:
    import pandas

__all__ = [
    "MISSING",
    "MixedTable",
    "Rows",
    "learn_columns",
    "load_table",
    "read_rows",
    "table_rows",
]

MISSING = ("", "?", "na", "n/a", "nan", "null")
"""What a cell without a value may say, in small or capital letters."""

Source = Union[str, "os.PathLike[str]", "pandas.DataFrame"]
Cell = str | float | bool | None


class MixedTable(NamedTuple):
    """A table as training needs it: the splits, and what its training rows said of the columns."""

    splits: Splits
    columns: tuple[Column, ...]


class Rows(NamedTuple):
    """Rows read by known columns.

    Arguments:
        examples: The rows, and their labels if there are any.
        classes: The name of each label, where labels have names.
        unseen: Column → how many cells became missing because training had no such category.
    """

    examples: Examples
    classes: tuple[str, ...] | None
    unseen: dict[str, int]


def load_table(
    data: Source,
    *,
    categorical: Sequence[str] = (),
    numeric: Sequence[str] = (),
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
) -> MixedTable:
    """Returns a table, split once by seed, and its columns as the training rows show them.

    A column of text is categorical, one of numbers numeric; with exactly two different values
    either is binary, and so are booleans. Cells in `MISSING` are missing: NaN in the rows. A
    column named `label` or `labels` holds the labels.

    Arguments:
        data: The path of a .csv file with a header or of a .parquet file, or a pandas data frame,
            whose columns of type category are categorical.
        categorical: Columns whose numbers are names of categories.
        numeric: Columns that are numeric though they hold two different numbers.
        validation: The fraction of the rows to validate on; 0 for none.
        test: The fraction to test on.
        seed: The seed of the split, which is that of :func:`~discretevae.data.load`.

    Raises:
        DataError: If the file cannot be used; a column is named twice, has no cell in the
            training rows, or mixes numbers and text; a number is infinite; or a row to validate
            or test on has a category that no training row has.

    Example:
        >>> import pandas
        >>> cells = {"age": [30, None, 50, 40], "job": ["cook", "smith", "?", "cook"]}
        >>> table = load_table(pandas.DataFrame(cells), validation=0, test=0)
        >>> table.columns
        (NumericColumn(name='age', mean=40.0, scale=8.16496580927726), \
BinaryColumn(name='job', categories=('cook', 'smith')))
        >>> table.splits.train.x.isnan().sum()
        tensor(2)
    """
    table = _read(data)
    numbers = Examples(torch.empty(table.rows, 0), torch.arange(table.rows))
    parts = split(numbers, validation=validation, test=test, seed=seed, name=table.name)
    places = [p.labels for p in (parts.train, parts.validation, parts.test) if p.labels is not None]
    columns = _learn_columns(table, places[0].tolist(), categorical, numeric)
    examples, classes, _ = _rows(table, columns)
    train, valid, held_out = map(examples.take, places)
    splits = Splits(table.name, train, valid, held_out, classes, originals=held_out)
    return MixedTable(splits, columns)


def learn_columns(
    data: Source, *, categorical: Sequence[str] = (), numeric: Sequence[str] = ()
) -> tuple[Column, ...]:
    """Returns the columns of a table whose rows are all there to train on; see `load_table`.

    Raises:
        DataError: As `load_table` does.
    """
    table = _read(data)
    return _learn_columns(table, range(table.rows), categorical, numeric)


def read_rows(data: Source, columns: Sequence[Column], *, unseen_as_missing: bool = False) -> Rows:
    """Returns the rows of another table with the same columns, in any order and among others.

    Arguments:
        data: As for `load_table`.
        columns: Those of the table that a model was trained on.
        unseen_as_missing: Take a category that training has not seen for a missing cell, and
            count it, instead of refusing it.

    Raises:
        DataError: If the file cannot be used, a column is not there, or a cell does not fit it.

    Example:
        >>> import pandas
        >>> frame = pandas.DataFrame({"job": ["smith", "baker"]})
        >>> columns = [BinaryColumn("job", ("cook", "smith"))]
        >>> rows = read_rows(frame, columns, unseen_as_missing=True)
        >>> rows.examples.x.tolist(), rows.unseen
        ([[1.0], [nan]], {'job': 1})
    """
    return _rows(_read(data), columns, unseen_as_missing)


@dataclass(frozen=True)
class _Table:
    """What a source holds, column by column: None where a cell is missing."""

    where: str
    name: str
    cells: dict[str, list[Any]]
    number: Callable[[Cell], float | None]
    """Reads a cell as a number, if it is one."""
    lines: list[int] | None = None
    labels: str | None = None
    categories: frozenset[str] = frozenset()
    """Columns that the source itself calls categorical."""

    @property
    def rows(self) -> int:
        return len(next(iter(self.cells.values())))

    @property
    def features(self) -> list[str]:
        return [name for name in self.cells if name != self.labels]

    def at(self, name: str, row: int) -> str:
        """Where a cell is, for an error."""
        place = f"row {row} (counted from 0)" if self.lines is None else f"line {self.lines[row]}"
        return f"{self.where}, column '{name}', {place}"


def _read(data: Source) -> _Table:
    if isinstance(data, (str, os.PathLike)):
        path = Path(os.path.expanduser(data))
        table = _read_file(path)
    else:
        table = _from_frame(data)
    if not table.cells or not table.rows:
        raise DataError(f"{table.where} must hold at least one row of one cell, got none.")
    labels = [name for name in table.cells if name.lower() in LABELS]
    if len(labels) > 1:
        raise DataError(f"{table.where} must have at most one column of labels, got {len(labels)}.")
    table = replace(table, labels=labels[0] if labels else None)
    if not table.features:
        raise DataError(f"{table.where} must have a column beside the labels, got none.")
    return table


def _read_file(path: Path) -> _Table:
    _check_file(path)
    if path.suffix.lower() not in _READERS:
        raise DataError(f"{path} must end in {' or '.join(_READERS)}, got {path.suffix}.")
    try:
        return _READERS[path.suffix.lower()](path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def _read_csv(path: Path) -> _Table:
    try:
        lines = list(_lines(path))
    except (UnicodeDecodeError, csv.Error):
        raise DataError(f"{path} must be a table as text in UTF-8, got other content.") from None
    (_, header), rows = lines[0] if lines else (0, []), lines[1:]
    names = [from_csv(name.strip()) for name in header]
    if len(names) == 1 and any(sign in names[0] for sign in ";\t|"):
        raise DataError(f"{path} must have commas between its cells, got {names[0]!r}.")
    for line, row in rows:
        if len(row) != len(names):
            raise DataError(f"{path}, line {line}: must have {len(names)} cells, got {len(row)}.")
    plain = [list(map(from_csv, row)) for _, row in rows]
    columns = [list(map(_present, cells)) for cells in zip(*plain, strict=True)]
    cells = _named(str(path), names, columns or [[] for _ in names])
    return _Table(str(path), path.stem, cells, _parsed, [line for line, _ in rows])


def _read_parquet(path: Path) -> _Table:
    table = read_arrow(path)
    table = table.select([i for i, n in enumerate(table.column_names) if not n.startswith(INDEX)])
    cells = _named(str(path), table.column_names, [c.to_pylist() for c in table.columns])
    return _typed(str(path), path.stem, cells)


_READERS: dict[str, Callable[[Path], _Table]] = {".csv": _read_csv, ".parquet": _read_parquet}


def _from_frame(frame: "pandas.DataFrame") -> _Table:
    pandas = sys.modules.get("pandas")  # who has a data frame has loaded it
    if pandas is None or not isinstance(frame, pandas.DataFrame):
        raise DataError(f"`data` must be a path or a data frame, got {type(frame).__name__}.")
    names = list(map(str, frame.columns))
    columns = [frame.iloc[:, i] for i in range(len(names))]
    missing = [c.isna().tolist() for c in columns]
    cells = [
        [None if gone else cell for cell, gone in zip(c.tolist(), m, strict=True)]
        for c, m in zip(columns, missing, strict=True)
    ]
    categories = frozenset(
        n for n, c in zip(names, columns, strict=True) if str(c.dtype) == "category"
    )
    return _typed("`data`", "data", _named("`data`", names, cells), categories)


def _named(where: str, names: list[str], columns: list[list[Any]]) -> dict[str, list[Any]]:
    if "" in names:
        raise DataError(f"{where}: column {names.index('') + 1} must have a name, got none.")
    for name, count in Counter(names).items():
        if count > 1:
            raise DataError(f"{where}: column names must differ, got {count} of '{name}'.")
    return dict(zip(names, columns, strict=True))


def _typed(
    where: str, name: str, cells: dict[str, list[Any]], categories: frozenset[str] = frozenset()
) -> _Table:
    """A table whose source says what is a number and what is text."""
    table = _Table(where, name, cells, _as_number, categories=categories)
    for column, values in cells.items():
        for row, cell in enumerate(values):
            if cell is not None and not isinstance(cell, (str, bool, int, float)):
                raise DataError(
                    f"{table.at(column, row)}: must be a number, text or a boolean, "
                    f"got {type(cell).__name__}."
                )
            values[row] = _present(cell)
    return table


def _present(cell: Cell) -> Cell:
    """Strips text; nothing of a cell that is missing."""
    if isinstance(cell, str):
        cell = cell.strip()
        return None if cell.lower() in MISSING else cell
    return None if cell is None or math.isnan(cell) else cell


def _as_number(cell: Cell) -> float | None:
    return None if isinstance(cell, (str, bool)) or cell is None else float(cell)


def _parsed(cell: Cell) -> float | None:
    try:
        return None if "_" in str(cell) else float(str(cell))
    except ValueError:
        return None


def _quoted(cell: Cell) -> str:
    return shorten(repr(cell))


def _text(cell: Cell) -> str:
    """What a cell says as the name of a category: 1, not 1.0."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return str(int(cell))
    return str(cell)


def _learn_columns(
    table: _Table, rows: Iterable[int], categorical: Sequence[str], numeric: Sequence[str]
) -> tuple[Column, ...]:
    for argument, names in (("categorical", categorical), ("numeric", numeric)):
        for name in names:
            if name not in table.features:
                raise unknown_name(argument, name, table.features)
    both = sorted(set(categorical) & set(numeric))
    if both:
        raise DataError(f"`numeric` must be columns that are not in `categorical`, got {both[0]}.")
    rows, learned = sorted(rows), []
    for name in table.features:
        if all(table.cells[name][row] is None for row in rows):
            raise DataError(
                f"{table.where}, column '{name}': must have a cell in the training rows, "
                "got missing ones only."
            )
        if name in table.categories.union(categorical) - set(numeric):
            learned.append(_discrete(table, name, rows))
        else:
            learned.append(_column(table, name, rows, name in numeric))
    return tuple(learned)


def _column(table: _Table, name: str, rows: list[int], numeric: bool) -> Column:
    """Finds out what the training rows hold."""
    present = [row for row in rows if table.cells[name][row] is not None]
    texts = [row for row in present if table.number(table.cells[name][row]) is None]
    if len(texts) == len(present) and not numeric:
        return _discrete(table, name, rows)
    if texts:
        raise DataError(
            f"{table.at(name, texts[0])}: must be a number as others of the column are, got "
            f"{_quoted(table.cells[name][texts[0]])}; take the column as categorical, or leave the "
            "cell empty if it is missing."
        )
    exact = np.array([table.number(table.cells[name][row]) for row in present], np.float64)
    values = _numbers(table, name)[present].astype(np.float64)
    different = np.unique(exact).tolist()
    if len(different) == 2 and not numeric:
        return BinaryColumn(name, tuple(map(_text, different)))
    scale = float(exact.std()) if len(different) > 1 else 1.0
    if np.abs(exact - values).max() > 0.01 * scale and len(different) > 1:
        raise DataError(
            f"{table.where}, column '{name}': must vary by more than the rounding of float32, got "
            f"values around {exact.mean():.9g} ± {scale:.3g}; subtract a constant from them."
        )
    return NumericColumn(name, float(values.mean()), scale)


def _discrete(table: _Table, name: str, rows: list[int]) -> Column:
    cells = [cell for row in rows if (cell := table.cells[name][row]) is not None]
    texts = set(map(_text, cells))
    if all(isinstance(cell, bool) for cell in cells):
        texts = {"False", "True"}
    numbers = {text: _parsed(text) for text in texts}
    in_order = sorted(texts)
    if None not in numbers.values():
        in_order.sort(key=lambda text: numbers[text] or 0.0)
    kind = BinaryColumn if len(texts) == 2 else CategoricalColumn
    return kind(name, tuple(in_order))


def _numbers(table: _Table, name: str) -> np.ndarray:
    """Reads a numeric column in float32, NaN where a cell is missing."""
    values = np.full(table.rows, np.nan, np.float32)
    with np.errstate(over="ignore"):  # what float32 cannot hold is refused as infinite
        for row, cell in enumerate(table.cells[name]):
            if cell is None:
                continue
            number = table.number(cell)
            if number is None:
                raise DataError(f"{table.at(name, row)}: must be a number, got {_quoted(cell)}.")
            values[row] = number
            if np.isinf(values[row]):
                raise DataError(f"{table.at(name, row)}: must be finite in float32, got {cell}.")
    return values


def _indices(table: _Table, column: DiscreteColumn, unseen_as_missing: bool) -> np.ndarray:
    """Reads a column of categories, NaN where a cell is missing, −1 where it is unseen."""
    known = {category: index for index, category in enumerate(column.categories)}
    values = np.full(table.rows, np.nan, np.float32)
    for row, cell in enumerate(table.cells[column.name]):
        if cell is None:
            continue
        number = table.number(cell)
        index = known.get(_text(cell), -1 if number is None else known.get(_text(number), -1))
        if index < 0 and not unseen_as_missing:
            some = ", ".join(_quoted(c) for c in column.categories[:5])
            more = len(column.categories) - 5
            hint = "" if number is None else "; if the column is one of numbers, name it `numeric`"
            raise DataError(
                f"{table.at(column.name, row)}: must be a category of the training rows, "
                f"{some}{f' or {more} others' if more > 0 else ''}, got {_quoted(_text(cell))}"
                f"{hint}."
            )
        values[row] = index
    return values


def _rows(table: _Table, columns: Sequence[Column], unseen_as_missing: bool = False) -> Rows:
    features, unseen = [], {}
    for column in columns:
        if column.name not in table.features:
            raise unknown_name("columns", column.name, table.features)
        if isinstance(column, DiscreteColumn):
            values = _indices(table, column, unseen_as_missing)
            count = int((values < 0).sum())
            values[values < 0] = np.nan
            if count:
                unseen[column.name] = count
        else:
            values = _numbers(table, column.name)
        features.append(values)
    x = torch.from_numpy(np.stack(features, axis=1))
    labels, classes = _labels(table)
    return Rows(Examples(x, labels), classes, unseen)


def _labels(table: _Table) -> tuple[Tensor | None, tuple[str, ...] | None]:
    if table.labels is None:
        return None, None
    cells = table.cells[table.labels]
    if None in cells:
        raise DataError(f"{table.at(table.labels, cells.index(None))}: must be complete, got none.")
    numbers = [table.number(cell) for cell in cells]
    values = np.array(list(map(_text, cells)) if None in numbers else numbers)
    empty = np.zeros((len(cells), 1), np.uint8)  # labels by the rules of all other files
    examples, classes = examples_from_arrays(empty, values, where=table.where)
    return examples.labels, classes
