"""From a name or a path to what training needs."""

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from .array_schema import ArraySchema
from .binarize import BINARIZERS, Binarizer
from .blocks import open_blocks
from .conditions import conditioned, partly_labelled
from .errors import DataError, unknown_name
from .examples import Examples
from .files import READERS, read_file
from .formats.raw import Note
from .formats.raw_array import RawArray
from .opening import Source, endings, learn_schema, open_source, source_parts
from .reading import GUESS, ReadingOptions
from .schema import Schema
from .seeding import generator
from .sources import DATASETS
from .splits import Splits, part_rows, split, stream_split
from .streams import Stream, in_memory

__all__ = ["binarized", "is_local", "load"]


def load(
    data: Any = "digits",
    *,
    binarize: str | None = None,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
    limit: int | None = None,
    condition: str = "none",
    labelled: int | None = None,
    stream: bool = False,
    likelihood: str | None = None,
    pieces: int | None = None,
    max_tokens: int | None = None,
    reading: ReadingOptions = GUESS,
    schema: Schema | None = None,
) -> Splits:
    """Returns a data set, split once by seed and made binary as its option says.

    Arguments:
        data: The path of a file or of a folder of images, which wins over a name in `DATASETS`;
            or an array, a tensor, a pair of observations and labels, a data frame, a DataLoader,
            a list of sentences.
        binarize: A name in `BINARIZERS`; validation and test sets are drawn once, by seed. By
            default none.
        validation: The fraction of the training examples to validate on; 0 for none. Where the
            source has examples for it, they are taken whole.
        test: The fraction to test on. Where the source has a test set, it is taken whole and
            `test` is not used.
        seed: The seed of the split and of draws made once.
        limit: At most how many examples to keep of each part, chosen at random.
        condition: A name in `CONDITIONS`: what a conditional model is told of each example.
        labelled: How many labels a semi-supervised model is given, as `partly_labelled` has it.
        stream: Whether the training examples stay on disk, as `stream_split` has it.
        likelihood: That is asked for: columns takes a file for a table, tokens for sentences, all
            others for numbers; by default what suits the source.
        pieces: The size of a vocabulary of pieces of words; by default tokens are characters.
        max_tokens: At most how many tokens a sentence has; longer ones are cut and counted.
        reading: What overrules the guesses of what the source means.
        schema: Of a run with the same data: rules what it means, and nothing is guessed.

    Raises:
        DataError: If a name is unknown, a file cannot be used, a download fails, the values
            are outside [0, 1] where `binarize` needs them inside, or a number is out of range.

    Example:
        >>> splits = load("digits", binarize="threshold")
        >>> len(splits.train), len(splits.validation), len(splits.test), splits.shape
        (1437, 180, 180, (1, 8, 8))
    """
    if likelihood is None and binarize not in (None, "none"):
        likelihood = "bernoulli"
    binarize = "none" if binarize is None else binarize
    if binarize not in BINARIZERS:
        raise unknown_name("binarize", binarize, BINARIZERS)
    if limit is not None and limit < 1:
        raise DataError(f"`limit` must be at least 1, got {limit}.")
    if stream:
        _require_plain(data, limit=limit, condition=condition, labelled=labelled)
        splits = _streamed(data, validation, test, seed, likelihood, reading, schema)
        train = splits.train.prepared(BINARIZERS[binarize], seed)  # type: ignore[union-attr]
        return _prepared(splits, train, BINARIZERS[binarize], seed)
    if _is_name(data, reading, schema):
        found = _read_named(data, validation, test, seed)
    elif reading.rules == 1 and schema is None:
        found = _read(data, validation, test, seed)
    else:
        learn = partial(learn_schema, likelihood=likelihood, pieces=pieces, max_tokens=max_tokens)
        source = _open(data, reading, likelihood, schema)
        found = _split(source, learn, reading, schema, validation, test, seed, _name_of(data))
    splits = _limited(conditioned(found, condition), limit, seed)
    if labelled is not None:
        splits = partly_labelled(splits, labelled, seed)
    return binarized(splits, binarize, seed)


def binarized(splits: Splits, name: str, seed: int) -> Splits:
    """Makes splits that were loaded as they are binary, as `load` does.

    Example:
        >>> binarized(load("digits"), "threshold", seed=0).train.x.unique().tolist()
        [0, 255]
    """
    binarizer, kept = BINARIZERS[name], generator("binarize", "train", seed)
    train = binarizer.prepare(in_memory(splits.train), kept)
    return _prepared(splits, train, binarizer, seed)


def _open(
    data: Any, reading: ReadingOptions, likelihood: str | None, schema: Schema | None
) -> Source:
    if isinstance(data, str) and not _is_path(data):
        kinds = f"a {', '.join(endings())} file"
        raise unknown_name("data", data, [*DATASETS, kinds, "a folder of images"])
    source = open_source(data, reading, likelihood, schema)
    if isinstance(data, str) and data in DATASETS:
        note = Note(f"./{data} here is taken, not the named set {data}", "rename it")
        source = replace(source, notes=(*source.notes, note))
    return source


def _split(
    source: Source,
    learn: Callable[..., Schema],
    reading: ReadingOptions,
    schema: Schema | None,
    validation: float,
    test: float,
    seed: int,
    name: str | None,
) -> Splits:
    """Parts a source, learns what it means from the rows to train on, and reads it by that."""
    rows = part_rows(source.rows, source_parts(source, reading), validation, test, seed)
    if schema is None:
        schema = learn(source, rows[0], reading)
    examples, keys, _ = schema.read(source)
    train, valid, held_out = (examples.take(torch.from_numpy(index)) for index in rows)
    classes = None if schema.labels is None else schema.labels.classes
    return Splits(
        name or schema.name, train, valid, held_out, classes, originals=held_out,
        likelihood=schema.likelihood_config, note="; ".join(schema.lines()),
        schema=schema, keys=keys,
    )  # fmt: skip


def _name_of(data: Any) -> str | None:
    if not isinstance(data, (str, os.PathLike)):
        return None
    return Path(os.path.expanduser(data)).resolve().stem


def is_local(data: Any) -> bool:
    """Tells whether a path leads to a source of data; the folder of a run is none.

    Example:
        >>> is_local("no-such-file")
        False
    """
    if not isinstance(data, (str, os.PathLike)):
        return False
    path = Path(os.path.expanduser(data))
    if os.path.isdir(path):
        return not (path / "config.yaml").exists() and any(path.iterdir())
    return os.path.isfile(path)


def _is_name(data: Any, reading: ReadingOptions, schema: Schema | None) -> bool:
    named = isinstance(data, str) and data in DATASETS
    return named and ((reading.rules == 1 and schema is None) or not is_local(data))


def _read(data: str | os.PathLike[str], validation: float, test: float, seed: int) -> Splits:
    if isinstance(data, str) and data in DATASETS:
        return _read_named(data, validation, test, seed)
    if not _is_path(data):
        kinds = f"a {', '.join(READERS)} file"
        raise unknown_name("data", data, [*DATASETS, kinds, "a folder of images"])
    examples, classes = read_file(data)
    name = Path(os.path.expanduser(data)).resolve().stem
    return split(examples, validation=validation, test=test, seed=seed, name=name, classes=classes)


def _streamed(
    data: str | os.PathLike[str],
    validation: float,
    test: float,
    seed: int,
    likelihood: str | None,
    reading: ReadingOptions,
    schema: Schema | None,
) -> Splits:
    """Parts rows that stay on disk; what they mean is learned from parts all over the file."""
    blocks, name = open_blocks(data), Path(os.path.expanduser(data)).resolve().stem
    if schema is None and reading.rules > 1 and blocks.parts:
        some = RawArray(blocks.where, name, blocks.some())
        learned = ArraySchema.learn(some, reading=reading, likelihood=likelihood)
        schema = replace(learned, rows=blocks.count)
    if isinstance(schema, ArraySchema):
        blocks = blocks.meant(schema)
    splits = stream_split(blocks, validation=validation, test=test, seed=seed, name=name)
    if schema is None:
        return splits
    note = "; ".join(schema.lines())
    return replace(splits, likelihood=schema.likelihood_config, note=note, schema=schema)


def _require_plain(data: str | os.PathLike[str], **options: object) -> None:
    """Refuses what needs all examples in memory, or their labels."""
    if isinstance(data, str) and data in DATASETS:
        raise DataError(f"`stream` must go with a file or a folder of images, got {data!r}.")
    for name, value in options.items():
        if value not in (None, "none"):
            raise DataError(f"`{name}` must be left out with `stream`, got {value!r}.")


def _read_named(name: str, validation: float, test: float, seed: int) -> Splits:
    info = DATASETS[name]
    train, official = info.read()
    splits = split(
        train,
        validation=validation if info.read_validation is None else 0.0,
        test=test if official is None else 0.0,
        seed=seed,
        name=name,
        classes=info.classes,
    )
    if official is not None:
        splits = replace(splits, test=official)
    if info.read_validation is not None and validation > 0:
        apart = info.read_validation()
        order = torch.randperm(len(apart), generator=generator("validation", seed))
        splits = replace(splits, validation=apart.take(order))
    return splits


def _is_path(data: str | os.PathLike[str]) -> bool:
    """Whether a path was meant: a single word that is no file is rather a name."""
    if not isinstance(data, str):
        return True
    return os.path.exists(data) or len(Path(data).parts) > 1 or Path(data).suffix != ""


def _limited(splits: Splits, limit: int | None, seed: int) -> Splits:
    if limit is None:
        return splits
    some = torch.randperm(len(splits.test), generator=generator("limit", seed))[:limit]
    return replace(
        splits,
        train=splits.train.take(slice(limit)),  # in random order already, as is validation
        validation=splits.validation.take(slice(limit)),
        test=splits.test.take(some),
    )


def _prepared(splits: Splits, train: Examples | Stream, binarizer: Binarizer, seed: int) -> Splits:
    def once(examples: Examples, part: str) -> Examples:
        return binarizer.prepare_evaluation(examples, generator("binarize", part, seed))

    return replace(
        splits,
        train=train,
        validation=once(splits.validation, "validation"),
        test=once(splits.test, "test"),
        binarizer=binarizer,
        originals=splits.test,
    )
