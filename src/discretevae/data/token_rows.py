"""Sentences in memory: their tokens alone, without the padding."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import torch
from jaxtyping import Float32, Int64, Shaped
from torch import Generator, Tensor

__all__ = ["POOL", "TokenRows", "bucketed"]

POOL = 50
"""Batches whose sentences are sorted together by their length."""


@dataclass(frozen=True, eq=False)
class TokenRows:
    """Holds observations (N, T) of token ids, each with an end; padding takes no memory.

    Arguments:
        tokens: Of all sentences, one after the other, in as few bytes as hold the ids.
        starts: Where each sentence begins.
        lengths: How many tokens each has, its end counted.
        width: T.

    Example:
        >>> rows = TokenRows.of([[4, 3, 1], [1]], width=5)
        >>> rows.shape, rows.tokens.dtype, rows[1:].padded().tolist()
        ((2, 5), torch.uint8, [[1]])
        >>> rows.float()
        tensor([[4., 3., 1., 0., 0.],
                [1., 0., 0., 0., 0.]])
    """

    tokens: Shaped[Tensor, " tokens"]
    starts: Int64[Tensor, " N"]
    lengths: Int64[Tensor, " N"]
    width: int

    @classmethod
    def of(cls, rows: Iterable[Sequence[int]], width: int) -> "TokenRows":
        """Takes the ids of each sentence, which are no more than `width`."""
        rows = list(rows)
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        tokens = np.fromiter(chain.from_iterable(rows), np.int32, int(lengths.sum()))
        most = int(tokens.max(initial=0))
        kind = next(t for t in (np.uint8, np.int16, np.int32) if most <= np.iinfo(t).max)
        starts = np.cumsum(lengths) - lengths
        arrays = (tokens.astype(kind), starts, lengths)
        return cls(*map(torch.from_numpy, arrays), width=width)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: Int64[Tensor, " n"] | slice) -> "TokenRows":
        """Gives some of them; tokens are shared, not copied."""
        return replace(self, starts=self.starts[index], lengths=self.lengths[index])

    @property
    def shape(self) -> tuple[int, int]:
        """(N, T)."""
        return len(self), self.width

    @property
    def device(self) -> torch.device:
        """Where the tokens are."""
        return self.tokens.device

    def to(self, device: torch.device | str | None) -> "TokenRows":
        """Returns the same on another device."""
        moved = (t.to(device) for t in (self.tokens, self.starts, self.lengths))
        return TokenRows(*moved, width=self.width)

    def padded(self, width: int | None = None) -> Float32[Tensor, "N n"]:
        """Writes them as rows, by default as wide as the longest of them."""
        if width is None:
            width = int(self.lengths.max()) if len(self) else 1
        place = torch.arange(width, device=self.device)
        inside = place < self.lengths[:, None]
        x = torch.zeros(len(self), width, device=self.device)
        x[inside] = self.tokens[(self.starts[:, None] + place)[inside]].float()
        return x

    def float(self) -> Float32[Tensor, "N T"]:
        """Writes them as rows of T."""
        return self.padded(self.width)


def bucketed(
    lengths: Int64[Tensor, " N"], size: int, orders: Generator
) -> list[Int64[Tensor, " n"]]:
    """Shuffles sentences into batches of about equally long ones.

    At random into pools of 50 batches, by length within a pool, and the batches at random again:
    which sentences meet is left to chance but for their length. A smaller batch is the last, and
    one at random.

    Example:
        >>> batches = bucketed(torch.tensor([9, 2, 9, 2, 5]), 2, torch.Generator().manual_seed(0))
        >>> sorted(map(sorted, (batch.tolist() for batch in batches)))
        [[0, 2], [1, 3], [4]]
    """
    order = torch.randperm(len(lengths), generator=orders, device=orders.device)
    order = order.to(lengths.device)
    whole = len(order) - len(order) % size
    pools = order[:whole].split(POOL * size)
    batches = [
        batch
        for pool in pools
        if len(pool)
        for batch in pool[lengths[pool].argsort(stable=True)].split(size)
    ]
    shuffled = torch.randperm(len(batches), generator=orders, device=orders.device).tolist()
    rest = [order[whole:]] if whole < len(order) else []
    return [batches[i] for i in shuffled] + rest
