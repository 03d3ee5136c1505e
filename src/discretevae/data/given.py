"""Data that Python gives a model that is there already: they are what the model sees."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from discretevae.schema.columns import Column, DiscreteColumn, NumericColumn, as_columns
from discretevae.schema.vocabulary import Vocabulary

from .arrays import examples_from_arrays
from .errors import DataError
from .examples import Examples
from .fields import CategoryField, NumberField
from .formats.raw import RawTable
from .formats.raw_array import RawArray
from .formats.raw_text import RawText
from .keys import Keys
from .labels import LabelRule
from .loading import binarized
from .opening import open_source
from .schema import Loaded
from .sentence_schema import SentenceSchema
from .splits import Splits, part_rows
from .table_schema import LABELS, TableSchema

__all__ = ["BINARIZE_FOR", "given", "given_splits", "given_whole"]

BINARIZE_FOR = {"bernoulli": "fresh", "local-bernoulli": "fresh"}
"""Likelihood → the binarisation it gets unless another is asked for."""

Described = str | Mapping[str, Any]
"""What `Likelihood.config` gives."""


def given(data: Any, likelihood: Described) -> Loaded:
    """Reads whole data as a model sees them: nothing is standardised, no level is guessed.

    Columns of a data frame are found by their names, sentences become tokens of the model's
    vocabulary.

    Arguments:
        data: What `load` takes, or a batch of observations.
        likelihood: Of the model, as its `config` describes it.

    Raises:
        DataError: If it is of another kind, or a cell is none that the model knows.

    Example:
        >>> given([[0.0, 3.5]], "gaussian").examples.x
        tensor([[0.0000, 3.5000]])
    """
    if isinstance(data, Examples):
        return Loaded(data, Keys.of_rows(len(data)))
    config = _config(likelihood)
    source: Any = open_source(data, likelihood=config["kind"])
    if isinstance(source, RawArray):
        return _of_array(source, gaps="columns" in config)
    if isinstance(source, RawTable):
        columns = as_columns(config["columns"]) if "columns" in config else _numbers_of(source)
        loaded = _schema_of(columns, source).read(source)
    elif "vocabulary" in config:
        loaded = _schema_of_tokens(config, source).read(source)
    else:
        raise DataError(f"`data` must be observations for a {config['kind']} model, got sentences.")
    for note in loaded.notes:
        warnings.warn(f"`data`: {note.text}", stacklevel=3)
    return loaded


def given_splits(data: Any, likelihood: Described, seed: int = 0) -> Splits:
    """Reads data as `given`, and parts them by seed as `load` does; splits stay as they are.

    Example:
        >>> parts = given_splits(np.eye(20), "bernoulli")
        >>> len(parts.train), len(parts.validation), len(parts.test)
        (16, 2, 2)
    """
    if isinstance(data, Splits):
        return data
    loaded = given(data, likelihood)
    examples = loaded.examples
    rows = part_rows(len(examples), None, 0.1, 0.1, seed)
    train, validation, test = (examples.take(torch.from_numpy(index)) for index in rows)
    described = None if isinstance(likelihood, str) else dict(likelihood)
    found = Splits(
        "data", train, validation, test, likelihood=described, originals=test, keys=loaded.keys
    )
    kind = likelihood if isinstance(likelihood, str) else likelihood["kind"]
    return binarized(found, BINARIZE_FOR.get(str(kind), "none"), seed)


def given_whole(data: Any, likelihood: Described, seed: int = 0) -> Splits:
    """Reads data as `given`, every row a test example; splits stay as they are.

    Example:
        >>> parts = given_whole(np.eye(20), "bernoulli")
        >>> len(parts.train), len(parts.test)
        (0, 20)
    """
    if isinstance(data, Splits):
        return data
    examples = given(data, likelihood).examples
    none = examples.take(slice(0, 0))
    whole = Splits("data", none, none, examples, originals=examples)
    kind = str(_config(likelihood)["kind"])
    return binarized(whole, BINARIZE_FOR.get(kind, "none"), seed)


def _of_array(source: RawArray, gaps: bool) -> Loaded:
    if gaps:
        x = torch.from_numpy(source.x.astype(np.float32))
    else:
        x = examples_from_arrays(source.x, where=source.where)[0].x
    labels = None
    if source.labels is not None:
        labels = torch.from_numpy(LabelRule.of(source.labels).indices(source.labels))
    return Loaded(Examples(x, labels, rows=torch.arange(len(x))), Keys.of_rows(len(x)))


def _config(likelihood: Described) -> dict[str, Any]:
    return {"kind": likelihood} if isinstance(likelihood, str) else dict(likelihood)


def _numbers_of(source: RawTable) -> tuple[Column, ...]:
    names = (name for name in source.columns if name.lower() not in LABELS)
    return tuple(NumericColumn(name, 0.0, 1.0) for name in names)


def _schema_of(columns: Sequence[Column], source: RawTable) -> TableSchema:
    """What a table means to a model that knows its columns and nothing else."""
    fields = tuple(
        CategoryField(column.name, column)
        if isinstance(column, DiscreteColumn)
        else NumberField(column.name, column)
        for column in columns
        if isinstance(column, (DiscreteColumn, NumericColumn))
    )
    label = next((name for name in source.columns if name.lower() in LABELS), None)
    labels = None if label is None else LabelRule.of(source.columns[label])
    return TableSchema("data", source.rows, fields, labels=labels)


def _schema_of_tokens(config: Mapping[str, Any], source: RawText) -> SentenceSchema:
    """What sentences mean to a model that knows its tokens and how many it takes."""
    vocabulary, most = Vocabulary.from_config(config["vocabulary"]), int(config["length"]) - 1
    labels = None if source.labels is None else LabelRule.of(source.labels)
    return SentenceSchema("data", source.rows, vocabulary, most, most, most, labels=labels)
