"""A recipe with everything named that it leaves open."""

import os
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from discretevae.data import DATASETS, ReadingOptions, Splits
from discretevae.experiments.build_data import (
    FORMATS,
    completed,
    is_named,
    load_data,
    resolve_binarize,
)
from discretevae.experiments.build_model import MODELS, build_estimator, build_network
from discretevae.experiments.defaults import ModelDefaults, defaults_for, defaults_of
from discretevae.experiments.recipe import Recipe
from discretevae.models.coded import estimator_name
from discretevae.names import require_names, resolve
from discretevae.training.defaults import by_rule
from discretevae.training.module import require_unweighted

__all__ = ["resolve_recipe", "resolve_with_data"]

FORMER = {"prior": "uniform"}
"""What runs of version 0.1.0 have where nothing was asked for."""
TEXT = ".txt"
USUAL = {field.name: field.default for field in fields(Recipe)}


def resolve_recipe(recipe: Recipe) -> Recipe:
    """Names what `auto` and options left out stand for; refuses what does not go together.

    Nothing is loaded, so that a mistake shows before a download. Where the likelihood is that of a
    file not read yet, the recipe stays as it is, and what goes with no likelihood is refused. The
    budget of training stays open, which follows from the number of examples.

    Raises:
        ValueError: Naming the option, what it must be, and what was given.
    """
    require_names(recipe)
    _require_read(recipe)
    likelihood = _likelihood(recipe)
    if likelihood is None:
        _require_possible(recipe)
        return recipe
    return _resolved(replace(recipe, likelihood=likelihood))


def resolve_with_data(recipe: Recipe) -> tuple[Recipe, Splits]:
    """Resolves a recipe and loads its data, which name the likelihood where it does not.

    Raises:
        ValueError: As `resolve_recipe`, or if the data cannot be used.
    """
    known = resolve_recipe(recipe)
    data = load_data(known)
    likelihood = known.likelihood or (data.schema.likelihood if data.schema else "bernoulli")
    suited, images = defaults_of(data, likelihood), len(data.shape) == 3
    found = _filled(replace(recipe, likelihood=likelihood), suited, images)
    found = by_rule(resolve_recipe(found), len(data.train))
    return found, data if known.likelihood is not None else completed(data, found)


def _filled(recipe: Recipe, suited: ModelDefaults, images: bool = True) -> Recipe:
    """Gives the options that are left open what suits the data, or what the model has."""
    kind = MODELS[recipe.model]
    own = {k: v for k, v in kind.defaults.items() if images or k not in kind.of_images}
    defaults = {**suited._asdict(), **own}
    left = {k: v for k, v in defaults.items() if getattr(recipe, k) in (None, "auto")}
    return replace(recipe, **left)


def _require_possible(recipe: Recipe) -> None:
    """Refuses what goes with no likelihood that the data may turn out to have."""
    errors = []
    for likelihood in sorted(("bernoulli", *FORMATS), key=lambda name: name != _expected(recipe)):
        try:
            _resolved(replace(recipe, likelihood=likelihood))
            return
        except ValueError as error:
            errors.append(error)
    raise errors[0]


def _require_read(recipe: Recipe) -> None:
    """Refuses what is said of the reading of data that are not read by a schema."""
    said = ReadingOptions.from_options(recipe.as_dict()).config()
    of_formats = {name for found in FORMATS.values() for name in found.takes}
    for name in said.keys() - of_formats if recipe.stream or is_named(recipe.data) else ():
        raise ValueError(
            f"`{name}` must go with a file or folder, without --stream, got {said[name]!r}."
        )


def _resolved(recipe: Recipe) -> Recipe:
    recipe = _filled(recipe, defaults_for(str(recipe.likelihood)))
    _require_taken(recipe, "model", {name: kind.options for name, kind in MODELS.items()})
    _require_taken(recipe, "likelihood", {name: found.takes for name, found in FORMATS.items()})
    _require_needed(recipe)
    _require_fits_format(recipe)
    if recipe.prior == "conditional" and recipe.condition == "none":
        raise ValueError("`prior` conditional must go with a --condition, got none.")
    recipe.training()
    recipe = replace(
        recipe,
        data=_data_name(recipe.data),
        activation=_activation(recipe),
        binarize=resolve_binarize(recipe),
    )
    estimator = build_estimator(recipe)
    if estimator is None:
        return recipe
    require_unweighted([estimator], recipe.beta)
    named = estimator_name(estimator)
    return replace(recipe, estimator=named, samples=getattr(estimator, "samples", None))


def _likelihood(recipe: Recipe) -> str | None:
    """What is asked for; none where the data are to be read first."""
    if recipe.likelihood is not None:
        return recipe.likelihood
    if recipe.binarize not in (None, "none"):
        return "bernoulli"
    return _expected(recipe) if is_named(recipe.data) else None


def _expected(recipe: Recipe) -> str:
    if is_named(recipe.data):
        return DATASETS[recipe.data].likelihood
    return "tokens" if str(recipe.data).lower().endswith(TEXT) else "bernoulli"


def _activation(recipe: Recipe) -> str | None:
    """The network's own, where none is given; the networks of a format have no choice."""
    if recipe.likelihood in FORMATS:
        return None
    found: str | None = build_network(recipe).config().get("activation")
    return found


def _require_taken(recipe: Recipe, by: str, takes: Mapping[str, tuple[str, ...]]) -> None:
    """Refuses the options of another model, or of another kind of data."""
    chosen = getattr(recipe, by)
    for name in dict.fromkeys(option for options in takes.values() for option in options):
        value = getattr(recipe, name)
        if name not in takes.get(chosen, ()) and value not in (USUAL[name], FORMER.get(name)):
            takers = ", ".join(other for other, options in takes.items() if name in options)
            raise ValueError(f"`{name}` must go with --{by} {takers}, got {value!r} and {chosen}.")


def _require_needed(recipe: Recipe) -> None:
    for name in MODELS[recipe.model].lacks:
        if (value := getattr(recipe, name)) is not None:
            raise ValueError(
                f"`{name}` must be left out with --model {recipe.model}, where it follows from the "
                f"others, got {value!r}."
            )
    for name, what in MODELS[recipe.model].needs.items():
        if getattr(recipe, name) is None:
            raise ValueError(
                f"`{name}` must be given with --model {recipe.model}: {what}, got none."
            )


def _require_fits_format(recipe: Recipe) -> None:
    if recipe.likelihood not in FORMATS:
        return
    resolve("network", str(recipe.network), FORMATS[recipe.likelihood].networks)
    for name in ("activation", *(["stream"] if recipe.likelihood == "tokens" else [])):
        value: Any = getattr(recipe, name)
        if value != USUAL[name]:
            raise ValueError(
                f"`{name}` must be left out with --likelihood {recipe.likelihood}, got {value!r}."
            )
    if is_named(recipe.data):
        raise ValueError(
            f"`data` must be a file with --likelihood {recipe.likelihood}, got {recipe.data!r}."
        )


def _data_name(data: str) -> str:
    """Keeps a name; makes a path absolute, so that the run can be used from everywhere."""
    path = Path(os.path.expanduser(data))
    return str(path.resolve()) if not is_named(data) and path.exists() else data
