"""What a conditional model is told of each example: its class, or a context of the user's own."""

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from .errors import DataError, unknown_name
from .examples import Examples
from .splits import Splits

__all__ = ["CONDITIONS", "class_context", "conditioned", "num_classes"]


def conditioned(splits: Splits, condition: str) -> Splits:
    """Gives every part the contexts that a condition asks for, or takes them away.

    Arguments:
        splits: The data.
        condition: A name in `CONDITIONS`.

    Raises:
        DataError: If the name is unknown, or the data lack what the condition needs.

    Example:
        >>> from discretevae.data import load
        >>> conditioned(load("digits"), "labels").train.context.shape
        torch.Size([1437, 10])
    """
    if condition not in CONDITIONS:
        raise unknown_name("condition", condition, CONDITIONS)
    give = CONDITIONS[condition](splits)
    return replace(
        splits,
        train=give(splits.train),
        validation=give(splits.validation),
        test=give(splits.test),
        originals=None if splits.originals is None else give(splits.originals),
    )


def num_classes(splits: Splits) -> int:
    """Counts the classes: those that have names, or those of the training examples.

    Raises:
        DataError: If there are no labels, or one is negative.
    """
    labels = splits.train.labels
    if labels is None:
        raise DataError(f"`condition` labels needs labels, which {splits.name} has not.")
    if int(labels.min()) < 0:
        raise DataError(f"labels must be at least 0, got {int(labels.min())} in {splits.name}.")
    return int(labels.max()) + 1 if splits.classes is None else len(splits.classes)


def class_context(
    labels: Int64[Tensor, " n"], classes: int, where: str = "labels"
) -> Float32[Tensor, "n C"]:
    """Makes one-hot rows of class indices.

    Raises:
        DataError: If an index lies outside [0, C): a class that training has not seen.

    Example:
        >>> class_context(torch.tensor([1, 0]), 3)
        tensor([[0., 1., 0.],
                [1., 0., 0.]])
    """
    if len(labels) and not (int(labels.min()) >= 0 and int(labels.max()) < classes):
        raise DataError(
            f"{where} must lie in [0, {classes}), the classes of the training examples, got "
            f"values from {int(labels.min())} to {int(labels.max())}."
        )
    return torch.nn.functional.one_hot(labels, classes).float()


Give = Callable[[Examples], Examples]


def _without(splits: Splits) -> Give:
    return lambda examples: replace(examples, context=None)


def _classes(splits: Splits) -> Give:
    classes = num_classes(splits)

    def give(examples: Examples) -> Examples:
        if examples.labels is None:
            raise DataError("`condition` labels needs labels in every part, got some without.")
        return replace(examples, context=class_context(examples.labels, classes))

    return give


def _own(splits: Splits) -> Give:
    expected = None if splits.train.context is None else splits.train.context.shape[1:]

    def give(examples: Examples) -> Examples:
        found = None if examples.context is None else examples.context.shape[1:]
        if expected is None or found != expected:
            raise DataError(
                "`condition` context needs an array `context` beside `x` in a .npz file, of one "
                f"shape for all, which {splits.name} has not."
            )
        return examples

    return give


CONDITIONS: dict[str, Callable[[Splits], Give]] = {
    "none": _without,
    "labels": _classes,
    "context": _own,
}
"""Name → what is given to the examples of each part."""
