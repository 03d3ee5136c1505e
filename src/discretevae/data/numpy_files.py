"""NumPy's own files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from .arrays import Contents, examples_from_arrays, values_from_array
from .errors import DataError
from .examples import as_values

__all__ = ["read_npy", "read_npz"]

LABELS = ("labels", "label", "y")
CONTEXT = "context"


def read_npy(path: Path) -> Contents:
    """Returns the examples in a `.npy` file of one array; never loads Python objects."""
    with path.open("rb") as file:
        if file.read(6) != b"\x93NUMPY":
            raise DataError(f"{path} must be a NumPy array file, got other content.")
    return examples_from_arrays(_load(path)["x"], where=str(path))


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
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"x": loaded}
        with loaded:
            # What is no array, in an archive of another kind, comes as bytes.
            return {name: a for name, a in loaded.items() if isinstance(a, np.ndarray)}
    except Exception as error:  # a damaged archive raises whatever its decoder met
        if "allow_pickle" in str(error):
            raise DataError(
                f"{path} must hold plain numbers, got Python objects, which are never loaded."
            ) from None
        raise DataError(f"{path} is truncated or damaged: NumPy cannot read it.") from error
