"""Models as the options have them, for the data at hand."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch

from discretevae.data import Splits, num_classes
from discretevae.estimators import Estimator, Exact
from discretevae.estimators.multisample import MultiSampleEstimator
from discretevae.latents import EnumerationError, require_enumerable
from discretevae.models import (
    VAE,
    DiscreteVAE,
    GaussianVAE,
    HierarchicalVAE,
    JointVAE,
    SemiSupervisedVAE,
)
from discretevae.models.coded import KINDS, estimator_kind
from discretevae.names import resolve
from discretevae.networks import CNN, MLP, NETWORKS, ColumnsNetwork, Network, TextNetwork
from discretevae.schema.vocabulary import Vocabulary

__all__ = ["MODELS", "estimator_from_options", "model_from_options", "network_from_options"]

MOST_LATENTS = 16
"""Latents on which an estimator is tried before a run."""
OF_THE_ESTIMATOR = ("samples", "baseline", "temperature")
USUAL = {
    "estimator": "auto",
    "samples": None,
    "baseline": None,
    "temperature": None,
    "prior": "uniform",
    "free_bits": 0.0,
    "embedding_size": None,
    "upper_latents": None,
    "inference": None,
    "continuous": None,
    "labelled": None,
    "classifier": None,
    "alpha": None,
}
"""Options that not every model has → what they are where they are not used."""

Build = Callable[[Mapping[str, Any], dict[str, Any], Splits], VAE]


def model_from_options(options: Mapping[str, Any], data: Splits) -> VAE:
    """Builds the model for the data; its parameters come from torch's global random state.

    Raises:
        ValueError: If an option does not go with the model, or with the data.
    """
    common = {
        "shape": data.shape,
        "network": network_from_options(options, data.likelihood),
        "likelihood": options["likelihood"] if data.likelihood is None else data.likelihood,
    }
    context = data.train.context
    if context is not None and options["labelled"] is None:
        common["context_shape"] = tuple(context.shape[1:])
    return MODELS[options["model"]].build(options, common, data)


class _Kind:
    """What builds a model, and which of the options in `USUAL` it takes."""

    def __init__(self, build: Build, *options: str) -> None:
        self.build, self.options = build, options


def _discrete(options: Mapping[str, Any], common: dict[str, Any], data: Splits) -> VAE:
    return DiscreteVAE(**common, **_code(options), **_given(options, "embedding_size"))


def _gaussian(options: Mapping[str, Any], common: dict[str, Any], data: Splits) -> VAE:
    return GaussianVAE(**common, num_latents=options["num_latents"])


def _hierarchical(options: Mapping[str, Any], common: dict[str, Any], data: Splits) -> VAE:
    if "context_shape" in common:
        raise ValueError("`condition` must be none with --model hierarchical.")
    layers = [options["num_latents"], *options["upper_latents"]]
    code = {**_code(options), "num_latents": layers}
    return HierarchicalVAE(**common, **code, **_given(options, "inference"))


def _joint(options: Mapping[str, Any], common: dict[str, Any], data: Splits) -> VAE:
    given = _given(options, "embedding_size")
    return JointVAE(**common, **_code(options), **given, num_continuous=options["continuous"])


def _semi_supervised(options: Mapping[str, Any], common: dict[str, Any], data: Splits) -> VAE:
    code = _code(options)
    del code["free_bits"]
    given = _given(options, "alpha")
    if options["classifier"] is not None:
        given["classifier"] = resolve("classifier", options["classifier"], NETWORKS)
    return SemiSupervisedVAE(**common, **code, **given, num_classes=num_classes(data))


CODE = ("estimator", "samples", "baseline", "temperature", "prior")
MODELS: dict[str, _Kind] = {
    "discrete": _Kind(_discrete, *CODE, "free_bits", "embedding_size"),
    "gaussian": _Kind(_gaussian),
    "hierarchical": _Kind(_hierarchical, *CODE, "free_bits", "upper_latents", "inference"),
    "joint": _Kind(_joint, *CODE, "free_bits", "embedding_size", "continuous"),
    "semi-supervised": _Kind(_semi_supervised, *CODE, "labelled", "classifier", "alpha"),
}
"""Name → model."""
NEEDED = {
    "hierarchical": {"upper_latents": "the latents of the layers above the first"},
    "joint": {"continuous": "how many Gaussian latents there are"},
    "semi-supervised": {"labelled": "how many labels are given"},
}
"""Model → options that it does not do without."""


def require_options_of(model: str, options: Mapping[str, Any]) -> None:
    """Refuses options of another model, and asks for those that this one needs.

    Raises:
        ValueError: Naming the option.
    """
    kind = resolve("model", model, MODELS)
    for name, usual in USUAL.items():
        if name not in kind.options and options[name] != usual:
            takers = ", ".join(other for other, k in MODELS.items() if name in k.options)
            raise ValueError(
                f"`{name}` must go with --model {takers}, got {options[name]!r} and {model}."
            )
    for name, what in NEEDED.get(model, {}).items():
        if options[name] is None:
            raise ValueError(f"`{name}` must be given with --model {model}: {what}, got none.")


def estimator_from_options(
    options: Mapping[str, Any],
) -> Estimator | MultiSampleEstimator | None:
    """Builds the estimator; a model without a discrete code has none."""
    if "estimator" not in MODELS[options["model"]].options:
        return None
    given = {k: options[k] for k in OF_THE_ESTIMATOR if options[k] is not None}
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


def network_from_options(
    options: Mapping[str, Any], likelihood: Mapping[str, Any] | None = None
) -> Network:
    """Builds the network; that of sentences and tables knows what the data are made of."""
    if likelihood is not None:
        return OWN_NETWORKS[likelihood["kind"]](options, likelihood)
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


def _text_network(options: Mapping[str, Any], likelihood: Mapping[str, Any]) -> Network:
    size = Vocabulary.from_config(likelihood["vocabulary"]).size
    return TextNetwork(size, options["network"], likelihood["width"])


def _columns_network(options: Mapping[str, Any], likelihood: Mapping[str, Any]) -> Network:
    widths = {} if options["widths"] is None else {"widths": tuple(options["widths"])}
    return ColumnsNetwork(tuple(likelihood["columns"]), **widths, hidden=options["hidden_cells"])


OWN_NETWORKS: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any]], Network]] = {
    "tokens": _text_network,
    "columns": _columns_network,
}
"""Likelihood → the network of its data."""


def _code(options: Mapping[str, Any]) -> dict[str, Any]:
    """What all models with a discrete code take."""
    names = "num_latents", "num_categories", "prior", "free_bits"
    return {name: options[name] for name in names} | {"estimator": estimator_from_options(options)}


def _given(options: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The options that were given; the others have the model's own defaults."""
    return {name: options[name] for name in names if options[name] is not None}


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
