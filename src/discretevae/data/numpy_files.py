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

from .arrays import Contents, examples_from_arrays, values_from_array
from .errors import DataError
from .examples import as_values
from .sizes import require_honest_size

__all__ = ["read_array", "read_npy", "read_npz"]

LABELS = ("labels", "label", "y")
CONTEXT = "context"


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
    except DataError:
        raise
    except Exception as error:  # a damaged archive raises whatever its decoder met
        if "allow_pickle" in str(error):
            raise DataError(
                f"{path} must hold plain numbers, got Python objects, which are never loaded."
            ) from None
        raise DataError(f"{path} is truncated or damaged: NumPy cannot read it.") from error
