"""A Gaussian VAE beside a run: what continuous latents make of the same data."""

from dataclasses import asdict, fields

from discretevae.data import Splits
from discretevae.experiments.defaults import defaults_of
from discretevae.experiments.folder import Run
from discretevae.experiments.recipe import Data, Recipe, Training
from discretevae.experiments.resolve import resolve_recipe
from discretevae.experiments.run import build
from discretevae.models import VAE, from_pretrained
from discretevae.training.defaults import by_rule

__all__ = ["gaussian_beside", "gaussian_recipe", "has_gaussian"]

FOLDER = "gaussian"
"""Of a run, where it is kept."""
SHARED = ("network", "widths", "channels", "num_latents", "word_dropout", "hidden_cells")
"""What it takes over besides the data and the training."""


def has_gaussian(recipe: Recipe) -> bool:
    """Tells whether a Gaussian VAE is another model of the same thing.

    Example:
        >>> has_gaussian(Recipe()), has_gaussian(Recipe(model="gaussian"))
        (True, False)
    """
    return recipe.model != "gaussian" and recipe.labelled is None


def gaussian_recipe(recipe: Recipe, data: Splits) -> Recipe:
    """Gives the recipe with Gaussian latents: as many, the same network, trained for as long.

    Latents on a grid have no like, and get what suits the data.

    Raises:
        ValueError: If there is none.

    Example:
        >>> from discretevae.data import load
        >>> found = gaussian_recipe(Recipe(num_latents=6, epochs=3), load("digits", limit=30))
        >>> found.model, found.num_latents, found.epochs
        ('gaussian', 6, 3)
    """
    if not has_gaussian(recipe):
        raise ValueError(
            "`gaussian` must go with a model of other latents without labels, "
            f"got --model {recipe.model}."
        )
    names = [field.name for part in (Data, Training) for field in fields(part)]
    same = {name: value for name, value in asdict(recipe).items() if name in (*names, *SHARED)}
    if recipe.num_latents is None:
        suited = defaults_of(data, recipe.likelihood)
        same |= {"num_latents": suited.num_latents, "network": suited.network}
    alone = {"devices": 1, "num_nodes": 1, "importance_samples": 0}
    return by_rule(resolve_recipe(Recipe(**same | alone, model="gaussian")), len(data.train))


def gaussian_beside(run: Run, recipe: Recipe, data: Splits) -> VAE:
    """Trains a Gaussian VAE beside a run, or loads the one that was trained so.

    Raises:
        ValueError: If there is none for its model, before anything is written.
    """
    found = gaussian_recipe(recipe, data)
    beside = Run(run.folder / FOLDER)
    if not (beside.model.is_dir() and beside.options() == found.as_dict()):
        prepared = build(found, data, beside.folder)
        Run.create(beside.folder, found.as_dict(), overwrite=True)
        prepared.fit()
        prepared.model.save_pretrained(beside.model)
    return from_pretrained(beside.model)
