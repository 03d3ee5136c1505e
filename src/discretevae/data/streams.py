"""Training examples that stay on disk."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Generator, Tensor

from .binarize import BINARIZERS, Binarizer
from .blocks import Blocks
from .errors import DataError
from .examples import Examples
from .seeding import generator

__all__ = ["WINDOW", "Stream", "in_memory"]

WINDOW = 2**26
"""Bytes, about, that are shuffled together; at most four times as many are in memory."""


@dataclass(frozen=True, eq=False)
class Stream:
    """Training examples of which a window at a time is in memory.

    An epoch goes through the parts of a file (row groups of Parquet, some MiB of a `.npy` file)
    in random order; as many as fill a window are shuffled together, while the next are read.
    Order and draws are a pure function of the seed and the epoch. In memory are at most four
    windows, and one part where a part is larger than a window.

    Arguments:
        blocks: Where the rows are, in parts that can be read by themselves.
        held_out: The rows that are left out, in order.
        first: Some of the training examples, to be looked at.
        binarizer: Its `prepare` is applied to each part.
        seed: Of that.
        window: Bytes of a window.
        device: Where batches are.

    Example:
        >>> rows = np.arange(20, dtype=np.float32).reshape(10, 2)
        >>> first = Examples(torch.ones(1, 2))
        >>> stream = Stream(Blocks.of(rows), held_out=np.array([3]), first=first)
        >>> len(stream), [len(x) for x, _ in stream.shuffled(4, torch.Generator())]
        (9, [4, 4, 1])
    """

    blocks: Blocks
    held_out: np.ndarray
    first: Examples
    binarizer: Binarizer = BINARIZERS["none"]
    seed: int = 0
    window: int = WINDOW
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    labels = None
    context = None

    def __len__(self) -> int:
        return self.blocks.count - len(self.held_out)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one observation."""
        return self.blocks.shape

    def values(self, index: slice | None = None) -> Tensor:
        """Returns the first observations in natural units, (n, *shape)."""
        return self.first.values(index)

    def take(self, index: slice) -> Examples:
        """Returns some of the examples that are in memory."""
        return self.first.take(index)

    def to(self, device: torch.device | str | None) -> "Stream":
        """Returns the same stream of batches on another device."""
        return replace(self, first=self.first.to(device), device=torch.device(device or "cpu"))

    def in_order(self, size: int) -> Iterator[tuple[Tensor, None]]:
        """Iterates over all examples, `size` at most at a time, as they follow in the file."""
        for part in range(len(self.blocks.parts)):
            for x in self._window([(part, self._rows(part))]).split(size):
                yield x, None

    def shuffled(self, size: int, orders: Generator) -> Iterator[tuple[Tensor, None]]:
        """Iterates over one epoch in random order, `size` examples at a time.

        Raises:
            DataError: If the file is damaged, or changes while it is read.
        """
        # What is drawn before anything is read does not depend on when it is read.
        windows = list(self._windows(orders))
        left = torch.empty(0, *self.shape, device=self.device)
        with ThreadPoolExecutor(1) as reader:
            coming = reader.submit(self._read, windows[0])
            for following in [*windows[1:], None]:
                rows = coming.result()
                if following is not None:
                    coming = reader.submit(self._read, following)
                x = self._window(rows)
                del rows
                order = torch.randperm(len(x), generator=orders, device=orders.device)
                order, used = order.to(x.device), 0
                if len(left):
                    used = min(size - len(left), len(x))
                    left = torch.cat([left, x.index_select(0, order[:used])])
                    if len(left) < size and following is not None:
                        continue
                    yield left, None
                whole = len(x) if following is None else len(x) - (len(x) - used) % size
                for index in order[used:whole].split(size):
                    if len(index):
                        yield x.index_select(0, index), None
                left = x.index_select(0, order[whole:])

    def prepared(self, binarizer: Binarizer, seed: int) -> "Stream":
        """Makes parts binary as they are read; draws made once are the same in every epoch."""
        first = binarizer.prepare(self.first, generator("binarize", "first", seed))
        return replace(self, binarizer=binarizer, seed=seed, first=first)

    def _windows(self, orders: Generator) -> Iterator[list[int]]:
        """Parts in random order, as many together as fill a window."""
        parts, bytes_a_row = self.blocks.parts, _bytes_a_row(self.blocks)
        window: list[int] = []
        filled = 0
        for part in torch.randperm(len(parts), generator=orders, device=orders.device).tolist():
            more = parts[part] * bytes_a_row
            if window and filled + more > self.window:
                yield window
                window, filled = [], 0
            window.append(part)
            filled += more
        yield window

    def _read(self, parts: list[int]) -> list[tuple[int, Tensor]]:
        # In NumPy alone: PyTorch would start a second team of threads for this one, and the two
        # would slow each other down.
        return [(part, self._rows(part)) for part in parts]

    def _rows(self, part: int) -> Tensor:
        start = sum(self.blocks.parts[:part])
        x = self.blocks.part(part).x
        low, high = np.searchsorted(self.held_out, [start, start + len(x)])
        if high == low:
            return x
        return torch.from_numpy(np.delete(x.numpy(), self.held_out[low:high] - start, axis=0))

    def _window(self, rows: list[tuple[int, Tensor]]) -> Tensor:
        """Joins parts, as they are stored for training."""
        draws = (generator("binarize", "train", self.seed, part) for part, _ in rows)
        parts = [
            self.binarizer.prepare(Examples(x), g).x for (_, x), g in zip(rows, draws, strict=True)
        ]
        return torch.cat(parts).to(self.device)


def in_memory(examples: Examples | Stream) -> Examples:
    """Refuses a stream where all examples are needed.

    Raises:
        DataError: If the examples are on disk.

    Example:
        >>> len(in_memory(Examples(torch.zeros(3, 2))))
        3
    """
    if isinstance(examples, Stream):
        raise DataError("examples must be in memory here, got some that stay on disk.")
    return examples


def _bytes_a_row(blocks: Blocks) -> int:
    """Of a row as examples hold it: a byte or four a value."""
    values = int(np.prod(blocks.shape))
    stay = blocks.dtype in (np.uint8, np.bool_) and blocks.meaning is None
    return values if stay else 4 * values
