"""Data as a recipe has them: images and numbers, sentences, tables of all kinds of columns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from discretevae.data import (
    BINARIZE_FOR,
    BINARIZERS,
    DATASETS,
    Examples,
    Keys,
    Loaded,
    ReadingOptions,
    Schema,
    Splits,
    binarized,
    is_local,
    load,
    read_by,
    read_file,
)
from discretevae.data.binarize import Binarizer
from discretevae.data.mixed_tables import load_table, read_rows
from discretevae.data.text import load_text, read_sentences, text_examples
from discretevae.experiments.recipe import Recipe
from discretevae.models import VAE
from discretevae.names import resolve
from discretevae.networks import READERS, ColumnsNetwork, Network, TextNetwork
from discretevae.schema.vocabulary import Vocabulary

__all__ = [
    "FORMATS",
    "Format",
    "binarizer_of",
    "completed",
    "is_named",
    "load_again",
    "load_data",
    "loaded_alike",
    "names_in",
    "read_alike",
    "resolve_binarize",
]


@dataclass(frozen=True)
class Format:
    """Data that bring a likelihood and a network of their own.

    Arguments:
        load: Recipe → splits, which describe their likelihood, by the rules of version 0.1.0.
        read: (path, recipe, model) → another file, read by what a model knows of its data.
        networks: Names that --network may have, the usual one first.
        network: (recipe, likelihood) → the network of such data.
        takes: Options of such data alone.
        describe: Where a schema says what such data mean, recipe → what else describes their
            likelihood; without it they are read by `load` and `read` alone.
    """

    load: Callable[[Recipe], Splits]
    read: Callable[[str, Recipe, VAE], Examples]
    networks: Mapping[str, Any]
    network: Callable[[Recipe, Mapping[str, Any]], Network]
    takes: tuple[str, ...]
    describe: Callable[[Recipe], dict[str, Any]] | None = None


def load_data(recipe: Recipe) -> Splits:
    """Loads the data of a new run, and finds out what they mean.

    Without a named binarisation, a Bernoulli likelihood gets fresh draws.
    """
    own = FORMATS.get(str(recipe.likelihood))
    if own is not None and own.describe is None:
        return own.load(recipe)
    return _load(recipe, reading=ReadingOptions.from_options(recipe.as_dict()))


def load_again(recipe: Recipe, schema: Schema | None) -> Splits:
    """Loads the data of a run by its schema; without one by the rules of version 0.1.0."""
    if schema is not None:
        return _load(recipe, schema=schema)
    if recipe.likelihood in FORMATS:
        return FORMATS[recipe.likelihood].load(recipe)
    return _load(recipe, reading=ReadingOptions(rules=1))


def _load(recipe: Recipe, **by: Any) -> Splits:
    found = load(
        recipe.data,
        binarize=resolve_binarize(recipe),
        condition=recipe.condition,
        labelled=recipe.labelled,
        limit=recipe.limit,
        stream=recipe.stream,
        likelihood=recipe.likelihood,
        pieces=recipe.pieces,
        max_tokens=recipe.sentence_length,
        **by,
        **_split(recipe),
    )
    return _described(found, recipe)


def completed(data: Splits, recipe: Recipe) -> Splits:
    """Gives data that were read before their likelihood was known what it asks for."""
    return _described(binarized(data, resolve_binarize(recipe), recipe.seed), recipe)


def _described(found: Splits, recipe: Recipe) -> Splits:
    """Adds to the likelihood that the data bring what the recipe says of it."""
    if found.likelihood is None:
        return found
    describe = FORMATS[found.likelihood["kind"]].describe
    more = {} if describe is None else describe(recipe)
    return replace(found, likelihood={**found.likelihood, **more})


def _writer(recipe: Recipe) -> dict[str, Any]:
    """Describes the network by which sentences are written."""
    return {
        "network": recipe.network,
        "width": recipe.widths[0] if recipe.widths else 256,
        "word_dropout": recipe.word_dropout,
    }


def _load_sentences(recipe: Recipe) -> Splits:
    text = load_text(
        recipe.data,
        column=recipe.column,
        pieces=recipe.pieces,
        max_tokens=recipe.sentence_length,
        truncate=recipe.sentence_length is not None,
        limit=recipe.limit,
        **_split(recipe),
    )
    (length,) = text.splits.shape
    likelihood = {
        "kind": "tokens",
        "vocabulary": text.vocabulary.config(),
        "length": length,
        **_writer(recipe),
    }
    return replace(text.splits, likelihood=likelihood, note=str(text))


def _read_sentences(path: str, recipe: Recipe, model: Any) -> Examples:
    sentences, likelihood = read_sentences(path, recipe.column), model.likelihood
    return text_examples(sentences, likelihood.vocabulary, likelihood.length - 1, True)[0]


def _text_network(recipe: Recipe, likelihood: Mapping[str, Any]) -> Network:
    size = Vocabulary.from_config(likelihood["vocabulary"]).size
    return TextNetwork(size, str(recipe.network), likelihood["width"])


def _load_table(recipe: Recipe) -> Splits:
    table = load_table(
        recipe.data,
        categorical=names_in(recipe.categorical),
        numeric=names_in(recipe.numeric),
        **_split(recipe),
    )
    columns = [column.config() for column in table.columns]
    parts = {name: getattr(table.splits, name) for name in ("train", "validation", "test")}
    return replace(
        table.splits,
        likelihood={"kind": "columns", "columns": columns},
        **{name: part.take(slice(recipe.limit)) for name, part in parts.items()},
    )


def _read_table(path: str, recipe: Recipe, model: Any) -> Examples:
    return read_rows(path, model.likelihood.columns).examples


def _columns_network(recipe: Recipe, likelihood: Mapping[str, Any]) -> Network:
    widths = {} if recipe.widths is None else {"widths": tuple(recipe.widths)}
    return ColumnsNetwork(tuple(likelihood["columns"]), **widths, hidden=recipe.hidden_cells)


FORMATS: dict[str, Format] = {
    "tokens": Format(
        _load_sentences,
        _read_sentences,
        READERS,
        _text_network,
        takes=("column", "pieces", "sentence_length", "word_dropout"),
        describe=_writer,
    ),
    "columns": Format(
        _load_table,
        _read_table,
        {"columns": ColumnsNetwork, "mlp": ColumnsNetwork},
        _columns_network,
        takes=("hidden_cells",),
        describe=lambda recipe: {},
    ),
}
"""Likelihood → the data that bring it; all others are of observations as they are."""


def loaded_alike(path: str, recipe: Recipe, schema: Schema | None, model: VAE) -> Loaded:
    """Reads a file of the user's by the schema of a run, with the keys of its rows."""
    if schema is not None:
        return read_by(schema, path)
    examples = read_alike(path, recipe, model)
    return Loaded(examples, Keys.of_rows(len(examples)))


def read_alike(path: str, recipe: Recipe, model: VAE) -> Examples:
    """Reads a file of the user's by what a model alone knows of its data."""
    kind = model.likelihood.name
    return FORMATS[kind].read(path, recipe, model) if kind in FORMATS else read_file(path)[0]


def names_in(text: str | None) -> tuple[str, ...]:
    """Splits names with commas between them.

    Example:
        >>> names_in("a, b"), names_in(None)
        (('a', 'b'), ())
    """
    return () if text is None else tuple(name.strip() for name in text.split(","))


def binarizer_of(recipe: Recipe) -> Binarizer:
    """Gives how observations become binary."""
    return BINARIZERS[resolve_binarize(recipe)]


def resolve_binarize(recipe: Recipe) -> str:
    """Names the binarisation; refuses one for a likelihood that is not of bits."""
    name = recipe.binarize or BINARIZE_FOR.get(str(recipe.likelihood), "none")
    if resolve("binarize", name, BINARIZERS).binary and recipe.likelihood not in BINARIZE_FOR:
        raise ValueError(
            f"`binarize` must be none with the {recipe.likelihood} likelihood, which is of values "
            f"that are not binary, got {name!r}."
        )
    return name


def is_named(data: str) -> bool:
    """Tells whether a name is meant, not a file."""
    return data in DATASETS and not is_local(data)


def _split(recipe: Recipe) -> dict[str, Any]:
    return {"validation": recipe.validation, "test": recipe.test, "seed": recipe.seed}
