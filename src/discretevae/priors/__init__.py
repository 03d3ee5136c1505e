"""Distributions p(z) over codes."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from discretevae.names import resolve
from discretevae.priors.autoregressive import AutoregressivePrior
from discretevae.priors.boltzmann import BoltzmannPrior
from discretevae.priors.factorised import (
    CategoricalPrior,
    ConditionalPrior,
    LearnedPrior,
    UniformPrior,
)
from discretevae.priors.grid import GridPrior
from discretevae.priors.log_partition import LogPartition
from discretevae.priors.pixel_cnn import PixelCNNPrior
from discretevae.priors.prior import FactorisedPrior, Prior
from discretevae.priors.transformer import TransformerPrior

__all__ = [
    "PRIORS",
    "AutoregressivePrior",
    "BoltzmannPrior",
    "CategoricalPrior",
    "ConditionalPrior",
    "FactorisedPrior",
    "GridPrior",
    "LearnedPrior",
    "LogPartition",
    "PixelCNNPrior",
    "Prior",
    "TransformerPrior",
    "UniformPrior",
    "is_over_grids",
    "prior_from_config",
]

PRIORS: dict[str, Callable[..., Prior]] = {
    "uniform": UniformPrior,
    "learned": LearnedPrior,
    "conditional": ConditionalPrior,
    "autoregressive": AutoregressivePrior,
    "boltzmann": BoltzmannPrior,
    "pixelcnn": PixelCNNPrior,
    "transformer": TransformerPrior,
}
"""Name → prior, as a function of D, K and, if it is conditional, the features of a context."""


def is_over_grids(name: str) -> bool:
    """Whether a prior is told in which grids the latents stand.

    Example:
        >>> is_over_grids("pixelcnn"), is_over_grids("uniform")
        (True, False)
    """
    return bool(getattr(resolve("prior", name, PRIORS), "over_grids", False))


def prior_from_config(
    config: dict[str, Any], num_latents: int, num_categories: int, context_features: int = 0
) -> Prior:
    """Rebuilds what :meth:`Prior.config` describes, without its weights.

    Raises:
        ValueError: If the kind is unknown or an option does not belong to it.

    Example:
        >>> prior_from_config({"kind": "learned"}, 4, 8).shape
        (4, 8)
    """
    options = {k: tuple(v) if isinstance(v, list) else v for k, v in config.items()}
    kinds = {**PRIORS, "categorical": lambda d, k: CategoricalPrior(torch.zeros(d, k))}
    kind = resolve("prior", str(options.pop("kind", None)), kinds)
    if kind is ConditionalPrior:
        kind = partial(ConditionalPrior, context_features=context_features)
    try:
        return kind(num_latents, num_categories, **options)
    except TypeError as error:
        raise ValueError(f"`prior` does not fit {config}: {error}.") from None
