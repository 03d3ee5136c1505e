"""Observations that need not fit in memory."""

import csv
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Generator, Tensor

from .array_schema import ArraySchema
from .arrays import _image_layout, examples_from_arrays, require_shape
from .binarize import BINARIZERS, Binarizer
from .errors import DataError
from .examples import Examples
from .files import _check_file, read_file
from .formats.images import _describe, _image_paths, _pixels
from .sizes import require_honest_size
from .tables import (
    INDEX,
    _arrow_numbers,
    _columns,
    _first_fault,
    _header,
    _label_column,
    _lines,
    unpacked,
)
from .token_rows import SentenceExamples

__all__ = ["Blocks", "as_stored", "open_blocks"]

SCAN = 2**22
"""Bytes, about, that are looked at together to tell bits from levels."""
PART = 2**22
"""Bytes, about, of a part of rows of one size."""
SOME = 2**26
"""Bytes, about, from which it is learned what rows mean."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """N observations that are read a block at a time, in order, as often as asked for.

    Arguments:
        where: What to call them in errors, a file for one.
        count: N, at least 1.
        row_shape: The shape of one observation as it is stored.
        dtype: The type of a number as it is stored.
        read: Iterates over arrays (n, *row_shape) of about so many rows.
        ready: Whether rows are what :class:`Examples` hold, and not what a file may hold.
        parts: Rows of each part that can be read by itself; none where all must be read in order.
        read_part: Gives a part, (parts[i], *row_shape).
        meaning: What the numbers of a row mean, where that was learned from others.

    Example:
        >>> blocks = Blocks.of(np.eye(5, dtype=np.uint8))
        >>> [len(rows) for rows in blocks.rows(2)], next(blocks.seen(2))
        ([2, 2, 1], tensor([[1., 0., 0., 0., 0.],
                [0., 1., 0., 0., 0.]]))
    """

    where: str
    count: int
    row_shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[int], Iterator[np.ndarray]]
    ready: bool = False
    parts: tuple[int, ...] = ()
    read_part: Callable[[int], np.ndarray] | None = None
    meaning: ArraySchema | None = None

    @classmethod
    def of(cls, x: np.ndarray | Examples, where: str = "`x`") -> "Blocks":
        """Takes an array, in memory or mapped to a file, for its rows; or examples as they are.

        Raises:
            DataError: If there are no rows, or the dimensions do not fit.
        """
        if isinstance(x, SentenceExamples):
            return cls._of_sentences(x, where)
        rows = x.x.numpy() if isinstance(x, Examples) else x
        require_shape(rows, where)

        def read(size: int) -> Iterator[np.ndarray]:
            return (rows[start : start + size] for start in range(0, len(rows), size))

        def read_part(part: int) -> np.ndarray:
            return rows[part * size : (part + 1) * size]

        size = _rows_a_part(rows.shape[1:], rows.dtype)
        ready, parts = isinstance(x, Examples), _parts(len(rows), size)
        return cls(where, len(rows), rows.shape[1:], rows.dtype, read, ready, parts, read_part)

    @classmethod
    def _of_sentences(cls, examples: SentenceExamples, where: str) -> "Blocks":
        if not len(examples):
            raise DataError(f"{where} must hold at least one sentence, got none.")

        def read(size: int) -> Iterator[np.ndarray]:
            starts = range(0, len(examples), size)
            return (examples.values(slice(start, start + size)).numpy() for start in starts)

        kind = np.dtype(np.float32)
        return cls(where, len(examples), examples.shape, kind, read, ready=True)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """The shape of one observation as a model sees it, channels first."""
        if self.meaning is not None:
            return self.meaning.shape
        return self.laid_out(np.empty((0, *self.row_shape))).shape[1:]

    @cached_property
    def one(self) -> int:
        """What stands for 1: 255 in bytes of which any is above 1, or that are ready."""
        if self.dtype != np.uint8:
            return 1
        size = max(1, SCAN // max(1, int(np.prod(self.row_shape))))
        return 1 if not self.ready and all(x.max() <= 1 for x in self.rows(size)) else 255

    def laid_out(self, rows: np.ndarray) -> np.ndarray:
        """Gives rows (n, *row_shape) as observations (n, *shape)."""
        return rows if self.ready else _image_layout(rows)

    def rows(self, size: int) -> Iterator[np.ndarray]:
        """Iterates over the rows as they are stored: `size` at a time, fewer only at the end.

        Raises:
            DataError: If a file is damaged, or changes while it is read.
        """
        left, alike = self.count, (self.row_shape, self.dtype)
        for rows in _regrouped(self.read(size), size):
            left -= len(rows)
            if (rows.shape[1:], rows.dtype) != alike or left < 0:
                left = -1
                break
            yield rows
        if left:
            raise DataError(f"{self.where} must not change while it is read, but it did.")

    def examples(self, size: int) -> Iterator[Examples]:
        """Iterates over what `read_file` would give as a whole, `size` examples at a time.

        Raises:
            DataError: If `rows` raises it, or a value is no finite number.
        """
        for start, rows in zip(range(0, self.count, size), self.rows(size), strict=False):
            yield self._as_examples(rows, start)

    def part(self, index: int) -> Examples:
        """Gives one of `parts` as `examples` would.

        Raises:
            DataError: If the file is damaged, has changed, or a value is no finite number.
        """
        assert self.read_part is not None
        rows = self.read_part(index)
        if (rows.shape, rows.dtype) != ((self.parts[index], *self.row_shape), self.dtype):
            raise DataError(f"{self.where} must not change while it is read, but it did.")
        return self._as_examples(rows, sum(self.parts[:index]))

    def some(self) -> np.ndarray:
        """Gives the rows, as they are stored, of parts all over the whole."""
        assert self.read_part is not None
        size = max(1, self.dtype.itemsize * int(np.prod(self.row_shape)))
        most = max(1, SOME // (max(self.parts) * size))
        step = -(-len(self.parts) // most)
        return np.concatenate([self.read_part(i) for i in range(0, len(self.parts), step)])

    def meant(self, schema: ArraySchema) -> "Blocks":
        """Has rows read as others were.

        Raises:
            DataError: If rows have another shape.
        """
        if self.row_shape != schema.row_shape:
            raise DataError(
                f"{self.where} must have rows of shape {schema.row_shape} as the run's data, "
                f"got {self.row_shape}."
            )
        return replace(self, meaning=schema)

    def _as_examples(self, rows: np.ndarray, start: int) -> Examples:
        if self.meaning is not None:
            where = f"{self.where}, rows from {start}"
            return Examples(self.meaning.observations(np.asarray(rows), where))
        if self.ready or self.one == 255:
            return Examples(torch.from_numpy(np.array(self.laid_out(rows), order="C")))
        where = f"{self.where}, rows from {start}"
        return examples_from_arrays(np.asarray(rows), where=where)[0]

    def seen(
        self,
        size: int,
        binarizer: Binarizer = BINARIZERS["none"],
        generator: Generator | None = None,
    ) -> Iterator[Float32[Tensor, "_ *shape"]]:
        """Iterates over batches as a model sees them.

        Arguments:
            size: Examples a batch; the last may be smaller.
            binarizer: Its `prepare_evaluation` makes each batch binary.
            generator: Of its draws, which are those of the whole, however large the batches.
        """
        for examples in self.examples(size):
            yield binarizer.prepare_evaluation(examples, generator).values()


def as_stored(x: np.ndarray, row_shape: tuple[int, ...]) -> np.ndarray:
    """Gives observations (n, *shape) as the rows (n, *row_shape) that they were.

    Example:
        >>> rows = np.arange(24).reshape(1, 4, 2, 3)
        >>> bool((as_stored(Blocks.of(rows).laid_out(rows), (4, 2, 3)) == rows).all())
        True
    """
    if x.shape[1:] == row_shape:
        return x
    return x[:, 0] if len(row_shape) == 2 else x.transpose(0, 2, 3, 1)


def open_blocks(path: str | os.PathLike[str]) -> Blocks:
    """Opens what `read_file` reads as a whole: only a block of it is in memory at a time.

    Rows of a Parquet file come by its row groups, images one after the other; a `.npz` archive
    alone is read whole.

    Raises:
        DataError: If it is missing, empty, truncated or of another kind.

    Example:
        >>> open_blocks("no/such.npy")
        Traceback (most recent call last):
        discretevae.data.errors.DataError: no/such.npy does not exist: there is no folder no.
    """
    path = Path(os.path.expanduser(path))
    try:
        if os.path.isdir(path):
            return _images(path)
        _check_file(path)
        return OPENERS[path.suffix.lower()](path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def _npy(path: Path) -> Blocks:
    blocks = Blocks.of(_mapped(path), str(path))
    size = blocks.parts[0]

    def read_part(part: int) -> np.ndarray:
        # Mapped anew each time: pages that were read count as memory for as long as the map lives.
        return np.array(_mapped(path)[part * size : (part + 1) * size])

    return replace(blocks, read_part=read_part)


def _mapped(path: Path) -> np.ndarray:
    with path.open("rb") as file:
        if file.read(6) != b"\x93NUMPY":
            raise DataError(f"{path} must be a NumPy array file, got other content.")
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except MemoryError:
        raise
    except Exception as error:  # a damaged header raises whatever its reader met
        if "Python objects" in str(error):
            raise DataError(
                f"{path} must hold plain numbers, got Python objects, which are never loaded."
            ) from None
        raise DataError(f"{path} is truncated or damaged: NumPy cannot read it.") from error


def _npz(path: Path) -> Blocks:
    whole = Blocks.of(read_file(path)[0].x.numpy(), str(path))
    return replace(whole, parts=(), read_part=None)


def _images(folder: Path) -> Blocks:
    paths = _image_paths(folder)
    first = _pixels(paths[0])

    def pixels(path: Path) -> np.ndarray:
        found = _pixels(path)
        if found.shape != first.shape or found.dtype != first.dtype:
            raise DataError(
                f"{path} must be {_describe(first)} as {paths[0].name} is, got {_describe(found)}."
            )
        return found

    def read(size: int) -> Iterator[np.ndarray]:
        for start in range(0, len(paths), size):
            yield np.stack([pixels(path) for path in paths[start : start + size]])

    def read_part(part: int) -> np.ndarray:
        return np.stack([pixels(path) for path in paths[part * few : (part + 1) * few]])

    few = _rows_a_part(first.shape, first.dtype)
    parts = _parts(len(paths), few)
    return Blocks(
        str(folder), len(paths), first.shape, first.dtype, read, parts=parts, read_part=read_part
    )


def _parquet(path: Path) -> Blocks:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise DataError(f"{path}: to read Parquet, install discretevae[tables].") from None

    def read(size: int) -> Iterator[np.ndarray]:
        with whole_file() as file:
            for batch in file.iter_batches(size, columns=features(file)):
                yield numbers(pyarrow.Table.from_batches([batch]))

    def read_part(part: int) -> np.ndarray:
        with whole_file() as file:
            return numbers(file.read_row_group(groups[part], columns=features(file)))

    @contextmanager
    def whole_file() -> Iterator[Any]:
        try:
            with pyarrow.parquet.ParquetFile(path) as file:
                yield file
        except (pyarrow.ArrowException, OSError):
            raise DataError(f"{path} must be a whole Parquet file, got one damaged.") from None

    def numbers(table: Any) -> np.ndarray:
        columns = [
            _arrow_numbers(values, f"{path}, column '{name}'")
            for name, values in zip(table.column_names, table.columns, strict=True)
        ]
        return _columns(columns, len(table))

    def features(file: Any) -> list[str]:
        names = [name for name in file.schema_arrow.names if not name.startswith(INDEX)]
        label = _label_column(names, path)
        return [name for i, name in enumerate(names) if i != label]

    try:
        metadata = pyarrow.parquet.read_metadata(path)
        rows = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        for i in range(metadata.num_row_groups):
            require_honest_size(path, unpacked(metadata, i), path.stat().st_size)
    except (pyarrow.ArrowException, OSError):
        raise DataError(f"{path} must be a whole Parquet file, got one damaged.") from None
    first = next(read(1), np.empty((0, 1)))
    require_shape(first, str(path))
    groups = [i for i, size in enumerate(rows) if size]
    return Blocks(
        str(path),
        metadata.num_rows,
        first.shape[1:],
        first.dtype,
        read,
        parts=tuple(rows[i] for i in groups),
        read_part=read_part,
    )


def _csv(path: Path) -> Blocks:
    try:
        names, first = _header(path)
        count = sum(1 for _ in _lines(path)) - bool(first)
        column = _label_column(names, path)
        width = len(next(row for line, row in _lines(path) if line > first)) if count > 0 else 0
    except (UnicodeDecodeError, csv.Error):
        raise DataError(f"{path} must be a table as text in UTF-8, got other content.") from None
    if count < 1:
        raise DataError(f"{path} must hold at least one row of numbers, got none.")

    def read(size: int) -> Iterator[np.ndarray]:
        with path.open(encoding="utf-8-sig", newline="") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of empty lines
            lines, skipped = iter(file), first
            for start in range(0, count, size):
                try:
                    table = np.loadtxt(
                        lines,
                        dtype=np.float32,
                        delimiter=",",
                        skiprows=skipped,
                        max_rows=min(size, count - start),
                        ndmin=2,
                        converters=None if column is None else {column: lambda cell: 0.0},
                        quotechar='"',
                        comments=None,
                    )
                    if table.shape[1] != width or len(names) not in (0, width):
                        raise ValueError("its rows have several widths")
                except ValueError as error:
                    fault = _first_fault(path) or f"{path} is no table of numbers: {error}"
                    raise DataError(fault) from None
                yield table if column is None else np.delete(table, column, axis=1)
                skipped = 0

    row_shape = (width - (column is not None),)
    require_shape(np.broadcast_to(np.float32(0), (count, *row_shape)), str(path))
    return Blocks(str(path), count, row_shape, np.dtype(np.float32), read)


OPENERS: dict[str, Callable[[Path], Blocks]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".csv": _csv,
    ".parquet": _parquet,
}


def _rows_a_part(row_shape: tuple[int, ...], dtype: np.dtype) -> int:
    return max(1, PART // max(1, int(np.prod(row_shape)) * dtype.itemsize))


def _parts(count: int, size: int) -> tuple[int, ...]:
    """Rows of each part: `size`, fewer only at the end."""
    return tuple(min(size, count - start) for start in range(0, count, size))


def _regrouped(arrays: Iterator[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """Cuts and joins arrays until each has `size` rows, but for the last."""
    held: list[np.ndarray] = []
    rows = 0
    for array in arrays:
        held.append(array)
        rows += len(array)
        if rows < size:
            continue
        joined = _joined(held)
        whole = rows - rows % size
        yield from (joined[start : start + size] for start in range(0, whole, size))
        held, rows = [joined[whole:]] * (rows > whole), rows - whole
    if rows:
        yield _joined(held)


def _joined(arrays: list[np.ndarray]) -> np.ndarray:
    """Joins arrays; a single one keeps its order of bytes."""
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
