"""Activations of a network, from files that may be larger than the memory."""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from discretevae.names import shorten

from .blocks import Blocks, open_blocks
from .errors import DataError
from .examples import Examples
from .splits import Splits, split, stream_split

__all__ = ["Activations", "load_activations", "open_activations"]

IN_MEMORY = 2**28
"""Bytes of activations up to which all are kept in memory."""
PART = 2**22
"""Bytes, about, of a part that is read by itself."""
HELD_OUT = 10_000
"""The most activations to report on."""
TEST = 0.1
ENDINGS = (".npy", ".npz", ".parquet", ".pq", ".safetensors")


@dataclass(frozen=True, eq=False)
class Activations:
    """Activations to train on and to report on, and all of them in their order.

    Arguments:
        splits: Rows of x, with those of y behind them where there are any.
        blocks: All rows in their order.
        dim: The numbers of x.
        dim_out: Those of y.

    Example:
        >>> found = load_activations(np.random.randn(100, 8).astype(np.float32))
        >>> found.dim, len(found.splits.train), len(found.splits.test)
        (8, 90, 10)
    """

    splits: Splits
    blocks: Blocks
    dim: int
    dim_out: int | None = None

    def pair(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Parts rows into x and y."""
        return rows[:, : self.dim], rows[:, self.dim :] if self.dim_out else None


def load_activations(
    x: Any, y: Any = None, *, test: float = TEST, seed: int = 0, name: str | None = None
) -> Activations:
    """Opens activations and parts them at random; those to train on stay on disk if they are many.

    Arguments:
        x: An array or tensor (…, d), a file of one, or a folder of such files; of `.npy`, `.npz`,
            `.parquet` and `.safetensors`, in any float type.
        y: What a transcoder takes them to, row by row.
        test: The fraction in (0, 1) to report on, at most 10,000 rows.
        seed: Which of the random splits.
        name: What they are called.

    Raises:
        DataError: If a file is missing or damaged, a number is not finite, rows are all alike, or
            shards or pairs do not fit together.
    """
    blocks = open_activations(x)
    dim, dim_out = blocks.row_shape[0], None
    if y is not None:
        targets = open_activations(y)
        dim_out = targets.row_shape[0]
        blocks = _paired(blocks, targets)
    called = name or _name(x)
    if blocks.count * blocks.row_shape[0] * 4 <= IN_MEMORY:
        rows = torch.cat([blocks.part(i).x for i in range(len(blocks.parts))])
        share = min(test, HELD_OUT / len(rows))
        splits = split(Examples(rows), validation=0, test=share, seed=seed, name=called)
    else:
        splits = stream_split(blocks, validation=0, test=test, seed=seed, name=called)
    found = Activations(splits, blocks, dim, dim_out)
    for part in found.pair(splits.train.values(slice(0, HELD_OUT))):
        if part is not None and not bool((part != part[:1]).any()):
            raise DataError(
                f"{blocks.where} must vary from row to row, got rows that are all alike."
            )
    return found


def _name(x: Any) -> str:
    return Path(x).resolve().stem if isinstance(x, (str, os.PathLike)) else "activations"


def open_activations(x: Any) -> Blocks:
    """Opens activations as rows (N, d), of which a part at a time is in memory.

    Raises:
        DataError: If they cannot be read as such.

    Example:
        >>> open_activations(np.zeros((4, 5, 8), np.float16)).count
        20
    """
    if not isinstance(x, (str, os.PathLike)):
        return _as_rows(Blocks.of(np.asarray(x), "`x`"))
    path = Path(os.path.expanduser(x))
    if path.is_dir():
        shards = sorted(p for p in path.iterdir() if p.suffix.lower() in ENDINGS)
        if not shards:
            raise DataError(f"{path} must hold files that end in {', '.join(ENDINGS)}, got none.")
        return _joined([_opened(shard) for shard in shards], str(path))
    return _opened(path)


def _opened(path: Path) -> Blocks:
    ending = path.suffix.lower()
    if path.exists() and ending not in ENDINGS:
        hint = " (a pickle is never read: write it as .npy)" * (ending in (".pt", ".pth", ".pkl"))
        raise DataError(f"{path} must end in {', '.join(ENDINGS)}, got {ending or 'none'}{hint}.")
    if path.is_file() and ending == ".safetensors":
        return _as_rows(_of_safetensors(path))
    if path.is_file() and ending in (".parquet", ".pq"):
        nested = _of_lists(path)
        return _as_rows(open_blocks(path) if nested is None else nested)
    return _as_rows(open_blocks(path))


def _as_rows(blocks: Blocks) -> Blocks:
    """Takes all dimensions but the last for rows, and numbers for float32."""
    if blocks.dtype.kind not in "iuf":
        raise DataError(f"{blocks.where} must hold real numbers, got type {blocks.dtype}.")
    parts, read_part = blocks.parts, blocks.read_part
    if read_part is None:  # an archive, which is in memory anyway
        whole = next(blocks.rows(blocks.count))
        parts, read_part = (blocks.count,), lambda part: whole
    each, dim = math.prod(blocks.row_shape[:-1]), blocks.row_shape[-1]

    def rows(part: int) -> np.ndarray:
        with np.errstate(over="ignore"):  # what float32 cannot hold is refused as infinite
            return np.asarray(read_part(part), np.float32).reshape(-1, dim)

    return _of_parts(blocks.where, tuple(each * part for part in parts), dim, rows)


def _of_parts(
    where: str, parts: tuple[int, ...], dim: int, read_part: Callable[[int], np.ndarray]
) -> Blocks:
    def read(size: int) -> Iterator[np.ndarray]:
        return (read_part(part) for part in range(len(parts)))

    kind = np.dtype(np.float32)
    return Blocks(where, sum(parts), (dim,), kind, read, parts=parts, read_part=read_part)


def _joined(shards: Sequence[Blocks], where: str) -> Blocks:
    first = shards[0]
    for shard in shards[1:]:
        if shard.row_shape != first.row_shape:
            raise DataError(
                f"{shard.where} must have rows of {first.row_shape[0]} numbers as {first.where}, "
                f"got {shard.row_shape[0]}."
            )
    places = [(shard, part) for shard in shards for part in range(len(shard.parts))]

    def read_part(index: int) -> np.ndarray:
        shard, part = places[index]
        assert shard.read_part is not None
        return shard.read_part(part)

    parts = tuple(shard.parts[part] for shard, part in places)
    return _of_parts(where, parts, first.row_shape[0], read_part)


def _paired(x: Blocks, y: Blocks) -> Blocks:
    if x.count != y.count:
        raise DataError(
            f"{y.where} must have {x.count:,} rows, one for each of {x.where}, got {y.count:,}."
        )
    begins = np.cumsum([0, *x.parts]).tolist()
    assert x.read_part is not None
    read = x.read_part

    def read_part(part: int) -> np.ndarray:
        return np.hstack([read(part), _between(y, begins[part], begins[part + 1])])

    dim = x.row_shape[0] + y.row_shape[0]
    return _of_parts(x.where, x.parts, dim, read_part)


def _between(blocks: Blocks, first: int, end: int) -> np.ndarray:
    """Reads some rows, of the parts that have them."""
    assert blocks.read_part is not None
    begins = np.cumsum([0, *blocks.parts]).tolist()
    low = int(np.searchsorted(begins, first, side="right")) - 1
    high = int(np.searchsorted(begins, end, side="left"))
    rows = np.concatenate([blocks.read_part(part) for part in range(low, high)])
    return rows[first - begins[low] : end - begins[low]]


def _of_safetensors(path: Path) -> Blocks:
    """One tensor of at least two dimensions; a slice at a time is read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise DataError(
            f"{path} must be a whole safetensors file, got: {shorten(str(error))}"
        ) from None
    names = [name for name, shape in shapes.items() if len(shape) >= 2]
    if len(names) != 1 or not math.prod(shapes[names[0]]):
        raise DataError(
            f"{path} must hold one tensor of activations (…, d), got {', '.join(shapes) or 'none'}."
        )
    name, shape = names[0], shapes[names[0]]
    each = max(1, PART // (4 * math.prod(shape[1:])))
    parts = tuple(min(each, shape[0] - start) for start in range(0, shape[0], each))

    def read_part(part: int) -> np.ndarray:
        start = part * each
        with safe_open(path, framework="pt") as file:
            found: np.ndarray = file.get_slice(name)[start : start + parts[part]].float().numpy()
        return found

    def read(size: int) -> Iterator[np.ndarray]:
        return (read_part(part) for part in range(len(parts)))

    kind = np.dtype(np.float32)
    return Blocks(str(path), shape[0], shape[1:], kind, read, parts=parts, read_part=read_part)


def _of_lists(path: Path) -> Blocks | None:
    """A Parquet file one of whose columns holds lists of numbers, a row each; None for others."""
    try:
        import pyarrow
        import pyarrow.compute as compute
        import pyarrow.parquet as parquet
    except ImportError:
        raise DataError(f"{path}: to read Parquet, install discretevae[tables].") from None
    try:
        with parquet.ParquetFile(path) as file:
            lists = [f.name for f in file.schema_arrow if pyarrow.types.is_nested(f.type)]
            groups = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    except (pyarrow.ArrowException, OSError):
        raise DataError(f"{path} must be a whole Parquet file, got one damaged.") from None
    if not lists:
        return None
    if len(lists) > 1:
        raise DataError(f"{path} must have one column of lists, got {', '.join(lists)}.")
    kept = [i for i, rows in enumerate(groups) if rows]

    def read_part(part: int) -> np.ndarray:
        with parquet.ParquetFile(path) as file:
            column = file.read_row_group(kept[part], columns=lists).column(0)
        lengths = compute.list_value_length(column).to_numpy()
        if not (lengths == lengths[0]).all():
            raise DataError(f"{path} must have lists of one length in {lists[0]!r}, got several.")
        values = compute.list_flatten(column).to_numpy()
        return np.asarray(values, np.float32).reshape(len(column), -1)

    first = read_part(0) if kept else np.empty((0, 0))
    if not first.size:
        raise DataError(f"{path} must hold at least one row of one value, got none.")
    parts = tuple(groups[i] for i in kept)
    return _of_parts(str(path), parts, first.shape[1], read_part)
