"""Training, validation and test sets."""

from dataclasses import dataclass
from typing import Any

import torch

from .binarize import BINARIZERS, Binarizer
from .errors import DataError
from .examples import Examples
from .seeding import generator

__all__ = ["Splits", "split"]


@dataclass(frozen=True, eq=False)
class Splits:
    """Holds the three parts of a data set, and how its batches become binary.

    Arguments:
        name: What the data set is called in tables and reports.
        train: Examples to fit, as the binarizer's `prepare` left them.
        validation: Examples to decide when to stop; may be empty.
        test: Examples to report; may be empty.
        classes: The name of each label, where labels have names.
        binarizer: Its `draw` turns stored examples into a batch.
        originals: The test examples as they were before they became binary, to be looked at.
        likelihood: What describes the likelihood, where the data leave no choice: of the tokens
            of sentences, of the columns of a table.
        note: What was left out or cut in reading.
    """

    name: str
    train: Examples
    validation: Examples
    test: Examples
    classes: tuple[str, ...] | None = None
    binarizer: Binarizer = BINARIZERS["none"]
    originals: Examples | None = None
    likelihood: dict[str, Any] | None = None
    note: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one observation."""
        return self.train.shape


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


def _sizes(n: int, validation: float, test: float) -> list[int]:
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
