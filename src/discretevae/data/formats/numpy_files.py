"""NumPy's own files."""

import math
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..arrays import Contents, examples_from_arrays, values_from_array
from ..budget import of_values, require_memory
from ..errors import DataError
from ..examples import as_values
from ..sizes import require_honest_size
from .raw import Note, RawColumn, RawTable, part_of
from .raw_array import LABELS, RawArray, labels_of
from .records import table_of_structure

__all__ = ["read_array", "read_arrays", "read_npy", "read_npz"]

CONTEXT = "context"
STREAM = "; leave it on disk by --stream"
ARCHIVE = "; save its array as .npy, and leave it on disk by --stream"
OBSERVATIONS = ("x", "images", "data", "features")


def read_arrays(path: Path, label: str | None = None) -> RawArray | RawTable:
    """Returns what a `.npy` or `.npz` file holds, parts such as `x_train` and `x_test` together.

    Arrays beside the observations that have as many rows are carried along.

    Arguments:
        path: The file; Python objects in it are never loaded.
        label: The array of the labels; by default `labels`, `label` or `y`.

    Raises:
        DataError: If it is damaged, too large for the memory, or has no array of observations.
    """
    with path.open("rb") as file:
        start = file.read(6)
    if path.suffix.lower() == ".npy":
        if start != b"\x93NUMPY":
            raise DataError(f"{path} must be a NumPy array file, got other content.")
        require_memory(_taken(path), str(path), STREAM)
        array = read_array(path)
        if array.dtype.names is not None:
            return table_of_structure(array, str(path), path.stem)
        return RawArray(str(path), path.stem, array)
    if not start.startswith(b"PK"):
        raise DataError(f"{path} must be a NumPy archive, got other content.")
    require_memory(of_values(_unpacked(path) // 4, 4), str(path), ARCHIVE)
    return _from_arrays(_load(path), path, label)


def _taken(path: Path) -> int:
    """Bytes that the array of a file takes while it is read; no more than the file says."""
    with path.open("rb") as file, _reading(path):
        _, _, dtype = HEADERS[np.lib.format.read_magic(file)](file)
        return of_values(path.stat().st_size // max(1, dtype.itemsize), dtype.itemsize)


def _unpacked(path: Path) -> int:
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(member.file_size for member in archive.infolist())
    except (OSError, zipfile.BadZipFile):
        raise DataError(f"{path} is truncated or damaged: NumPy cannot read it.") from None


def _from_arrays(arrays: dict[str, np.ndarray], path: Path, label: str | None) -> RawArray:
    if {"data", "indices", "indptr"} <= set(arrays):
        raise DataError(
            f"{path} must hold full arrays, got a sparse matrix; write it as .npy: "
            "numpy.save(…, scipy.sparse.load_npz(…).toarray())."
        )
    arrays, parts, notes = _joined(arrays, path)
    if label is not None and label not in arrays:
        raise DataError(f"`label` must be one of {', '.join(arrays)}, got {label!r}.")
    called = label or next((key for key in LABELS if key in arrays), None)
    x = _main(arrays, called, path)
    beside, left = {}, []
    for name, array in arrays.items():
        if array is arrays[x] or name in (called, CONTEXT):
            continue
        if array.shape == arrays[x].shape[:1] and array.dtype.kind != "V":
            beside[name] = RawColumn.of(name, array.tolist())
        else:
            left.append(name)
    if left:
        notes.append(Note(f"left out: {', '.join(left)} (not an entry a row)"))
    labels = None
    if called is not None:
        found = labels_of(arrays[called], len(arrays[x]))
        if found is None:
            raise DataError(
                f"{path}: labels must have shape ({len(arrays[x])},), got {arrays[called].shape}."
            )
        labels = RawColumn.of(called, found.tolist())
    return RawArray(
        str(path), path.stem, arrays[x], labels, arrays.get(CONTEXT), beside, parts, tuple(notes)
    )


def _main(arrays: dict[str, np.ndarray], label: str | None, path: Path) -> str:
    candidates = [key for key in arrays if key not in (*LABELS, CONTEXT, label)]
    found = next((key for key in OBSERVATIONS if key in arrays), None)
    if found is None and len(candidates) > 1:
        # The only one of several dimensions, among ids and the like.
        several = [key for key in candidates if arrays[key].ndim > 1]
        candidates = several if len(several) == 1 else candidates
    if found is None and len(candidates) != 1:
        raise DataError(
            f"{path} must hold an array named x, or a single one beside labels, "
            f"got {', '.join(arrays) or 'none'}."
        )
    return found or candidates[0]


def _joined(
    arrays: dict[str, np.ndarray], path: Path
) -> tuple[dict[str, np.ndarray], np.ndarray | None, list[Note]]:
    """Puts arrays such as `x_train`, `x_test` one after the other, and says which row is which."""
    pieces: dict[str, dict[int, np.ndarray]] = {}
    for key, array in arrays.items():
        first, _, last = key.rpartition("_")
        head, _, tail = key.partition("_")
        for name, part in ((first, part_of(last)), (tail, part_of(head))):
            if name and part is not None:
                pieces.setdefault(name.lower(), {})[part] = array
                break
    whole = {name: found for name, found in pieces.items() if len(found) > 1}
    if not whole:
        return arrays, None, []
    joined = {name: np.concatenate([f[p] for p in sorted(f)]) for name, f in whole.items()}
    sizes = [[len(f[p]) for p in sorted(f)] for f in whole.values()]
    if any(size != sizes[0] for size in sizes):
        raise DataError(f"{path}: parts must have as many labels as observations, got {sizes}.")
    order = sorted(next(iter(whole.values())))
    parts = np.repeat(order, sizes[0])
    names = {0: "train", 1: "validation", 2: "test"}
    said = ", ".join(f"{names[p]} {n:,}" for p, n in zip(order, sizes[0], strict=True))
    in_parts = [any(part_of(piece) is not None for piece in key.split("_")) for key in arrays]
    others = [key for key, taken in zip(arrays, in_parts, strict=True) if not taken]
    notes = [Note(f"parts as the file has them: {said}", "--splits pool")]
    if others:
        notes.append(Note(f"left out: {', '.join(others)} (of no part)"))
    return joined, parts, notes


def read_npy(path: Path) -> Contents:
    """Returns the examples in a `.npy` file of one array; never loads Python objects."""
    return examples_from_arrays(read_array(path), where=str(path))


def read_array(path: Path) -> np.ndarray:
    """Returns the array of a `.npy` file, once it is known to be there as it says.

    Raises:
        DataError: If it is damaged, of another kind, or claims more than the file holds.
    """
    with path.open("rb") as file:
        if file.read(6) != b"\x93NUMPY":
            raise DataError(f"{path} must be a NumPy array file, got other content.")
        file.seek(0)
        with _reading(path):
            _require_held(file, path.stat().st_size)
            file.seek(0)
            return np.load(file, allow_pickle=False)


def read_npz(path: Path) -> Contents:
    """Returns the examples in the array `x`, or the only one, and `labels`, `label` or `y`.

    An array `context` holds what a conditional model is told of each example.
    """
    with path.open("rb") as file:
        if file.read(2) != b"PK":
            raise DataError(f"{path} must be a NumPy archive, got other content.")
    arrays = _load(path)
    labels = next((arrays[key] for key in LABELS if key in arrays), None)
    examples, classes = examples_from_arrays(_observations(arrays, path), labels, where=str(path))
    if CONTEXT in arrays:
        examples = replace(examples, context=_context(arrays[CONTEXT], f"{path}, `context`"))
    return examples, classes


def _context(array: np.ndarray, where: str) -> torch.Tensor:
    if array.ndim < 2:
        raise DataError(f"{where} must have at least 2 dimensions, got shape {array.shape}.")
    return as_values(values_from_array(array, where))


def _observations(arrays: dict[str, np.ndarray], path: Path) -> np.ndarray:
    candidates = [key for key in arrays if key not in (*LABELS, CONTEXT)]
    if "x" not in arrays and len(candidates) != 1:
        raise DataError(
            f"{path} must hold an array named x, or a single one beside labels, "
            f"got {', '.join(arrays) or 'none'}."
        )
    return arrays["x" if "x" in arrays else candidates[0]]


def _load(path: Path) -> dict[str, np.ndarray]:
    """Reads the arrays of an archive, none of which is larger than it says or than is honest."""
    with _reading(path), zipfile.ZipFile(path) as archive:
        parts = [part for part in archive.infolist() if part.filename.endswith(".npy")]
        size = path.stat().st_size
        require_honest_size(path, sum(part.file_size for part in parts), size)
        arrays = {}
        for part in parts:
            with archive.open(part) as file:
                _require_held(file, part.file_size)
            with archive.open(part) as file:
                array = np.lib.format.read_array(file, allow_pickle=False)
            arrays[part.filename.removesuffix(".npy")] = array
    return arrays


def _require_held(file: Any, size: int) -> None:
    """Compares what an array says of itself with the bytes that there are."""
    read = HEADERS[np.lib.format.read_magic(file)]
    shape, _, dtype = read(file)
    if not dtype.hasobject and math.prod(shape) * dtype.itemsize > size - file.tell():
        raise ValueError("the array claims more than there is")


HEADERS: dict[tuple[int, int], Callable[[Any], Any]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
"""Version of the format → what reads its header."""


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (DataError, MemoryError):
        raise
    except Exception as error:  # a damaged archive raises whatever its decoder met
        if "allow_pickle" in str(error):
            raise DataError(
                f"{path} must hold plain numbers, got Python objects, which are never loaded."
            ) from None
        raise DataError(f"{path} is truncated or damaged: NumPy cannot read it.") from error
