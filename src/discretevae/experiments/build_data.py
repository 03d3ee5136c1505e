"""Data as the options have them: images and numbers, sentences, tables of all kinds of columns."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from discretevae.data import BINARIZERS, DATASETS, Examples, Splits, load, read_file
from discretevae.data.binarize import Binarizer
from discretevae.data.mixed_tables import load_table, read_rows
from discretevae.data.text import load_text, read_sentences, text_examples
from discretevae.likelihoods import Likelihood
from discretevae.models import VAE
from discretevae.names import resolve

__all__ = ["binarizer_of", "data_from_options", "names_in", "read_alike", "resolve_binarize"]

BINARIZE_FOR = {"bernoulli": "fresh"}
"""Likelihood → the binarisation it gets unless another is asked for."""


def data_from_options(options: Mapping[str, Any]) -> Splits:
    """Loads the data; without a named binarisation, a Bernoulli likelihood gets fresh draws."""
    return LOADERS.get(options["likelihood"], _observations)(options)


def _observations(options: Mapping[str, Any]) -> Splits:
    return load(
        options["data"],
        binarize=resolve_binarize(options),
        condition=options["condition"],
        labelled=options["labelled"],
        limit=options["limit"],
        stream=options["stream"],
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
        "network": options["network"],
        "width": options["widths"][0] if options["widths"] else 256,
        "word_dropout": options["word_dropout"],
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


LOADERS: dict[str, Callable[[Mapping[str, Any]], Splits]] = {
    "tokens": _sentences,
    "columns": _table,
}
"""Likelihood → how its data are read; all others are of observations as they are."""


def read_alike(path: str, options: Mapping[str, Any], model: VAE) -> Examples:
    """Reads a file of the user's by what a model knows of its data."""
    read = READERS.get(model.likelihood.name, _file_alike)
    return read(path, options, model.likelihood)


def _file_alike(path: str, options: Mapping[str, Any], likelihood: Likelihood) -> Examples:
    return read_file(path)[0]


def _sentences_alike(path: str, options: Mapping[str, Any], likelihood: Any) -> Examples:
    sentences = read_sentences(path, options["column"])
    return text_examples(sentences, likelihood.vocabulary, likelihood.length - 1, True)[0]


def _rows_alike(path: str, options: Mapping[str, Any], likelihood: Any) -> Examples:
    return read_rows(path, likelihood.columns).examples


READERS: dict[str, Callable[[str, Mapping[str, Any], Any], Examples]] = {
    "tokens": _sentences_alike,
    "columns": _rows_alike,
}
"""Likelihood → how a file is read by what it knows of the data; all others know nothing."""


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
    return data in DATASETS
