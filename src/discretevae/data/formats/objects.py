"""Arrays, tensors, loaders and lists in Python."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch

from ..errors import DataError
from .frames import is_frame, read_frame
from .raw import RawColumn, RawTable
from .raw_array import RawArray
from .raw_text import RawText

__all__ = ["read_object"]

WHERE = "`data`"
REMEDY = (
    "a name, a path, an array, a tensor, a pair of observations and labels, a data frame, "
    "a DataLoader or Dataset, or a list of sentences"
)


def read_object(data: Any) -> RawArray | RawTable | RawText:
    """Returns what an object of Python holds.

    Raises:
        DataError: Saying in a sentence what to give instead.

    Example:
        >>> read_object((torch.zeros(3, 2), [0, 1, 1])).labels.cells()
        [0, 1, 1]
        >>> read_object(7)
        Traceback (most recent call last):
        discretevae.data.errors.DataError: `data` must be a name, a path, an array, a tensor, \
a pair of observations and labels, a data frame, a DataLoader or Dataset, or a list of sentences, \
got int.
    """
    if is_frame(data):
        return read_frame(data)
    if isinstance(data, (np.ndarray, torch.Tensor)):
        return _array(data)
    if isinstance(data, Mapping) and "x" in data:
        return _array(data["x"], data.get("labels", data.get("y")))
    if isinstance(data, tuple) and len(data) == 2:
        return _array(*data)
    if isinstance(data, (list, tuple)) and data and all(isinstance(x, str) for x in data):
        return _sentences(data)
    if isinstance(data, torch.utils.data.DataLoader):
        return _batches(data)
    if isinstance(data, torch.utils.data.Dataset):
        return _batches(torch.utils.data.DataLoader(data, batch_size=256))
    if isinstance(data, list) and data:
        try:
            return _array(np.array(data))
        except ValueError:
            pass  # lists of several lengths are no array
    raise DataError(f"{WHERE} must be {REMEDY}, got {type(data).__name__}.")


def _array(x: Any, labels: Any = None) -> RawArray:
    x = _numpy(x)
    if x.dtype.kind in "OUS":
        raise DataError(f"{WHERE} must hold numbers, got type {x.dtype}; give a data frame.")
    if labels is None:
        return RawArray(WHERE, "data", x)
    found = _numpy(labels)
    if found.shape != x.shape[:1]:
        raise DataError(f"{WHERE}: labels must have shape ({len(x)},), got {found.shape}.")
    return RawArray(WHERE, "data", x, RawColumn.of("label", found.tolist()))


def _numpy(x: Any) -> np.ndarray:
    if isinstance(x, torch.Tensor):
        x = x.detach().cpu()
        return x.float().numpy() if x.dtype == torch.bfloat16 else x.numpy()
    return np.asarray(x)


def _sentences(texts: Iterable[str]) -> RawText:
    kept = [(row, text.strip()) for row, text in enumerate(texts, 1) if text.strip()]
    if not kept:
        raise DataError(f"{WHERE} must hold at least one sentence, got none.")
    lines, found = zip(*kept, strict=True)
    return RawText(WHERE, "data", found, np.array(lines))


def _batches(loader: Iterable[Any]) -> RawArray:
    xs, labels = [], []
    for batch in loader:
        x, *rest = batch if isinstance(batch, (list, tuple)) else (batch,)
        if not isinstance(x, (torch.Tensor, np.ndarray)):
            raise DataError(
                f"{WHERE} must give batches of tensors, or of tensors and labels, "
                f"got {type(x).__name__}."
            )
        xs.append(_numpy(x))
        if rest and np.ndim(_numpy(rest[0])) == 1:
            labels.append(_numpy(rest[0]))
    if not xs:
        raise DataError(f"{WHERE} must hold at least one batch, got none.")
    whole = np.concatenate(labels) if len(labels) == len(xs) else None
    return _array(np.concatenate(xs), whole)
