"""What a conditional model is told of each example: its class, or a context of the user's own."""

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from discretevae.names import require_count

from .errors import DataError, unknown_name
from .examples import Examples
from .labels import NOT_KNOWN
from .seeding import generator
from .splits import Splits
from .streams import in_memory

__all__ = ["CONDITIONS", "class_context", "conditioned", "num_classes", "partly_labelled"]

UNKNOWN = -1.0
"""The context of an example whose label is not known."""
LABELLED_SHARE = 0.1
"""What part of the training examples those with a label are made by being repeated."""


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
        train=give(in_memory(splits.train)),
        validation=give(splits.validation),
        test=give(splits.test),
        originals=None if splits.originals is None else give(splits.originals),
    )


def num_classes(splits: Splits) -> int:
    """Counts the classes: those that have names, or those of the training examples.

    Raises:
        DataError: If there are no labels, or one is below −1, which stands for "not known".
    """
    labels = splits.train.labels
    if labels is None:
        raise DataError(f"`condition` labels needs labels, which {splits.name} has not.")
    if int(labels.min()) < NOT_KNOWN:
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
    if labels.ndim != 1 or labels.dtype != torch.int64:
        raise DataError(
            f"{where} must be int64 of one dimension, got {labels.dtype} of shape "
            f"{tuple(labels.shape)}."
        )
    if len(labels) and not (int(labels.min()) >= 0 and int(labels.max()) < classes):
        raise DataError(
            f"{where} must lie in [0, {classes}), the classes of the training examples, got "
            f"values from {int(labels.min())} to {int(labels.max())}."
        )
    require_count("classes", classes)
    return torch.nn.functional.one_hot(labels, classes).float()


def partly_labelled(splits: Splits, labelled: int | None, seed: int = 0) -> Splits:
    """Keeps some labels of the training examples as contexts, and hides all others.

    The same number of each class is drawn by seed, or all that are known are kept. The context
    (N, 1) is the index of the class, or −1 where it is hidden; validation and test examples have
    none. The examples with a label are repeated until they are about a tenth of an epoch.

    Arguments:
        splits: The data, with labels.
        labelled: How many labels are kept, a multiple of the number of classes; none for all that
            are known, where labels of −1 are not.
        seed: Of the draw.

    Raises:
        DataError: If there are no labels, too few of a class, or `labelled` is no multiple.

    Example:
        >>> from discretevae.data import load
        >>> train = partly_labelled(load("digits"), labelled=100).train
        >>> int((train.context >= 0).sum()), len(train)
        (100, 1437)
    """
    classes, labels = num_classes(splits), splits.train.labels
    assert labels is not None
    if labelled is None:
        return _with_labels(splits, (labels >= 0).nonzero()[:, 0])
    each = labelled // classes
    if labelled < classes or labelled % classes:
        raise DataError(
            f"`labelled` must be a multiple of the number of classes, {classes}, got {labelled}."
        )
    order = torch.randperm(len(labels), generator=generator("labelled", seed)).to(labels.device)
    of_class = [order[labels[order] == c] for c in range(classes)]
    fewest = min(range(classes), key=lambda c: len(of_class[c]))
    if len(of_class[fewest]) < each:
        raise DataError(
            f"`labelled` must leave at most {len(of_class[fewest])} labels to each class, as many "
            f"as class {fewest} has training examples, got {each}."
        )
    return _with_labels(splits, torch.cat([rows[:each] for rows in of_class]))


def _with_labels(splits: Splits, kept: Int64[Tensor, " k"]) -> Splits:
    """Gives training examples the labels that are kept, and repeats these."""
    labels = splits.train.labels
    assert labels is not None
    if not len(kept):
        raise DataError(f"labels must be known for some training examples of {splits.name}.")
    context = torch.full((len(labels), 1), UNKNOWN)
    context[kept, 0] = labels[kept].float()
    times = round(LABELLED_SHARE * len(labels) / len(kept))
    rows = torch.cat([torch.arange(len(labels)), kept.repeat(max(0, times - 1))])
    train = in_memory(splits.train).with_context(context).take(rows)
    hidden = (replace(e, context=torch.full((len(e), 1), UNKNOWN)) for e in _others(splits))
    validation, test, originals = hidden
    return replace(splits, train=train, validation=validation, test=test, originals=originals)


def _others(splits: Splits) -> tuple[Examples, Examples, Examples]:
    originals = splits.test if splits.originals is None else splits.originals
    return splits.validation, splits.test, originals


Give = Callable[[Examples], Examples]


def _without(splits: Splits) -> Give:
    return lambda examples: examples.with_context(None)


def _classes(splits: Splits) -> Give:
    classes = num_classes(splits)

    def give(examples: Examples) -> Examples:
        if examples.labels is None:
            raise DataError("`condition` labels needs labels in every part, got some without.")
        if len(examples) and int(examples.labels.min()) == NOT_KNOWN:
            unknown = int((examples.labels == NOT_KNOWN).sum())
            raise DataError(
                f"labels must be at least 0 for `condition` labels, got -1, not known, in "
                f"{unknown:,} rows; leave them out, or use --model semi-supervised."
            )
        return examples.with_context(class_context(examples.labels, classes))

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
