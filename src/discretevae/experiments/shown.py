"""Examples to look at, and conditions to sample under."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from discretevae.data import (
    Examples,
    Keys,
    Schema,
    Splits,
    class_context,
    generator,
    num_classes,
)
from discretevae.data.formats.numpy_files import read_array
from discretevae.experiments.build_data import (
    binarizer_of,
    is_named,
    load_again,
    load_data,
    loaded_alike,
)
from discretevae.experiments.recipe import Recipe
from discretevae.models import VAE
from discretevae.names import shorten
from discretevae.texts import note

__all__ = [
    "Contexts",
    "Shown",
    "contexts_for",
    "contexts_of",
    "shown",
    "shown_for",
]

CONTEXTS = 8
"""Contexts that are shown where they are no classes."""


class Shown(NamedTuple):
    """Examples to look at: as they were given, as the model sees them, and which they are."""

    originals: Examples
    examples: Examples
    keys: Keys | None = None


def shown_for(recipe: Recipe, schema: Schema | None, data: str | None, model: VAE) -> Shown:
    """Loads examples to look at: those held out from the run or a named set, or a whole file.

    A file is read by the schema of the run, or else by what the model knows of its data.
    """
    if data is None:
        return shown(load_again(recipe, schema))
    if is_named(data):
        return shown(load_data(replace(recipe, data=data)))
    loaded = loaded_alike(data, recipe, schema, model)
    for said in loaded.notes:
        note(f"{data}: {said}")
    originals = _conditioned_alike(loaded.examples, recipe, schema)
    stream = generator("file", recipe.seed)
    seen = binarizer_of(recipe).prepare_evaluation(originals, stream)
    return Shown(originals, seen, loaded.keys)


def _conditioned_alike(examples: Examples, recipe: Recipe, schema: Schema | None) -> Examples:
    """Gives the examples of a file the contexts that the run's data have."""
    if recipe.condition != "labels":
        return examples if recipe.condition == "context" else examples.with_context(None)
    if examples.labels is None:
        raise ValueError("`data` must have labels for a model conditioned on them, got none.")
    classes = num_classes(load_again(recipe, schema))
    return examples.with_context(class_context(examples.labels, classes, "`data`: labels"))


class Contexts(NamedTuple):
    """Conditions to sample under, and what to call them; a single None without a condition."""

    values: Sequence[Tensor | None]
    names: Sequence[str]


def contexts_for(recipe: Recipe, schema: Schema | None, given: str | None, model: VAE) -> Contexts:
    """Reads a context as the command line has it: a class, or a .npy file.

    Raises:
        ValueError: If the model has no condition, or the context does not suit it.
    """
    if model.context_shape is None:
        if given is not None:
            raise ValueError(f"`context` must go with a conditional run, got {given!r}.")
        return Contexts([None], [""])
    if given is not None and given.endswith(".npy"):
        return _contexts_of_file(given, model.context_shape)
    data = load_again(recipe, schema)
    if recipe.condition != "labels":
        if given is not None:
            raise ValueError(f"`context` must be a .npy file, got {given!r}.")
        return contexts_of(shown(data).examples, None)
    found = contexts_of(shown(data).examples, data.classes)
    if given is None:
        return found
    names = list(found.names)
    if given not in names:
        raise ValueError(f"`context` must be one of {', '.join(names)}, got {given!r}.")
    return Contexts([found.values[names.index(given)]], [given])


def contexts_of(examples: Examples, classes: Sequence[str] | None) -> Contexts:
    """Gives every class, where contexts are classes, else the contexts of the first examples."""
    assert examples.context is not None
    if examples.labels is not None and _one_hot(examples.context):
        count = examples.context.shape[1]
        names = classes or [str(i) for i in range(count)]
        return Contexts(list(torch.eye(count)), list(names))
    values = list(examples.context[:CONTEXTS])
    return Contexts(values, [f"context {i + 1}" for i in range(len(values))])


def _one_hot(context: Tensor) -> bool:
    return context.ndim == 2 and bool((context.sum(1) == 1).all() and (context.amax(1) == 1).all())


def _contexts_of_file(path: str, shape: tuple[int, ...]) -> Contexts:
    try:
        array = read_array(Path(path))
        values = torch.from_numpy(np.asarray(array, dtype=np.float32))
    except Exception as error:  # a damaged file raises whatever its reader met
        reason = shorten((str(error).splitlines() or ["nothing"])[0])
        raise ValueError(
            f"`context` must be a .npy file of numbers, got {path}: {reason}"
        ) from None
    values = values[None] if tuple(values.shape) == shape else values
    if tuple(values.shape[1:]) != shape or not bool(values.isfinite().all()):
        raise ValueError(
            f"`context` must hold finite numbers of shape {shape}, one or several, "
            f"got {tuple(array.shape)}."
        )
    return Contexts(list(values), [f"context {i + 1}" for i in range(len(values))])


def shown(data: Splits) -> Shown:
    """Gives the test examples, or the training ones where there are none."""
    if len(data.test):
        originals = data.test if data.originals is None else data.originals
        return Shown(originals, data.test, _keys_of(data, data.test))
    stream = generator("observed", 0)
    seen = data.train.take(slice(None))
    return Shown(seen, data.binarizer.prepare_evaluation(seen, stream), _keys_of(data, seen))


def _keys_of(data: Splits, examples: Examples) -> Keys | None:
    if data.keys is None or examples.rows is None:
        return None
    return data.keys.take(examples.rows)
