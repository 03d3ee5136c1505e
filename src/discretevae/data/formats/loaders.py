"""DataLoaders and Datasets of PyTorch."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    default_collate,
)

from ..budget import of_values, require_memory
from ..errors import DataError
from .raw import Note, RawColumn
from .raw_array import LABELS, RawArray, labels_of, numbers_of, require_classes
from .raw_text import RawText, text_of_sentences

__all__ = ["read_loader"]

WHERE = "`data`"
BATCH = 256
OBSERVATIONS = (
    *("x", "image", "images", "img", "pixel_values", "data", "features", "input", "inputs"),
    *("text", "texts", "sentence", "sentences"),
)
"""What a batch by names calls its observations."""


def read_loader(data: DataLoader[Any] | Dataset[Any] | Sequence[Any]) -> RawArray | RawText:
    """Returns all examples of a loader, a dataset or a list of examples, in their order.

    Raises:
        DataError: If its batches hold neither arrays nor texts, or cannot be had.

    Example:
        >>> pairs = torch.utils.data.TensorDataset(torch.eye(3), torch.tensor([2, 0, 1]))
        >>> loader = DataLoader(pairs, batch_size=2, shuffle=True, drop_last=True)
        >>> found = read_loader(loader)
        >>> found.x.argmax(1).tolist(), found.labels.cells()
        ([0, 1, 2], [2, 0, 1])
    """
    loader, notes = _in_order(data)
    xs: list[Any] = []
    labels: list[np.ndarray] = []
    left: dict[str, None] = {}
    for batch in _batches(loader):
        x, label, others = _parts(batch)
        left |= dict.fromkeys(others)
        xs += _observations(x)
        if len(xs) == 1:
            _require_memory(loader, xs[0])
        if label is not None:
            labels.append(numbers_of(label, WHERE))
    if not xs:
        raise DataError(f"{WHERE} must hold at least one batch, got none.")
    column = _labels(labels, sum(1 if isinstance(x, str) else len(x) for x in xs))
    if labels and column is None:
        left["what stands beside the observations and is no label a row"] = None
    if left:
        notes.append(Note(f"left out: {', '.join(left)}"))
    if isinstance(xs[0], str):
        return _sentences(xs, column, notes)
    if len({x.shape[1:] for x in xs}) > 1:
        shapes = f"{xs[0].shape[1:]} and others"
        raise DataError(f"{WHERE} must give examples of one shape, got {shapes}.")
    return RawArray(WHERE, "data", np.concatenate(xs), column, notes=tuple(notes))


def _observations(x: Any) -> list[Any]:
    """The texts of a batch, or its array alone."""
    if isinstance(x, (list, tuple)) and all(isinstance(text, str) for text in x):
        return list(x)
    if isinstance(x, (torch.Tensor, np.ndarray)):
        return [numbers_of(x, WHERE)]
    raise DataError(
        f"{WHERE} must give batches of tensors, or of tensors and labels, got {type(x).__name__}."
    )


def _labels(labels: list[np.ndarray], rows: int) -> RawColumn | None:
    """One label a row, if each batch has them."""
    if sum(map(len, labels)) != rows or len({array.shape[1:] for array in labels}) != 1:
        return None
    found = labels_of(np.concatenate(labels), rows)
    if found is None:
        return None
    require_classes(found, WHERE)
    return RawColumn.of("label", found.tolist())


def _sentences(texts: list[str], labels: RawColumn | None, notes: list[Note]) -> RawText:
    found = text_of_sentences(texts, WHERE, "data")
    if labels is not None:
        labels = RawColumn.of("label", labels.cells((found.lines - 1).tolist()))
    return replace(found, labels=labels, notes=tuple(notes))


def _in_order(data: Any) -> tuple[Iterable[Any], list[Note]]:
    """A loader of all rows as they follow in the dataset, where there is such an order."""
    if not isinstance(data, DataLoader):
        return DataLoader(data, BATCH, collate_fn=_collate), []
    sampler, dataset = data.sampler, data.dataset
    if isinstance(dataset, IterableDataset) or data.batch_size is None:
        return data, []
    shuffled = isinstance(sampler, RandomSampler) and not sampler.replacement
    whole = shuffled and len(sampler) == len(dataset)  # type: ignore[arg-type]
    if isinstance(sampler, SubsetRandomSampler):
        dataset, whole = Subset(dataset, sorted(sampler.indices)), True
    elif not whole and not isinstance(sampler, SequentialSampler):
        return data, [Note("rows in the order in which the loader gives them")]
    if not whole and not data.drop_last:
        return data, []
    ordered = DataLoader(
        dataset, data.batch_size, collate_fn=data.collate_fn, num_workers=data.num_workers
    )
    return ordered, [Note("all rows of the loader, in the order of its dataset")]


def _batches(loader: Iterable[Any]) -> Iterator[Any]:
    try:
        yield from loader
    except (DataError, MemoryError):
        raise
    except Exception as error:  # a dataset raises whatever it met
        said = " ".join(str(error).split())[:200]
        raise DataError(
            f"{WHERE} must give batches of one shape each, got {type(error).__name__}: {said}"
        ) from error


def _parts(batch: Any) -> tuple[Any, Any, list[str]]:
    """The observations and the labels of a batch, and what else it has."""
    if isinstance(batch, Mapping):
        name = next((n for n in OBSERVATIONS if n in batch), None)
        if name is None:
            raise DataError(
                f"{WHERE} must give batches with one of {', '.join(OBSERVATIONS)}, "
                f"got {', '.join(map(str, batch))}."
            )
        called = next((n for n in LABELS if n in batch), None)
        others = [str(n) for n in batch if n not in (name, called)]
        return batch[name], None if called is None else batch[called], others
    if not isinstance(batch, (list, tuple)):
        return batch, None, []
    if batch and all(isinstance(text, str) for text in batch):
        return batch, None, []
    x, *rest = batch
    label = rest[0] if rest and isinstance(rest[0], (torch.Tensor, np.ndarray)) else None
    others = [f"entry {i} of each batch" for i in range(1 + (label is not None), len(batch))]
    return x, label, others


def _require_memory(loader: Iterable[Any], first: Any) -> None:
    if isinstance(loader, DataLoader) and isinstance(first, np.ndarray) and len(first):
        try:
            rows = len(loader.dataset)  # type: ignore[arg-type]
        except TypeError:
            return
        count = rows * int(np.prod(first.shape[1:]))
        require_memory(of_values(count, first.itemsize), WHERE, "; give a part of it")


def _collate(items: list[Any]) -> Any:
    return default_collate([_arrays(item) for item in items])


def _arrays(item: Any) -> Any:
    """An example with its pictures as arrays."""
    if isinstance(item, Mapping):
        return {name: _arrays(part) for name, part in item.items()}
    if isinstance(item, (list, tuple)) and not isinstance(item, str):
        return tuple(map(_arrays, item))
    return np.array(item) if type(item).__module__.startswith("PIL.") else item
