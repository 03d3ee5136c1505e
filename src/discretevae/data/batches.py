"""One pass over examples."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from .binarize import Binarizer
from .errors import DataError
from .examples import Examples
from .seeding import generator
from .streams import Stream

__all__ = ["Batch", "Batches", "as_batch", "share_of"]


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


def share_of(rows: int, process: int, processes: int) -> tuple[int, int]:
    """Gives the first of the rows that a process takes, and the first that it does not.

    Raises:
        DataError: If a number is out of range.

    Example:
        >>> [share_of(7, process, 3) for process in range(3)]
        [(0, 2), (2, 4), (4, 7)]
    """
    if rows < 0 or not 0 <= process < processes:
        raise DataError(
            "`process` must be one of `processes`, and `rows` at least 0, "
            f"got {process} of {processes} and {rows}."
        )
    return process * rows // processes, (process + 1) * rows // processes


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
        share: (i, n): of n processes that have the same batches, the i-th, which takes its rows
            as `share_of` has it; a row of another's where it has none.

    Raises:
        DataError: If `batch_size` is less than 1.

    Example:
        >>> from discretevae.data import BINARIZERS
        >>> grey = Examples(torch.full((5, 3), 0.5))
        >>> batches = Batches(grey, batch_size=2, binarizer=BINARIZERS["fresh"], epoch=7)
        >>> [tuple(x.shape) for x in batches]
        [(2, 3), (2, 3), (1, 3)]
    """

    examples: Examples | Stream
    batch_size: int
    binarizer: Binarizer
    seed: int = 0
    epoch: int = 0
    shuffle: bool = True
    device: torch.device | str | None = None
    share: tuple[int, int] = (0, 1)

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise DataError(f"`batch_size` must be at least 1, got {self.batch_size}.")

    def __len__(self) -> int:
        return -(-len(self.examples) // self.batch_size)

    def __iter__(self) -> Iterator[Tensor | Batch]:
        examples = self.examples if self.device is None else self.examples.to(self.device)
        draws = generator("draws", self.seed, self.epoch, device=examples.device)
        for x, context in self._parts(examples):
            x = self.binarizer.draw(x, draws)
            first, end = share_of(len(x), *self.share)
            mine = slice(first, max(end, first + 1))
            yield x[mine] if context is None else Batch(x[mine], context[mine])

    def _parts(self, examples: Examples | Stream) -> Iterator[tuple[Tensor, Tensor | None]]:
        if not self.shuffle:
            return examples.in_order(self.batch_size)
        orders = generator("order", self.seed, self.epoch, device=examples.device)
        return examples.shuffled(self.batch_size, orders)
