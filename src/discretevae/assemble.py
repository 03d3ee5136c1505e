"""From options, which are plain, to objects: the data, the model and how to train it."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from discretevae.data import (
    BINARIZERS,
    DATASETS,
    Binarizer,
    Examples,
    Splits,
    generator,
    load,
    read_file,
)
from discretevae.estimators import ESTIMATORS, Estimator, recommended
from discretevae.models import VAE, DiscreteVAE, GaussianVAE
from discretevae.names import resolve
from discretevae.networks import CNN, MLP, NETWORKS, Network
from discretevae.training import TrainingOptions

__all__ = [
    "data_from_options",
    "examples_from_options",
    "model_from_options",
    "training_from_options",
]

BINARIZE_FOR = {"bernoulli": "fresh"}
"""Likelihood → the binarisation it gets unless another is asked for."""


def data_from_options(options: Mapping[str, Any]) -> Splits:
    """Loads the data; without a named binarisation, a Bernoulli likelihood gets fresh draws."""
    return load(
        options["data"],
        binarize=_binarize(options),
        validation=options["validation"],
        test=options["test"],
        seed=options["seed"],
        limit=options["limit"],
    )


def model_from_options(options: Mapping[str, Any], shape: tuple[int, ...]) -> VAE:
    """Builds the model; its parameters come from torch's global random state."""
    network = _network(options)
    if options["model"] == "gaussian":
        return GaussianVAE(shape, options["num_latents"], network, options["likelihood"])
    if options["model"] != "discrete":
        raise ValueError(f"`model` must be discrete or gaussian, got {options['model']!r}.")
    sizes = options["num_latents"], options["num_categories"]
    return DiscreteVAE(
        shape, *sizes, network, options["likelihood"], estimator=_estimator(options, *sizes)
    )


def training_from_options(options: Mapping[str, Any], **changes: Any) -> TrainingOptions:
    """Picks the options of the training loop."""
    names = {field.name for field in fields(TrainingOptions)}
    return TrainingOptions(**{k: v for k, v in options.items() if k in names} | changes)


def examples_from_options(options: Mapping[str, Any], data: str) -> tuple[Examples, Binarizer]:
    """Loads examples to look at: the test part of a named set, or a file of the user's, whole."""
    binarizer = BINARIZERS[_binarize(options)]
    if data in DATASETS:
        splits = data_from_options({**options, "data": data})
        return splits.test, binarizer
    examples, _ = read_file(data)
    return binarizer.prepare_evaluation(examples, generator("file", options["seed"])), binarizer


def _binarize(options: Mapping[str, Any]) -> str:
    return options["binarize"] or BINARIZE_FOR.get(options["likelihood"], "none")


def _network(options: Mapping[str, Any]) -> Network:
    network = resolve("network", options["network"], NETWORKS)
    for name, kind in (("widths", MLP), ("channels", CNN)):
        if options[name] is None:
            continue
        if options["network"] != kind.kind:
            raise ValueError(
                f"`{name}` must go with --network {kind.kind}, got {options['network']!r}."
            )
        network = kind(tuple(options[name]))
    return network


def _estimator(options: Mapping[str, Any], num_latents: int, num_categories: int) -> Estimator:
    given = {k: options[k] for k in ("samples", "baseline") if options[k] is not None}
    name = options["estimator"]
    if name == "auto":
        if given:
            raise ValueError(f"`{next(iter(given))}` must go with a named --estimator, got auto.")
        return recommended(num_latents, num_categories)
    try:
        return resolve("estimator", name, ESTIMATORS)(**given)
    except TypeError:
        raise ValueError(
            f"`{', '.join(given)}` must be an option of the estimator, and {name} has no such one."
        ) from None
