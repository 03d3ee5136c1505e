"""From options, which are plain, to objects: the data, the model and how to train it."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from discretevae.data import (
    BINARIZERS,
    CONDITIONS,
    DATASETS,
    Examples,
    Splits,
    class_context,
    generator,
    load,
    num_classes,
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
from discretevae.priors import PRIORS
from discretevae.training import TrainingOptions
from discretevae.training.module import require_unweighted

__all__ = [
    "Contexts",
    "Shown",
    "contexts_from_options",
    "contexts_of",
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
CONTEXTS = 8
"""Contexts that are shown where they are no classes."""
OF_THE_ESTIMATOR = ("samples", "baseline", "temperature")
OF_THE_CODE = (
    ("estimator", "auto"),
    ("prior", "uniform"),
    ("free_bits", 0.0),
    ("embedding_size", None),
)
"""Options that a model without a discrete code has at their defaults."""


def resolve_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Names what `auto` and options left out stand for; refuses what does not go together.

    Nothing is loaded, so that a mistake shows before a download.

    Raises:
        ValueError: Naming the option, what it must be, and what was given.
    """
    resolve("model", options["model"], MODELS)
    resolve("condition", options["condition"], CONDITIONS)
    resolve("prior", options["prior"], PRIORS)
    if options["prior"] == "conditional" and options["condition"] == "none":
        raise ValueError("`prior` conditional must go with a --condition, got none.")
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
        condition=options["condition"],
    )


def model_from_options(options: Mapping[str, Any], data: Splits) -> VAE:
    """Builds the model for the data; its parameters come from torch's global random state."""
    context = data.train.context
    common = {
        "shape": data.shape,
        "network": _network(options),
        "likelihood": options["likelihood"],
        "context_shape": None if context is None else tuple(context.shape[1:]),
    }
    return MODELS[options["model"]](options, common)


def _discrete(options: Mapping[str, Any], common: dict[str, Any]) -> DiscreteVAE:
    names = "num_latents", "num_categories", "prior", "free_bits", "embedding_size"
    given = {name: options[name] for name in names}
    estimator = estimator_from_options(options)
    assert estimator is not None
    return DiscreteVAE(**common, **given, estimator=estimator)


def _gaussian(options: Mapping[str, Any], common: dict[str, Any]) -> GaussianVAE:
    return GaussianVAE(**common, num_latents=options["num_latents"])


MODELS: dict[str, Callable[[Mapping[str, Any], dict[str, Any]], VAE]] = {
    "discrete": _discrete,
    "gaussian": _gaussian,
}
"""Name → model, of the options and what the data say."""


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
    originals = _conditioned_alike(read_file(data)[0], options)
    stream = generator("file", options["seed"])
    return Shown(originals, BINARIZERS[_binarize(options)].prepare_evaluation(originals, stream))


def _conditioned_alike(examples: Examples, options: Mapping[str, Any]) -> Examples:
    """Gives the examples of a file the contexts that the run's data have."""
    if options["condition"] != "labels":
        return examples if options["condition"] == "context" else replace(examples, context=None)
    if examples.labels is None:
        raise ValueError("`data` must have labels for a model conditioned on them, got none.")
    classes = num_classes(data_from_options(options))
    return replace(examples, context=class_context(examples.labels, classes, "`data`: labels"))


class Contexts(NamedTuple):
    """Conditions to sample under, and what to call them; a single None without a condition."""

    values: Sequence[Tensor | None]
    names: Sequence[str]


def contexts_from_options(options: Mapping[str, Any], given: str | None, model: VAE) -> Contexts:
    """Reads a context as the command line has it: a class, or a .npy file.

    Raises:
        ValueError: If the model has no condition, or the context does not suit it.
    """
    if model.context_shape is None:
        if given is not None:
            raise ValueError(f"`context` must go with a conditional run, got {given!r}.")
        return Contexts([None], [""])
    if given is not None and given.endswith(".npy"):
        return _contexts_of_file(given, model.context_shape)
    data = data_from_options(options)
    if options["condition"] != "labels":
        if given is not None:
            raise ValueError(f"`context` must be a .npy file, got {given!r}.")
        return contexts_of(shown(data).examples, None)
    found = contexts_of(shown(data).examples, data.classes)
    if given is None:
        return found
    names = list(found.names)
    if given not in names:
        raise ValueError(f"`context` must be one of {', '.join(names)}, got {given!r}.")
    return Contexts([found.values[names.index(given)]], [given])


def contexts_of(examples: Examples, classes: Sequence[str] | None) -> Contexts:
    """Gives every class, where contexts are classes, else the contexts of the first examples."""
    assert examples.context is not None
    if examples.labels is not None and _one_hot(examples.context):
        count = examples.context.shape[1]
        names = classes or [str(i) for i in range(count)]
        return Contexts(list(torch.eye(count)), list(names))
    values = list(examples.context[:CONTEXTS])
    return Contexts(values, [f"context {i + 1}" for i in range(len(values))])


def _one_hot(context: Tensor) -> bool:
    return context.ndim == 2 and bool((context.sum(1) == 1).all() and (context.amax(1) == 1).all())


def _contexts_of_file(path: str, shape: tuple[int, ...]) -> Contexts:
    try:
        array = np.load(path, allow_pickle=False)
        values = torch.from_numpy(np.asarray(array, dtype=np.float32))
    except (OSError, ValueError) as error:
        raise ValueError(f"`context` must be a .npy file of numbers, got {path}: {error}") from None
    values = values[None] if tuple(values.shape) == shape else values
    if tuple(values.shape[1:]) != shape or not bool(values.isfinite().all()):
        raise ValueError(
            f"`context` must hold finite numbers of shape {shape}, one or several, "
            f"got {tuple(array.shape)}."
        )
    return Contexts(list(values), [f"context {i + 1}" for i in range(len(values))])


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
        unlike = {name: options[name] for name, usual in OF_THE_CODE if options[name] != usual}
        _refuse_given({**given, **unlike}, options["model"])
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
