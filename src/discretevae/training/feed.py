"""The batches of a whole run, step by step."""

from collections.abc import Iterator

from torch import Tensor

from discretevae.data import Examples, Stream
from discretevae.data.seeding import generator

__all__ = ["Feed"]


class Feed:
    """Gives batches of one size, pass after pass, from any step of a run on.

    Each pass has an order of its own, a function of the seed and the pass alone; the rows that do
    not fill a batch at its end wait for another pass. To go on where the last batch was costs
    nothing, to begin elsewhere costs the reading of the pass until there.

    Arguments:
        examples: At least as many as a batch has.
        size: Rows of a batch.
        seed: Of the run.

    Example:
        >>> import torch
        >>> feed = Feed(Examples(torch.arange(5.0)[:, None]), size=2)
        >>> [len(batch) for batch in feed.batches(first=0, count=3)]
        [2, 2, 2]
        >>> again = Feed(feed.examples, size=2)
        >>> a, b = next(feed.batches(3, 1)), next(again.batches(3, 1))
        >>> bool((a == b).all())
        True
    """

    def __init__(self, examples: Examples | Stream, size: int, seed: int = 0) -> None:
        self.examples, self.size, self.seed = examples, size, seed
        self.a_pass = len(examples) // size
        self.step = 0
        self._coming: Iterator[tuple[Tensor, Tensor | None]] = iter(())

    def batches(self, first: int, count: int) -> Iterator[Tensor]:
        """Gives `count` batches from the step `first` on."""
        if first != self.step or not first:
            self._begin(first // self.a_pass)
            for _ in range(first % self.a_pass):
                next(self._coming)
            self.step = first
        for _ in range(count):
            if self.step % self.a_pass == 0:
                self._begin(self.step // self.a_pass)
            batch, _ = next(self._coming)
            self.step += 1
            yield batch

    def _begin(self, a_pass: int) -> None:
        orders = generator("order", self.seed, a_pass)
        self._coming = self.examples.shuffled(self.size, orders)
