"""Training, validation and test sets."""

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from .binarize import BINARIZERS, Binarizer
from .blocks import Blocks
from .errors import DataError
from .examples import Examples
from .keys import Keys
from .schema import Schema
from .seeding import generator
from .streams import Stream

__all__ = ["Splits", "part_rows", "split", "stream_split"]

HELD_OUT = 10_000
"""The most examples to validate on, and the most to test on, where a file stays on disk."""
FIRST = 5_000
"""Training examples of it, taken at random, that are in memory as well, to be measured."""


@dataclass(frozen=True, eq=False)
class Splits:
    """Holds the three parts of a data set, and how its batches become binary.

    Arguments:
        name: What the data set is called in tables and reports.
        train: Examples to fit, as the binarizer's `prepare` left them; in memory or on disk.
        validation: Examples to decide when to stop; may be empty.
        test: Examples to report; may be empty.
        classes: The name of each label, where labels have names.
        binarizer: Its `draw` turns stored examples into a batch.
        originals: The test examples as they were before they became binary, to be looked at.
        likelihood: What describes the likelihood, where the data leave no choice: of the tokens
            of sentences, of the columns of a table.
        note: What was left out or cut in reading.
        schema: What the source means; none where version 0.1.0 has read it.
        keys: What belongs to each row of the source; `rows` of the examples points into it.
    """

    name: str
    train: Examples | Stream
    validation: Examples
    test: Examples
    classes: tuple[str, ...] | None = None
    binarizer: Binarizer = BINARIZERS["none"]
    originals: Examples | None = None
    likelihood: dict[str, Any] | None = None
    note: str = ""
    schema: Schema | None = None
    keys: Keys | None = None

    @property
    def log_volume(self) -> float:
        """What log p(x) in the units of the source has beside that of x as it is here, in nats."""
        return 0.0 if self.schema is None else self.schema.log_volume

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one observation."""
        return self.train.shape

    def __repr__(self) -> str:
        sizes = f"{len(self.train):,} training, {len(self.validation):,} validation"
        return f"<{self.name}: {sizes} and {len(self.test):,} test examples of shape {self.shape}>"


def split(
    examples: Examples,
    *,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
    name: str = "data",
    classes: tuple[str, ...] | None = None,
) -> Splits:
    """Parts examples at random into three disjoint sets that together are all of them.

    Arguments:
        examples: At least one for each part that is asked for.
        validation: The fraction in [0, 1) to validate on, rounded to whole examples.
        test: The fraction in [0, 1) to test on, rounded to whole examples.
        seed: Which of the random splits; the same seed gives the same split.
        name: What the data set is called.
        classes: The name of each label.

    Raises:
        DataError: If a fraction is outside [0, 1), or a part that is asked for gets no example.

    Example:
        >>> parts = split(Examples(torch.arange(10.0).reshape(10, 1)), validation=0.2, test=0.3)
        >>> len(parts.train), len(parts.validation), len(parts.test)
        (5, 2, 3)
    """
    sizes = _sizes(len(examples), validation, test)
    order = torch.randperm(len(examples), generator=generator("split", seed)).to(examples.x.device)
    train, valid, held_out = (examples.take(index) for index in order.split(sizes))
    return Splits(name, train, valid, held_out, classes)


def part_rows(
    count: int, parts: np.ndarray | None, validation: float, test: float, seed: int
) -> list[np.ndarray]:
    """Gives the rows to train, to validate and to test on, in random order.

    Arguments:
        count: How many rows there are.
        parts: Which part each row belongs to, where the source says so: 0, 1 or 2. A part that
            it lacks is drawn from those to train on.
        validation: The fraction in [0, 1) to validate on.
        test: The fraction in [0, 1) to test on.
        seed: Which of the random splits.

    Raises:
        DataError: If a fraction is outside [0, 1), or a part that is asked for gets no row.

    Example:
        >>> parts = np.array([0, 0, 0, 0, 2])
        >>> [len(rows) for rows in part_rows(5, parts, 0.25, 0.5, seed=1)]
        [3, 1, 1]
    """
    order = torch.randperm(count, generator=generator("split", seed)).numpy()
    if parts is None:
        sizes = np.cumsum(_sizes(count, validation, test))
        return np.split(order, sizes[:2])
    of_part = [order[parts[order] == part] for part in range(3)]
    asked = [fraction if not len(of_part[i]) else 0.0
             for i, fraction in ((1, validation), (2, test))]  # fmt: skip
    sizes = np.cumsum(_sizes(len(of_part[0]), *asked))
    train, *drawn = np.split(of_part[0], sizes[:2])
    return [train, *(np.concatenate(pair) for pair in zip(of_part[1:], drawn, strict=True))]


def stream_split(
    blocks: Blocks, *, validation: float = 0.1, test: float = 0.1, seed: int = 0, name: str = "data"
) -> Splits:
    """Parts rows at random; those to train on stay where they are.

    The fractions are of all rows, but at most 10,000 examples each. All rows are read once, so
    that a value that is no finite number shows before training.

    Arguments:
        blocks: Rows in parts that can be read by themselves.
        validation: The fraction in [0, 1) to validate on.
        test: The fraction in (0, 1) to test on.
        seed: Which of the random splits.
        name: What the data set is called.

    Raises:
        DataError: If the rows cannot be read by parts, a fraction is out of range, or a part that
            is asked for gets no example.

    Example:
        >>> splits = stream_split(Blocks.of(np.ones((50, 3))), validation=0.2)
        >>> len(splits.train), len(splits.validation), len(splits.test)
        (35, 10, 5)
    """
    if not blocks.parts:
        raise DataError(
            f"{blocks.where} must be a .npy or .parquet file or a folder of images, of which parts "
            "can be read by themselves, for examples that stay on disk."
        )
    if test == 0:
        raise DataError("`test` must be above 0 for examples that stay on disk, got 0.")
    sizes = [min(size, HELD_OUT) for size in _sizes(blocks.count, validation, test)[1:]]
    chosen = _chosen(blocks.count, sum(sizes) + FIRST, seed)
    held_out, first = chosen[: sum(sizes)], np.sort(chosen[sum(sizes) :])
    wanted = np.sort(chosen)
    found, start = [], 0
    for part in range(len(blocks.parts)):
        examples = blocks.part(part)
        low, high = np.searchsorted(wanted, [start, start + len(examples)])
        found.append(examples.take(torch.from_numpy(wanted[low:high] - start)))
        start += len(examples)
    rows = Examples(torch.cat([examples.x for examples in found]))

    def at(index: np.ndarray) -> Examples:
        return rows.take(torch.from_numpy(np.searchsorted(wanted, index)))

    train = Stream(blocks, np.sort(held_out), at(first))
    return Splits(name, train, at(held_out[: sizes[0]]), at(held_out[sizes[0] :]))


def _sizes(n: int, validation: float, test: float) -> list[int]:
    """Gives how many of n examples to train, to validate and to test on."""
    for argument, fraction in (("validation", validation), ("test", test)):
        if not 0 <= fraction < 1:
            raise DataError(f"`{argument}` must be a fraction in [0, 1), got {fraction}.")
    held_out = [round(n * validation), round(n * test)]
    sizes = [n - sum(held_out), *held_out]
    wanted = [True, validation > 0, test > 0]
    if any(size < wish for size, wish in zip(sizes, wanted, strict=True)):
        raise DataError(
            f"too few examples to split: {n} with `validation`={validation} and `test`={test} "
            f"leave {sizes[0]} to train, {sizes[1]} to validate and {sizes[2]} to test on."
        )
    return sizes


def _chosen(count: int, most: int, seed: int) -> np.ndarray:
    """Draws different rows, in random order, in memory that does not grow with `count`."""
    stream = generator("split", seed)
    draw = random.Random(int(torch.randint(2**62, (), generator=stream)))
    return np.array(draw.sample(range(count), min(most, count)), dtype=np.int64)
