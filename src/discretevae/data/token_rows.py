"""Sentences in memory: their tokens alone, without the padding."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import torch
from jaxtyping import Float32, Int64, Shaped
from torch import Generator, Tensor

from .examples import Examples

__all__ = ["POOL", "SentenceExamples", "TokenRows", "bucketed"]

POOL = 8
"""Batches whose sentences are sorted together; 50 would be hardly faster, and learn slower."""


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
        >>> rows.tokens.dtype, rows[1:].padded().tolist()
        (torch.uint8, [[1.0]])
        >>> rows.padded(rows.width)
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
        stored, first, counts = map(torch.from_numpy, arrays)
        return cls(stored, first, counts, width)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: Int64[Tensor, " n"] | slice) -> "TokenRows":
        """Gives some of them; tokens are shared, not copied."""
        return replace(self, starts=self.starts[index], lengths=self.lengths[index])

    def to(self, device: torch.device | str | None) -> "TokenRows":
        """Returns the same on another device."""
        tokens, starts, lengths = (t.to(device) for t in (self.tokens, self.starts, self.lengths))
        return TokenRows(tokens, starts, lengths, self.width)

    def padded(self, width: int | None = None) -> Float32[Tensor, "N n"]:
        """Writes them as rows, by default as wide as the longest of them."""
        if width is None:
            width = int(self.lengths.max()) if len(self) else 1
        place = torch.arange(width, device=self.tokens.device)
        inside = place < self.lengths[:, None]
        x = torch.zeros(len(self), width, device=self.tokens.device)
        x[inside] = self.tokens[(self.starts[:, None] + place)[inside]].float()
        return x


class SentenceExamples(Examples):
    """Examples that are sentences: their tokens are in memory, padding comes with each batch.

    Batches are padded to the longest sentence in them. In random order, about equally long
    sentences come together, as `bucketed` has it.

    Arguments:
        tokens: Of the sentences.
        labels: As `Examples` has them.
        context: As `Examples` has it.
        rows: As `Examples` has them.

    Example:
        >>> examples = SentenceExamples(TokenRows.of([[4, 3, 1], [1]], width=5))
        >>> examples.shape, [x.tolist() for x, _ in examples.in_order(1)]
        ((5,), [[[4.0, 3.0, 1.0]], [[1.0]]])
    """

    tokens: TokenRows

    def __init__(
        self,
        tokens: TokenRows,
        labels: Tensor | None = None,
        context: Tensor | None = None,
        rows: Tensor | None = None,
    ) -> None:
        object.__setattr__(self, "tokens", tokens)
        for name, value in (("labels", labels), ("context", context), ("rows", rows)):
            object.__setattr__(self, name, value)
        self._check_beside()

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def x(self) -> Float32[Tensor, "N T"]:
        """All of them as rows of T, which are made anew each time."""
        return self.tokens.padded(self.tokens.width)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.tokens.width,)

    @property
    def device(self) -> torch.device:
        return self.tokens.tokens.device

    def in_order(self, size: int) -> Iterator[tuple[Tensor, Tensor | None]]:
        for start in range(0, len(self), size):
            yield self._batch(slice(start, start + size))

    def shuffled(self, size: int, orders: Generator) -> Iterator[tuple[Tensor, Tensor | None]]:
        return map(self._batch, bucketed(self.tokens.lengths, size, orders))

    def _batch(self, index: Tensor | slice) -> tuple[Tensor, Tensor | None]:
        return self.tokens[index].padded(), None if self.context is None else self.context[index]

    def values(self, index: Tensor | slice | None = None) -> Tensor:
        tokens = self.tokens if index is None else self.tokens[index]
        return tokens.padded(tokens.width)

    def take(self, index: Tensor | slice) -> "SentenceExamples":
        labels, context, rows = (
            None if beside is None else beside[index]
            for beside in (self.labels, self.context, self.rows)
        )
        return SentenceExamples(self.tokens[index], labels, context, rows)

    def to(self, device: torch.device | str | None) -> "SentenceExamples":
        labels, context = (
            None if beside is None else beside.to(device) for beside in (self.labels, self.context)
        )
        return SentenceExamples(self.tokens.to(device), labels, context, self.rows)

    def with_context(self, context: Tensor | None) -> "SentenceExamples":
        return SentenceExamples(self.tokens, self.labels, context, self.rows)


def bucketed(
    lengths: Int64[Tensor, " N"], size: int, orders: Generator
) -> list[Int64[Tensor, " n"]]:
    """Shuffles sentences into batches of about equally long ones.

    At random into pools of a few batches, by length within a pool, and the batches at random again:
    which sentences meet is left to chance but for their length. A smaller batch is the last, and
    one at random.

    Example:
        >>> batches = bucketed(torch.tensor([9, 2, 9, 2]), 2, torch.Generator().manual_seed(0))
        >>> sorted(map(sorted, (batch.tolist() for batch in batches)))
        [[0, 2], [1, 3]]
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
