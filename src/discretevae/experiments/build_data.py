"""Data as the options have them: images and numbers, sentences, tables of all kinds of columns."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from discretevae.data import (
    BINARIZERS,
    DATASETS,
    Examples,
    Keys,
    Loaded,
    ReadingOptions,
    Splits,
    is_local,
    load,
    read_by,
    read_file,
)
from discretevae.data.binarize import Binarizer
from discretevae.data.mixed_tables import load_table, read_rows
from discretevae.data.text import load_text, read_sentences, text_examples
from discretevae.likelihoods import ColumnsLikelihood, TokenLikelihood
from discretevae.models import VAE
from discretevae.names import resolve

__all__ = [
    "binarizer_of",
    "data_from_options",
    "loaded_alike",
    "names_in",
    "read_alike",
    "resolve_binarize",
]

BINARIZE_FOR = {"bernoulli": "fresh"}
"""Likelihood → the binarisation it gets unless another is asked for."""


def data_from_options(options: Mapping[str, Any]) -> Splits:
    """Loads the data; without a named binarisation, a Bernoulli likelihood gets fresh draws.

    Options of a run have its `schema`, by which its data are read; none there stands for a run of
    version 0.1.0, or of a named set, whose data are read by the rules of that version.
    """
    if options.get("schema") is None and "schema" in options:
        return OLD_LOADERS.get(options["likelihood"], _observations)(options)
    return LOADERS.get(options["likelihood"], _observations)(options)


def _observations(options: Mapping[str, Any]) -> Splits:
    return load(
        options["data"],
        binarize=resolve_binarize(options),
        condition=options["condition"],
        labelled=options["labelled"],
        limit=options["limit"],
        stream=options["stream"],
        likelihood=options["likelihood"],
        **_read_by(options),
        **_split(options),
    )


def _read_by(options: Mapping[str, Any]) -> dict[str, Any]:
    """By what data are read: the schema of a run, the rules of version 0.1.0, or new guesses."""
    if options.get("schema") is not None:
        return {"schema": options["schema"]}
    if "schema" in options:
        return {"reading": ReadingOptions(rules=1)}
    return {"reading": ReadingOptions.from_options(options)}


def _text(options: Mapping[str, Any]) -> Splits:
    found = load(
        options["data"],
        likelihood="tokens",
        pieces=options["pieces"],
        max_tokens=options["sentence_length"],
        limit=options["limit"],
        **_read_by(options),
        **_split(options),
    )
    assert found.likelihood is not None
    return replace(found, likelihood={**found.likelihood, **_writer(options)})


def _writer(options: Mapping[str, Any]) -> dict[str, Any]:
    """Describes the network by which sentences are written."""
    return {
        "network": options["network"],
        "width": options["widths"][0] if options["widths"] else 256,
        "word_dropout": options["word_dropout"],
    }


def _rows(options: Mapping[str, Any]) -> Splits:
    return load(
        options["data"],
        likelihood="columns",
        limit=options["limit"],
        **_read_by(options),
        **_split(options),
    )


def _sentences(options: Mapping[str, Any]) -> Splits:
    text = load_text(
        options["data"],
        column=options["column"],
        pieces=options["pieces"],
        max_tokens=options["sentence_length"],
        truncate=options["sentence_length"] is not None,
        limit=options["limit"],
        **_split(options),
    )
    (length,) = text.splits.shape
    likelihood = {
        "kind": "tokens",
        "vocabulary": text.vocabulary.config(),
        "length": length,
        **_writer(options),
    }
    return replace(text.splits, likelihood=likelihood, note=str(text))


def _table(options: Mapping[str, Any]) -> Splits:
    table = load_table(
        options["data"],
        categorical=names_in(options["categorical"]),
        numeric=names_in(options["numeric"]),
        **_split(options),
    )
    columns = [column.config() for column in table.columns]
    found = replace(table.splits, likelihood={"kind": "columns", "columns": columns})
    limit = slice(options["limit"])
    return replace(
        found,
        train=found.train.take(limit),
        validation=found.validation.take(limit),
        test=found.test.take(limit),
    )


LOADERS: dict[str, Callable[[Mapping[str, Any]], Splits]] = {"tokens": _text, "columns": _rows}
"""Likelihood → how its data are read; all others are of observations as they are."""


OLD_LOADERS: dict[str, Callable[[Mapping[str, Any]], Splits]] = {
    "tokens": _sentences,
    "columns": _table,
}
"""The same for a run of version 0.1.0."""


def loaded_alike(path: str, options: Mapping[str, Any], model: VAE) -> Loaded:
    """Reads a file of the user's by the schema of a run, with the keys of its rows."""
    schema = options.get("schema")
    if schema is not None:
        return read_by(schema, path)
    examples = _as_version_0_1_0(path, options, model)
    return Loaded(examples, Keys.of_rows(len(examples)))


def read_alike(path: str, options: Mapping[str, Any], model: VAE) -> Examples:
    """Reads a file of the user's by what is known of the data of a run."""
    return loaded_alike(path, options, model).examples


def _as_version_0_1_0(path: str, options: Mapping[str, Any], model: VAE) -> Examples:
    """Reads a file by what a model alone knows of its data."""
    likelihood = model.likelihood
    if isinstance(likelihood, TokenLikelihood):
        sentences = read_sentences(path, options["column"])
        return text_examples(sentences, likelihood.vocabulary, likelihood.length - 1, True)[0]
    if isinstance(likelihood, ColumnsLikelihood):
        return read_rows(path, likelihood.columns).examples
    return read_file(path)[0]


def names_in(text: str | None) -> tuple[str, ...]:
    """Splits names with commas between them.

    Example:
        >>> names_in("a, b"), names_in(None)
        (('a', 'b'), ())
    """
    return () if text is None else tuple(name.strip() for name in text.split(","))


def binarizer_of(options: Mapping[str, Any]) -> Binarizer:
    """Gives how observations become binary."""
    return BINARIZERS[resolve_binarize(options)]


def resolve_binarize(options: Mapping[str, Any]) -> str:
    """Names the binarisation; refuses one for a likelihood that is not of bits."""
    likelihood = options["likelihood"]
    name: str = options["binarize"] or BINARIZE_FOR.get(likelihood, "none")
    if resolve("binarize", name, BINARIZERS).binary and likelihood != "bernoulli":
        raise ValueError(
            f"`binarize` must be none with the {likelihood} likelihood, which is of values that "
            f"are not binary, got {name!r}."
        )
    return name


def _split(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: options[name] for name in ("validation", "test", "seed")}


def is_named(data: str) -> bool:
    """Tells whether a name is meant, not a file."""
    return data in DATASETS and not is_local(data)
