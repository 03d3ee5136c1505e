"""From options, which are plain, to objects: the data, the model and how to train it."""

import inspect
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from discretevae.data import (
    BINARIZERS,
    DATASETS,
    Examples,
    Splits,
    generator,
    load,
    read_file,
)
from discretevae.estimators import Estimator, Exact
from discretevae.latents import EnumerationError, require_enumerable
from discretevae.likelihoods import LIKELIHOODS
from discretevae.models import VAE, DiscreteVAE, GaussianVAE
from discretevae.models.discrete import KINDS, estimator_kind
from discretevae.multisample import MultiSampleEstimator
from discretevae.names import resolve
from discretevae.networks import CNN, MLP, NETWORKS, Network
from discretevae.training import TrainingOptions
from discretevae.training.module import require_unweighted

__all__ = [
    "Shown",
    "data_from_options",
    "estimator_from_options",
    "model_from_options",
    "resolve_options",
    "shown",
    "shown_from_options",
    "training_from_options",
]

BINARIZE_FOR = {"bernoulli": "fresh"}
"""Likelihood → the binarisation it gets unless another is asked for."""
MOST_LATENTS = 16
"""Latents on which an estimator is tried before a run."""
OF_THE_ESTIMATOR = ("samples", "baseline", "temperature")


def resolve_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Names what `auto` and options left out stand for; refuses what does not go together.

    Nothing is loaded, so that a mistake shows before a download.

    Raises:
        ValueError: Naming the option, what it must be, and what was given.
    """
    resolve("model", options["model"], dict.fromkeys(("discrete", "gaussian"), True))
    resolve("likelihood", options["likelihood"], LIKELIHOODS)
    training_from_options(options)
    resolved = {
        **options,
        "data": _data_name(options["data"]),
        "activation": _network(options).config()["activation"],
        "binarize": _binarize(options),
    }
    estimator = estimator_from_options(options)
    if estimator is None:
        return resolved
    require_unweighted(estimator, options["beta"])
    name = next(name for name, kind in KINDS.items() if type(estimator) is kind)
    return {**resolved, "estimator": name, "samples": getattr(estimator, "samples", None)}


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
    sizes = options["num_latents"], options["num_categories"]
    network, likelihood = _network(options), options["likelihood"]
    estimator = estimator_from_options(options)
    if estimator is None:
        return GaussianVAE(shape, options["num_latents"], network, likelihood)
    return DiscreteVAE(shape, *sizes, network, likelihood, estimator=estimator)


def training_from_options(options: Mapping[str, Any], **changes: Any) -> TrainingOptions:
    """Picks the options of the training loop."""
    names = {field.name for field in fields(TrainingOptions)}
    return TrainingOptions(**{k: v for k, v in options.items() if k in names} | changes)


class Shown(NamedTuple):
    """Examples to look at: as they were given, and as the model sees them."""

    originals: Examples
    examples: Examples


def shown_from_options(options: Mapping[str, Any], data: str | None) -> Shown:
    """Loads examples to look at: those held out from the run or a named set, or a whole file."""
    if data is None or data in DATASETS:
        return shown(data_from_options({**options, "data": data or options["data"]}))
    originals, _ = read_file(data)
    stream = generator("file", options["seed"])
    return Shown(originals, BINARIZERS[_binarize(options)].prepare_evaluation(originals, stream))


def shown(data: Splits) -> Shown:
    """Gives the test examples, or the training ones where there are none."""
    if len(data.test):
        return Shown(data.test if data.originals is None else data.originals, data.test)
    stream = generator("observed", 0)
    return Shown(data.train, data.binarizer.prepare_evaluation(data.train, stream))


def estimator_from_options(
    options: Mapping[str, Any],
) -> Estimator | MultiSampleEstimator | None:
    """Builds the estimator; a model that is not discrete has none."""
    given = {k: options[k] for k in OF_THE_ESTIMATOR if options[k] is not None}
    if options["model"] != "discrete":
        _refuse_given({**given, "estimator": options["estimator"]}, options["model"])
        return None
    sizes = options["num_latents"], options["num_categories"]
    kind = estimator_kind(options["estimator"], *sizes)
    for name in given.keys() - inspect.signature(kind).parameters.keys():
        takers = [n for n, k in KINDS.items() if name in inspect.signature(k).parameters]
        raise ValueError(
            f"`{name}` must go with an --estimator that has it ({', '.join(takers)}), "
            f"got {options['estimator']}."
        )
    if kind is Exact:
        _require_enumerable(*sizes)
    options = {k: v for k, v in given.items() if k != "temperature"}  # that has a schedule
    _require_takes(kind(**options), *sizes)
    return kind(**options)


def _require_takes(
    estimator: Estimator | MultiSampleEstimator, num_latents: int, num_categories: int
) -> None:
    """Has an estimator refuse sizes outside its theory now, not in the first step of a run.

    A few latents stand for many: sizes that the memory does not hold are the model's to refuse.
    """
    if not isinstance(estimator, Exact):
        logits = torch.zeros(1, min(num_latents, MOST_LATENTS), num_categories)
        estimator(lambda z: z.sum((-2, -1)), logits)


def _require_enumerable(num_latents: int, num_categories: int) -> None:
    try:
        require_enumerable(num_latents, num_categories)
    except EnumerationError as error:
        raise ValueError(f"`estimator` must be another than exact: {error}") from None


def _refuse_given(given: Mapping[str, Any], model: str) -> None:
    for name, value in given.items():
        if value != "auto":
            raise ValueError(f"`{name}` must go with --model discrete, got {value!r} and {model}.")


def _binarize(options: Mapping[str, Any]) -> str:
    likelihood = options["likelihood"]
    name = options["binarize"] or BINARIZE_FOR.get(likelihood, "none")
    if resolve("binarize", name, BINARIZERS).binary and likelihood != "bernoulli":
        raise ValueError(
            f"`binarize` must be none with the {likelihood} likelihood, which is of values that "
            f"are not binary, got {name!r}."
        )
    return name


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
    given = options["activation"]
    return network if given is None else replace(network, activation=given)


def _data_name(data: str) -> str:
    """Keeps a name; makes a path absolute, so that the run can be used from everywhere."""
    path = Path(data).expanduser()
    return str(path.resolve()) if data not in DATASETS and path.exists() else data
