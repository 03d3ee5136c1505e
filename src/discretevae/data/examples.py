"""Observations in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float32, Int64, Shaped
from torch import Generator, Tensor

from .errors import DataError
from .token_rows import TokenRows, bucketed

__all__ = ["Examples", "as_values"]


def as_values(x: Shaped[Tensor, "*any"] | TokenRows) -> Float32[Tensor, "*any"]:
    """Returns stored observations in natural units: levels v as v / 255, floats as they are.

    Example:
        >>> as_values(torch.tensor([0, 51, 255], dtype=torch.uint8))
        tensor([0.0000, 0.2000, 1.0000])
    """
    if isinstance(x, TokenRows) or x.dtype != torch.uint8:
        return x.float()
    return x.float().div_(255)


@dataclass(frozen=True, eq=False)
class Examples:
    """Holds N observations of one shape, and their labels if there are any.

    Arguments:
        x: Observations (N, *shape): uint8 levels, where 255 means 1, or float32; of sentences
            their tokens.
        labels: One class index each (N,), int64.
        context: What p(x|c) depends on, one each (N, *context_shape), float32; for a model with
            a condition.
        rows: Where each stands in its source, int64, where that is known.

    Raises:
        DataError: If a type is another, or `x` and `labels` or `context` differ in length.

    Example:
        >>> examples = Examples(torch.tensor([[0, 255], [51, 0]], dtype=torch.uint8))
        >>> len(examples), examples.shape
        (2, (2,))
        >>> examples.values()
        tensor([[0.0000, 1.0000],
                [0.2000, 0.0000]])
    """

    x: Shaped[Tensor, " n *shape"] | TokenRows
    labels: Shaped[Tensor, " _"] | None = None
    context: Shaped[Tensor, " _ *context_shape"] | None = None
    rows: Int64[Tensor, " _"] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.x, Tensor):
            _require_values(self.x)
        if self.context is not None and (
            self.context.dtype != torch.float32 or self.context.shape[:1] != self.x.shape[:1]
        ):
            raise DataError(
                f"`context` must be float32 of shape ({len(self)}, …), "
                f"got {self.context.dtype} of shape {tuple(self.context.shape)}."
            )
        if self.labels is None:
            return
        if self.labels.dtype != torch.int64 or self.labels.shape != self.x.shape[:1]:
            raise DataError(
                f"`labels` must be int64 of shape ({len(self)},), "
                f"got {self.labels.dtype} of shape {tuple(self.labels.shape)}."
            )

    def __len__(self) -> int:
        return len(self.x)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one observation."""
        return tuple(self.x.shape[1:])

    @property
    def device(self) -> torch.device:
        """Where the observations are."""
        return self.x.device

    def in_order(self, size: int) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Iterates over all, `size` at a time: stored observations and their contexts.

        Sentences are padded to the longest of a batch.
        """
        for start in range(0, len(self), size):
            part = slice(start, start + size)
            yield self._stored(part), None if self.context is None else self.context[part]

    def shuffled(self, size: int, orders: Generator) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Iterates over all in random order, `size` at a time; alike long sentences together."""
        for index in self._batches(size, orders):
            if len(index):
                chosen = None if self.context is None else self.context.index_select(0, index)
                yield self._stored(index), chosen

    def _batches(self, size: int, orders: Generator) -> Sequence[Tensor]:
        if isinstance(self.x, TokenRows):
            return bucketed(self.x.lengths, size, orders)
        return torch.randperm(len(self), generator=orders, device=self.device).split(size)

    def _stored(self, index: Tensor | slice) -> Tensor:
        if isinstance(self.x, TokenRows):
            return self.x[index].padded()
        return self.x[index] if isinstance(index, slice) else self.x.index_select(0, index)

    def values(
        self, index: Int64[Tensor, " n"] | slice | None = None
    ) -> Float32[Tensor, " n *shape"]:
        """Returns observations in natural units, (n, *shape)."""
        return as_values(self.x if index is None else self.x[index])

    def take(self, index: Int64[Tensor, " n"] | slice) -> "Examples":
        """Returns the examples at these positions."""
        labels = None if self.labels is None else self.labels[index]
        context = None if self.context is None else self.context[index]
        rows = None if self.rows is None else self.rows[index]
        return replace(self, x=self.x[index], labels=labels, context=context, rows=rows)

    def to(self, device: torch.device | str | None) -> "Examples":
        """Returns the examples on another device; without a copy if they are there already."""
        labels = None if self.labels is None else self.labels.to(device)
        context = None if self.context is None else self.context.to(device)
        return replace(self, x=self.x.to(device), labels=labels, context=context)


def _require_values(x: Tensor) -> None:
    if x.dtype not in (torch.uint8, torch.float32):
        raise DataError(f"`x` must be uint8 or float32, got {x.dtype}.")
    if x.ndim < 1:
        raise DataError("`x` must have one observation a row, got a single number.")
