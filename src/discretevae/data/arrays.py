"""From arrays of any origin to examples, or a clear refusal."""

import numpy as np
import torch

from .errors import DataError
from .examples import Examples

__all__ = ["Contents", "examples_from_arrays", "values_from_array"]

Contents = tuple[Examples, tuple[str, ...] | None]
CHANNELS = (1, 3, 4)


def examples_from_arrays(
    x: np.ndarray, labels: np.ndarray | None = None, *, where: str = "`x`"
) -> Contents:
    """Returns the examples that arrays describe, and the names of their classes if they have any.

    Vectors (N, F) stay; images (N, H, W) become (N, 1, H, W) and (N, H, W, C), with C of 1, 3
    or 4, become (N, C, H, W); where both readings of four dimensions would do, the one with
    the squarer image is taken, else the array stays. uint8 stays, with 255 for 1; bool, and
    uint8 that holds nothing above 1, becomes 0 and 255; other numbers become float32.

    Arguments:
        x: One observation a row.
        labels: One label a row: whole numbers stay, texts become indices into the classes.
        where: What to call the array in errors, a file for one.

    Raises:
        DataError: If there are no rows, the dimensions or the type do not fit, or a value is
            NaN or infinite.

    Example:
        >>> examples, classes = examples_from_arrays(np.eye(2), np.array(["b", "a"]))
        >>> examples.labels, classes
        (tensor([1, 0]), ('a', 'b'))
    """
    require_shape(x, where)
    values = values_from_array(x, where)
    if labels is None:
        return Examples(values), None
    if labels.shape != x.shape[:1]:
        raise DataError(f"{where}: labels must have shape ({len(x)},), got {labels.shape}.")
    indices, classes = _label_indices(labels, where)
    return Examples(values, torch.from_numpy(indices)), classes


def values_from_array(x: np.ndarray, where: str) -> torch.Tensor:
    """Gives uint8 levels or finite float32, images with their channels first."""
    return torch.from_numpy(np.array(_image_layout(_numbers(x, where)), order="C"))


def require_shape(x: np.ndarray, where: str) -> None:
    """Refuses an array that holds no rows of numbers or images.

    Raises:
        DataError: If it has another number of dimensions, or no value.
    """
    if x.ndim not in (2, 3, 4):
        raise DataError(
            f"{where} must have 2 dimensions (rows of numbers), 3 (grey images) or 4 (images with "
            f"channels), got {x.ndim}: shape {x.shape}."
        )
    if x.size == 0:
        raise DataError(f"{where} must hold at least one row of one value, got shape {x.shape}.")


def _numbers(x: np.ndarray, where: str) -> np.ndarray:
    if x.dtype == np.bool_ or (x.dtype == np.uint8 and x.max() <= 1):
        return x.astype(np.uint8) * np.uint8(255)
    if x.dtype == np.uint8:
        return x
    if x.dtype.kind not in "iuf":
        raise DataError(f"{where} must hold real numbers, got type {x.dtype}.")
    with np.errstate(over="ignore"):  # what float32 cannot hold is refused as infinite
        x = x.astype(np.float32)
    _check_finite(x, where)
    return x


def _check_finite(x: np.ndarray, where: str) -> None:
    bad = ~np.isfinite(x)
    if bad.any():
        row = int(bad.reshape(len(x), -1).any(1).argmax())
        raise DataError(
            f"{where} must hold finite float32 numbers, got {bad.sum()} NaN or infinite, "
            f"the first in row {row} (counted from 0)."
        )


def _image_layout(x: np.ndarray) -> np.ndarray:
    if x.ndim == 3:
        return x[:, None]
    if x.ndim == 4 and _channels_last(*x.shape[1:]):
        return x.transpose(0, 3, 1, 2)
    return x


def _channels_last(a: int, b: int, c: int) -> bool:
    return c in CHANNELS and (a not in CHANNELS or abs(a - b) < abs(b - c))


def _label_indices(labels: np.ndarray, where: str) -> tuple[np.ndarray, tuple[str, ...] | None]:
    if labels.dtype.kind in "US":
        classes, indices = np.unique(labels.astype(str), return_inverse=True)
        return indices.astype(np.int64), tuple(classes.tolist())
    with np.errstate(invalid="ignore"):
        whole = labels.astype(np.int64) if labels.dtype.kind in "biuf" else None
    if whole is None or not np.array_equal(whole, labels):
        raise DataError(f"{where}: labels must be whole numbers or text, got type {labels.dtype}.")
    return whole, None
