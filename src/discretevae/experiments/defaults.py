"""The model that data get where nothing else is asked for."""

from math import prod
from typing import NamedTuple

from discretevae.data import DATASETS, Splits
from discretevae.experiments.build_data import FORMATS

__all__ = ["USUAL", "ModelDefaults", "defaults_for", "defaults_of"]

BY_RULE = ("auto",)
"""The prior that follows from the data."""
OPTIONS = "(--num-latents, --num-categories, --network)"

LARGE = 16
"""Pixels of the shorter side from which convolutions pay."""
MANY_ROWS = 1_000
"""Images from which 16 latents carry more than 4."""
WIDE = 2_048
"""Numbers a row from which the first layer, which costs most, is narrower."""


class ModelDefaults(NamedTuple):
    """D × K and the network, by their names in a recipe.

    Example:
        >>> print(ModelDefaults(4, 8, "tutorial"))
        model: 4 latents of 8 categories, network tutorial (--num-latents, --num-categories, \
--network)
    """

    num_latents: int
    num_categories: int
    network: str

    def __str__(self) -> str:
        return (
            f"model: {self.num_latents} latents of {self.num_categories} categories, "
            f"network {self.network} {OPTIONS}"
        )


USUAL = ModelDefaults(4, 8, "tutorial")
"""Where nothing is known of the data."""


def defaults_for(likelihood: str, shape: tuple[int, ...] = (), rows: int = 0) -> ModelDefaults:
    """Follows the rule for so many observations of this shape under this likelihood.

    Images from 16 × 16 get convolutions, and 16 latents where there are 1,000 of them; so do
    small ones of real values, which say more than bits. All else gets 4 latents.

    Example:
        >>> defaults_for("bernoulli", (1, 28, 28), 60_000)
        ModelDefaults(num_latents=16, num_categories=8, network='image')
        >>> defaults_for("columns", (7,), 891)
        ModelDefaults(num_latents=4, num_categories=8, network='columns')
    """
    if likelihood in FORMATS:
        return USUAL._replace(network=next(iter(FORMATS[likelihood].networks)))
    images = len(shape) == 3
    large = images and min(shape[1:]) >= LARGE
    found = USUAL._replace(network="image" if large else "tutorial")
    if prod(shape) >= WIDE and not images:
        found = found._replace(network="report-mlp")
    if rows >= MANY_ROWS and (large or (images and likelihood != "bernoulli")):
        found = found._replace(num_latents=16)
    return found


def defaults_of(data: Splits, likelihood: str | None = None) -> ModelDefaults:
    """Gives what these data get; by default under the likelihood that suits them."""
    if data.schema is not None:
        suits = data.schema.likelihood
    else:
        suits = DATASETS[data.name].likelihood if data.name in DATASETS else "bernoulli"
    rows = len(data.train) + len(data.validation) + len(data.test)
    return defaults_for(likelihood or suits, tuple(data.shape), rows)
