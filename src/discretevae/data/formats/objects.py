"""Arrays, tensors, loaders and lists in Python."""

import numbers
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ..errors import DataError
from .frames import is_frame, read_frame
from .loaders import read_loader
from .raw import Note, RawColumn, RawTable
from .raw_array import LABELS, RawArray, labels_of, numbers_of, require_classes
from .raw_text import RawText, text_of_sentences
from .records import table_of_cells, table_of_columns, table_of_records, table_of_structure

__all__ = ["read_object"]

WHERE = "`data`"
OBSERVATIONS = ("x", "X", "images", "data", "features")
FEW = 3
"""Texts that are looked at to tell paths from sentences."""
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
    if hasattr(data, "to_frame") and not _is_table(data):
        data = data.to_frame()  # a Series
    if is_frame(data):
        return read_frame(data)
    if isinstance(data, Mapping):
        return _mapping(data)
    if isinstance(data, tuple) and len(data) == 2 and not isinstance(data[0], str):
        return _pair(*data)
    if isinstance(data, (torch.utils.data.DataLoader, torch.utils.data.Dataset)):
        return read_loader(data)
    texts = isinstance(data, tuple) and data and all(isinstance(text, str) for text in data)
    if (isinstance(data, list) and data) or texts:
        return _list(list(data))
    if isinstance(data, torch.Tensor) or hasattr(data, "toarray"):
        return _array(data)
    if hasattr(data, "__array__") and hasattr(data, "shape"):
        return _array(data)
    raise _other(data)


def _is_table(data: Any) -> bool:
    """Tells whether what has `to_frame` has several columns already."""
    return getattr(data, "ndim", 1) > 1


def _list(items: list[Any]) -> RawArray | RawTable | RawText:
    if all(isinstance(item, str) or item is None for item in items) and any(items):
        texts = ["" if item is None else item for item in items]
        if all(os.path.isfile(text) for text in texts[:FEW]):
            raise DataError(f"{WHERE} must be {REMEDY}, got paths of files: give their folder.")
        return text_of_sentences(texts, WHERE, "data")
    if all(isinstance(item, Mapping) for item in items):
        arrays = any(np.ndim(cell) for cell in items[0].values() if hasattr(cell, "shape"))
        if not arrays:
            return table_of_records(items, WHERE, "data")
    first = items[0]
    if isinstance(first, Mapping) or (isinstance(first, tuple) and hasattr(first[0], "shape")):
        return read_loader(items)
    try:
        return _array(np.array(items))
    except (ValueError, TypeError) as error:  # lists of several lengths are no array
        if isinstance(error, DataError):
            raise
        raise _other(items) from None


def _mapping(data: Mapping[Any, Any]) -> RawArray | RawTable | RawText:
    """Observations and labels by name, or the columns of a table."""
    name = next((n for n in OBSERVATIONS if n in data and _dimensions(data[n]) > 1), None)
    if name is not None:
        x = data[name]
        label = next((n for n in LABELS if data.get(n) is not None), None)
        found = _pair(x, None if label is None else data[label])
        others = {
            str(n): cells for n, cells in data.items()
            if n not in (name, label) and _dimensions(cells) and len(cells) == found.rows
        }  # fmt: skip
        beside: dict[str, RawColumn] = {}
        if isinstance(found, RawArray):
            beside = {n: RawColumn.of(n, numbers_of(c, WHERE).tolist())
                      for n, c in others.items() if _dimensions(c) == 1}  # fmt: skip
            found = replace(found, beside=beside)
        left = [n for n in others if n not in beside and not is_frame(others[n])]
        notes = (Note(f"left out: {', '.join(left)}"),) if left else ()
        return replace(found, notes=(*found.notes, *notes))
    columns = {n: c for n, c in data.items() if _dimensions(c) == 1}
    if not columns or len(columns) < len(data):
        raise _other(data)
    cells = {str(n): c.tolist() if hasattr(c, "tolist") else c for n, c in columns.items()}
    return table_of_columns(cells, WHERE, "data")


def _dimensions(cells: Any) -> int:
    if isinstance(cells, (str, bytes, Mapping)) or not hasattr(cells, "__len__"):
        return 0
    return int(cells.ndim) if hasattr(cells, "ndim") else 1


def _pair(x: Any, labels: Any = None) -> RawArray | RawTable:
    if not is_frame(x):
        return _array(x, labels)
    table = read_frame(x)
    if labels is None:
        return table
    if "label" in table.columns:
        raise DataError(f"{WHERE} must have one column of labels, got `label` and others beside.")
    found = _labels(labels, table.rows)
    columns = {**table.columns, "label": RawColumn.of("label", found.tolist())}
    return replace(table, columns=columns, native=None)


def _array(data: Any, labels: Any = None) -> RawArray | RawTable:
    x = numbers_of(data, WHERE)
    if x.dtype.names is not None and labels is None:
        return table_of_structure(x, WHERE, "data")
    if x.dtype.kind == "O" and all(cell is None or _is_number(cell) for cell in x.flat):
        x = x.astype(np.float64)
    if x.dtype.kind in "OUS":
        if labels is None:
            return table_of_cells(x, WHERE, "data")
        raise DataError(f"{WHERE} must hold numbers, got type {x.dtype}; give a data frame.")
    if labels is None:
        return RawArray(WHERE, "data", x)
    return RawArray(WHERE, "data", x, RawColumn.of("label", _labels(labels, len(x)).tolist()))


def _is_number(cell: Any) -> bool:
    """Tells whether an object is a number, and not yes or no."""
    return isinstance(cell, numbers.Real) and not isinstance(cell, bool)


def _labels(labels: Any, rows: int) -> np.ndarray:
    given = numbers_of(labels, WHERE)
    found = labels_of(given, rows)
    if found is None:
        raise DataError(f"{WHERE}: labels must have shape ({rows},), got {given.shape}.")
    require_classes(found, WHERE)
    return found


def _other(data: Any) -> DataError:
    return DataError(f"{WHERE} must be {REMEDY}, got {type(data).__name__}.")
