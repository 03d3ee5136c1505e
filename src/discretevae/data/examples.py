"""Observations in memory."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import repeat

import torch
from jaxtyping import Float32, Int64, Shaped
from torch import Generator, Tensor

from .errors import DataError

__all__ = ["Examples", "as_values"]


def as_values(x: Shaped[Tensor, "*any"]) -> Float32[Tensor, "*any"]:
    """Returns stored observations in natural units: levels v as v / 255, floats as they are.

    Example:
        >>> as_values(torch.tensor([0, 51, 255], dtype=torch.uint8))
        tensor([0.0000, 0.2000, 1.0000])
    """
    return x.float().div_(255) if x.dtype == torch.uint8 else x.float()


@dataclass(frozen=True, eq=False)
class Examples:
    """Holds N observations of one shape, and their labels if there are any.

    Arguments:
        x: Observations (N, *shape): uint8 levels, where 255 means 1, or float32.
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
        >>> examples
        <2 examples of shape (2,)>
        >>> examples.values()
        tensor([[0.0000, 1.0000],
                [0.2000, 0.0000]])
    """

    x: Shaped[Tensor, " n *shape"]
    labels: Shaped[Tensor, " _"] | None = None
    context: Shaped[Tensor, " _ *context_shape"] | None = None
    rows: Int64[Tensor, " _"] | None = None

    def __post_init__(self) -> None:
        if self.x.dtype not in (torch.uint8, torch.float32):
            raise DataError(f"`x` must be uint8 or float32, got {self.x.dtype}.")
        if self.x.ndim < 1:
            raise DataError("`x` must have one observation a row, got a single number.")
        self._check_beside()

    def _check_beside(self) -> None:
        if self.context is not None and (
            self.context.dtype != torch.float32 or self.context.shape[:1] != (len(self),)
        ):
            raise DataError(
                f"`context` must be float32 of shape ({len(self)}, …), "
                f"got {self.context.dtype} of shape {tuple(self.context.shape)}."
            )
        if self.labels is None:
            return
        if self.labels.dtype != torch.int64 or self.labels.shape != (len(self),):
            raise DataError(
                f"`labels` must be int64 of shape ({len(self)},), "
                f"got {self.labels.dtype} of shape {tuple(self.labels.shape)}."
            )

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        beside = {"labels": self.labels, "contexts": self.context}
        has = "".join(f", with {name}" for name, values in beside.items() if values is not None)
        return f"<{len(self):,} examples of shape {self.shape}{has}>"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one observation."""
        return tuple(self.x.shape[1:])

    @property
    def device(self) -> torch.device:
        """Where the observations are."""
        return self.x.device

    def in_order(self, size: int) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Iterates over all, `size` at a time: stored observations and their contexts."""
        contexts = repeat(None) if self.context is None else self.context.split(size)
        return zip(self.x.split(size), contexts, strict=False) if len(self) else iter(())

    def shuffled(self, size: int, orders: Generator) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Iterates over all in random order, `size` at a time."""
        x, context = self.x, self.context
        for index in torch.randperm(len(self), generator=orders, device=self.device).split(size):
            if len(index):
                chosen = None if context is None else context.index_select(0, index)
                yield x.index_select(0, index), chosen

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

    def with_context(self, context: Shaped[Tensor, " _ *context_shape"] | None) -> "Examples":
        """Returns the examples with another context, or without."""
        return replace(self, context=context)
