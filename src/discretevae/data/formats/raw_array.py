"""An array as its source has it, with what stands beside its rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, Shaped

from ..budget import of_values, require_memory
from ..errors import DataError
from .raw import Note, RawColumn

__all__ = ["LABELS", "RawArray", "labels_of", "numbers_of", "require_classes"]

LABELS = ("labels", "label", "y", "target", "targets", "classes")
"""What labels beside observations may be called."""


@dataclass(frozen=True, eq=False)
class RawArray:
    """N observations in an array.

    Arguments:
        where: What to call it in errors.
        name: What to call it in titles.
        x: One observation a row.
        labels: One label a row.
        context: What a conditional model is told of each row.
        beside: Name → what else the source has for each row: names of files, ids.
        parts: Which part each row belongs to, where the source says so: 0, 1 or 2.
        notes: What was guessed, and what was left out.
        pictures: How images became this array, where they did.
    """

    where: str
    name: str
    x: Shaped[np.ndarray, "..."]
    labels: RawColumn | None = None
    context: Shaped[np.ndarray, "..."] | None = None
    beside: Mapping[str, RawColumn] = field(default_factory=dict)
    parts: Int[np.ndarray, " _"] | None = None
    notes: tuple[Note, ...] = ()
    pictures: Any = None

    def __post_init__(self) -> None:
        if self.x.ndim == 0:
            raise DataError(f"{self.where} must have rows, got a single value.")

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.x)


def labels_of(array: np.ndarray, rows: int) -> np.ndarray | None:
    """Gives one label a row, also of a column of them or of rows with a single 1; none of others.

    Example:
        >>> labels_of(np.array([[0, 1], [1, 0]]), 2), labels_of(np.zeros((2, 3)), 2) is None
        (array([1, 0]), True)
    """
    if array.shape == (rows,):
        return array
    if array.shape == (rows, 1):
        return array[:, 0]
    if array.ndim == 2 and len(array) == rows and array.dtype.kind in "biuf":
        one_hot = ((array == 0) | (array == 1)).all() and (array.sum(1) == 1).all()
        return array.argmax(1) if one_hot else None
    return None


def require_classes(labels: np.ndarray, where: str) -> None:
    """Refuses labels that are measured numbers, which no class has.

    Raises:
        DataError: Saying how to model them beside the observations.
    """
    known = labels[np.isfinite(labels)] if labels.dtype.kind == "f" else labels[:0]
    if (known != np.floor(known)).any():
        raise DataError(
            f"{where}: labels must be whole numbers or text, got fractions; give the observations "
            "alone, or with them as a column more: np.column_stack([X, y])."
        )


def numbers_of(x: Any, where: str) -> np.ndarray:
    """Gives an object as an array of NumPy; what is masked is NaN, what is sparse is filled up.

    Raises:
        DataError: If it holds no values, does not fit into memory, or is no array.

    Example:
        >>> numbers_of(np.ma.masked_equal([1, 2], 2), "`x`").tolist()
        [1.0, nan]
    """
    if isinstance(x, torch.Tensor):
        return _of_tensor(x, where)
    if hasattr(x, "toarray"):  # SciPy's sparse matrices
        require_memory(of_values(int(np.prod(x.shape)), 8), where, "; give fewer of its columns")
        return np.asarray(x.toarray())
    if isinstance(x, np.ma.MaskedArray):
        masked = np.ma.getmaskarray(x).any()
        return np.ma.filled(x.astype(np.float64), np.nan) if masked else np.asarray(x.data)
    try:
        return np.asarray(x)
    except (ValueError, TypeError):
        raise DataError(f"{where} must be rows of one shape, got {type(x).__name__}.") from None


def _of_tensor(x: torch.Tensor, where: str) -> np.ndarray:
    if x.device.type == "meta":
        raise DataError(f"{where} must hold values, got a tensor on the device meta.")
    if x.layout != torch.strided:
        require_memory(of_values(x.numel(), x.element_size()), where, "; give fewer of its columns")
        x = x.to_dense()
    x = x.detach().cpu().resolve_conj().resolve_neg()
    return x.float().numpy() if x.dtype == torch.bfloat16 else x.numpy()
