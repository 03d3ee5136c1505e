"""A recipe with everything named that it leaves open."""

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from discretevae.experiments.build_data import FORMATS, is_named, resolve_binarize
from discretevae.experiments.build_model import MODELS, build_estimator, build_network
from discretevae.experiments.recipe import Recipe
from discretevae.models.coded import KINDS
from discretevae.names import require_names, resolve
from discretevae.training.module import require_unweighted

__all__ = ["resolve_recipe"]

TEXT = ".txt"
USUAL = {field.name: field.default for field in fields(Recipe)}


def resolve_recipe(recipe: Recipe) -> Recipe:
    """Names what `auto` and options left out stand for; refuses what does not go together.

    Nothing is loaded, so that a mistake shows before a download.

    Raises:
        ValueError: Naming the option, what it must be, and what was given.
    """
    require_names(recipe)
    recipe = replace(recipe, likelihood=_likelihood(recipe))
    recipe = replace(recipe, network=recipe.network or _usual_network(recipe))
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
    name = next(name for name, kind in KINDS.items() if type(estimator) is kind)
    return replace(recipe, estimator=name, samples=getattr(estimator, "samples", None))


def _likelihood(recipe: Recipe) -> str:
    text = str(recipe.data).lower().endswith(TEXT)
    return recipe.likelihood or ("tokens" if text else "bernoulli")


def _usual_network(recipe: Recipe) -> str:
    found = FORMATS.get(str(recipe.likelihood))
    return next(iter(found.networks)) if found else "tutorial"


def _activation(recipe: Recipe) -> str | None:
    """The network's own, where none is given; the networks of a format have no choice."""
    if recipe.likelihood in FORMATS:
        return None
    found: str | None = build_network(recipe).config()["activation"]
    return found


def _require_taken(recipe: Recipe, by: str, takes: Mapping[str, tuple[str, ...]]) -> None:
    """Refuses the options of another model, or of another kind of data."""
    chosen = getattr(recipe, by)
    for name in dict.fromkeys(option for options in takes.values() for option in options):
        value = getattr(recipe, name)
        if name not in takes.get(chosen, ()) and value != USUAL[name]:
            takers = ", ".join(other for other, options in takes.items() if name in options)
            raise ValueError(f"`{name}` must go with --{by} {takers}, got {value!r} and {chosen}.")


def _require_needed(recipe: Recipe) -> None:
    for name, what in MODELS[recipe.model].needs.items():
        if getattr(recipe, name) is None:
            raise ValueError(
                f"`{name}` must be given with --model {recipe.model}: {what}, got none."
            )


def _require_fits_format(recipe: Recipe) -> None:
    if recipe.likelihood not in FORMATS:
        return
    resolve("network", str(recipe.network), FORMATS[recipe.likelihood].networks)
    for name in ("condition", "labelled", "activation", "stream"):
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
    path = Path(data).expanduser()
    return str(path.resolve()) if not is_named(data) and path.exists() else data
