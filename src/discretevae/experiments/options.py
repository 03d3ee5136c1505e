"""Options, which are plain, with everything named that they leave open."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from discretevae.data import CONDITIONS
from discretevae.experiments.build_data import LOADERS, is_named, resolve_binarize
from discretevae.experiments.build_model import (
    estimator_from_options,
    network_from_options,
    require_options_of,
)
from discretevae.likelihoods import LIKELIHOODS
from discretevae.models.coded import KINDS
from discretevae.names import resolve
from discretevae.networks import READERS
from discretevae.priors import PRIORS
from discretevae.training import TrainingOptions
from discretevae.training.module import require_unweighted

__all__ = ["resolve_options", "training_from_options"]

TEXT = ".txt"
NETWORK_FOR = {"tokens": "gru", "columns": "columns"}
"""Likelihood → the network it gets unless another is asked for; tutorial for all others."""
NETWORKS_OF: dict[str, Mapping[str, Any]] = {"tokens": READERS, "columns": {"columns": True}}
"""Likelihood → networks of its data by name."""
OF_DATA = {
    "column": (None, ("tokens",)),
    "pieces": (None, ("tokens",)),
    "sentence_length": (None, ("tokens",)),
    "word_dropout": (0.0, ("tokens",)),
    "categorical": (None, ("columns",)),
    "numeric": (None, ("columns",)),
    "hidden_cells": (0.0, ("columns",)),
}
"""Option → what it is where it is not used, and the likelihoods that use it."""


def resolve_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Names what `auto` and options left out stand for; refuses what does not go together.

    Nothing is loaded, so that a mistake shows before a download.

    Raises:
        ValueError: Naming the option, what it must be, and what was given.
    """
    options = {**options, "likelihood": _likelihood(options)}
    likelihood = options["likelihood"]
    network = options["network"] or NETWORK_FOR.get(likelihood, "tutorial")
    options = {**options, "network": network}
    require_options_of(options["model"], options)
    _require_fits_data(options)
    resolve("condition", options["condition"], CONDITIONS)
    resolve("prior", options["prior"], PRIORS)
    if options["prior"] == "conditional" and options["condition"] == "none":
        raise ValueError("`prior` conditional must go with a --condition, got none.")
    training_from_options(options)
    if likelihood in LOADERS:
        resolve("network", network, NETWORKS_OF[likelihood])
        activation = None
    else:
        activation = network_from_options(options).config()["activation"]
    resolved = {
        **options,
        "data": _data_name(options["data"]),
        "activation": activation,
        "binarize": resolve_binarize(options),
    }
    estimator = estimator_from_options(options)
    if estimator is None:
        return resolved
    require_unweighted([estimator], options["beta"])
    name = next(name for name, kind in KINDS.items() if type(estimator) is kind)
    return {**resolved, "estimator": name, "samples": getattr(estimator, "samples", None)}


def training_from_options(options: Mapping[str, Any], **changes: Any) -> TrainingOptions:
    """Picks the options of the training loop."""
    names = {field.name for field in fields(TrainingOptions)}
    return TrainingOptions(**{k: v for k, v in options.items() if k in names} | changes)


def _likelihood(options: Mapping[str, Any]) -> str:
    given: str | None = options["likelihood"]
    if given is None:
        return "tokens" if str(options["data"]).lower().endswith(TEXT) else "bernoulli"
    resolve("likelihood", given, {**LIKELIHOODS, **LOADERS})
    return given


def _require_fits_data(options: Mapping[str, Any]) -> None:
    likelihood = options["likelihood"]
    for name, (usual, takers) in OF_DATA.items():
        if options[name] != usual and likelihood not in takers:
            raise ValueError(
                f"`{name}` must go with --likelihood {', '.join(takers)}, "
                f"got {options[name]!r} and {likelihood}."
            )
    if likelihood not in LOADERS:
        return
    for name in ("condition", "labelled", "activation", "stream"):
        if options[name] not in ("none", None, False):
            raise ValueError(
                f"`{name}` must be left out with --likelihood {likelihood}, got {options[name]!r}."
            )
    if is_named(options["data"]):
        raise ValueError(
            f"`data` must be a file with --likelihood {likelihood}, got {options['data']!r}."
        )


def _data_name(data: str) -> str:
    """Keeps a name; makes a path absolute, so that the run can be used from everywhere."""
    path = Path(data).expanduser()
    return str(path.resolve()) if not is_named(data) and path.exists() else data
