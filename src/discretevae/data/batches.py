"""One pass over examples in memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from .binarize import Binarizer
from .errors import DataError
from .examples import Examples
from .seeding import generator

__all__ = ["Batch", "Batches", "as_batch"]


class Batch(NamedTuple):
    """Observations (n, *shape) and, for a model with a condition, their contexts."""

    x: Tensor
    context: Tensor | None = None


def as_batch(batch: Tensor | tuple[Tensor, Tensor | None]) -> Batch:
    """Takes observations alone for a batch without contexts.

    Example:
        >>> as_batch(torch.zeros(2, 3)).context is None
        True
    """
    return Batch(batch) if isinstance(batch, Tensor) else Batch(*batch)


@dataclass(frozen=True, eq=False)
class Batches:
    """Iterates over one epoch: float32 batches (n, *shape), drawn without replacement.

    Where the examples have a context, it comes along as the second part of a :class:`Batch`.

    Order and draws are a pure function of `seed` and `epoch` on each kind of device, so
    iterating again, or in a resumed run, gives the same batches bit for bit. The last batch
    is smaller where `batch_size` does not divide the number of examples.

    Arguments:
        examples: What to go through, as the binarizer's `prepare` left it.
        batch_size: Examples a batch, at least 1.
        binarizer: Its `draw` makes each batch.
        seed: The seed of the run.
        epoch: Which pass this is.
        shuffle: Whether the order is random; else it is that of `examples`.
        device: Where batches are made; examples elsewhere are copied there once an epoch.

    Raises:
        DataError: If `batch_size` is less than 1.

    Example:
        >>> from discretevae.data import BINARIZERS
        >>> grey = Examples(torch.full((5, 3), 0.5))
        >>> batches = Batches(grey, batch_size=2, binarizer=BINARIZERS["fresh"], epoch=7)
        >>> [tuple(x.shape) for x in batches]
        [(2, 3), (2, 3), (1, 3)]
    """

    examples: Examples
    batch_size: int
    binarizer: Binarizer
    seed: int = 0
    epoch: int = 0
    shuffle: bool = True
    device: torch.device | str | None = None

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise DataError(f"`batch_size` must be at least 1, got {self.batch_size}.")

    def __len__(self) -> int:
        return -(-len(self.examples) // self.batch_size)

    def __iter__(self) -> Iterator[Tensor | Batch]:
        examples = self.examples if self.device is None else self.examples.to(self.device)
        x, context = examples.x, examples.context
        if not len(x):
            return
        draws = generator("draws", self.seed, self.epoch, device=x.device)
        if context is None:
            for batch in self._parts(x):
                yield self.binarizer.draw(batch, draws)
            return
        for batch, c in zip(self._parts(x), self._parts(context), strict=True):
            yield Batch(self.binarizer.draw(batch, draws), c)

    def _parts(self, x: Tensor) -> Iterator[Tensor]:
        if not self.shuffle:
            return iter(x.split(self.batch_size))
        return (x.index_select(0, index) for index in self._order(x).split(self.batch_size))

    def _order(self, x: Tensor) -> Tensor:
        orders: Generator = generator("order", self.seed, self.epoch, device=x.device)
        return torch.randperm(len(x), generator=orders, device=x.device)
