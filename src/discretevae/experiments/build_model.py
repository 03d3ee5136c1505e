"""Models as a recipe has them, for the data at hand."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from discretevae.data import Splits, num_classes
from discretevae.data.budget import require_memory
from discretevae.estimators import Exact
from discretevae.estimators.gradient_estimator import GradientEstimator
from discretevae.experiments.build_data import FORMATS
from discretevae.experiments.recipe import Recipe
from discretevae.latents import EnumerationError, require_enumerable
from discretevae.latents.quantisers import QUANTISERS, size_of_group
from discretevae.likelihoods import likelihood_from_config
from discretevae.models import (
    VAE,
    BlockwiseVAE,
    DiscreteVAE,
    GaussianVAE,
    HierarchicalVAE,
    JointVAE,
    QuantisedVAE,
    SemiSupervisedVAE,
    TwoLevelVAE,
)
from discretevae.models.blockwise import USUAL_ESTIMATOR
from discretevae.models.coded import KINDS, estimator_kind
from discretevae.names import require_count, resolve
from discretevae.networks import CNN, MLP, NETWORKS, Network, ResidualNetwork
from discretevae.priors import UniformPrior, is_over_grids

__all__ = [
    "MODELS",
    "Kind",
    "build_estimator",
    "build_model",
    "build_network",
    "require_room",
]

LARGE = 2**14
"""Numbers of an observation, a code or a layer, from which weights are counted before."""
COPIES = 4
"""Of each weight in training: itself, its gradient, and two of the optimiser."""

MOST_LATENTS = 16
"""Latents on which an estimator is tried before a run."""
OF_THE_ESTIMATOR = ("samples", "baseline", "temperature")

Build = Callable[[Recipe, dict[str, Any], Splits], VAE]


@dataclass(frozen=True)
class Kind:
    """What builds a model, and which options are its own.

    Arguments:
        build: (recipe, what all models take, data) → the model.
        takes: Options that not every model has.
        layers: Whether it chooses an estimator for each of several layers, where none is named.
        needs: Such options that it does not do without, and what they are.
        defaults: What it has where nothing is asked for, in the place of what suits the data.
        of_images: Such defaults that only images have.
        lacks: Options of others that follow from its own.
    """

    build: Build
    takes: tuple[str, ...] = ()
    layers: bool = False
    needs: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    of_images: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()

    @property
    def options(self) -> tuple[str, ...]:
        """All that are its own."""
        return (*self.takes, *self.needs)


def build_model(recipe: Recipe, data: Splits) -> VAE:
    """Builds the model for the data; its parameters come from torch's global random state.

    Raises:
        ValueError: If an option does not go with the model, or with the data.
    """
    common = {
        "shape": data.shape,
        "network": build_network(recipe, data.likelihood),
        "likelihood": recipe.likelihood if data.likelihood is None else data.likelihood,
    }
    context = data.train.context
    if context is not None and recipe.labelled is None:
        common["context_shape"] = tuple(context.shape[1:])
    return MODELS[recipe.model].build(recipe, common, data)


def require_room(recipe: Recipe, data: Splits) -> None:
    """Refuses a model whose training does not fit into memory, before any of it is taken.

    Raises:
        DataError: Naming its weights and what would make it smaller.
    """
    if recipe.num_latents is None:  # its network has as many weights for a large image
        return
    values, code = math.prod(data.shape), math.prod(_sizes(recipe))
    if max(values, code, *(recipe.widths or ())) < LARGE:
        return
    if recipe.accelerator not in ("auto", "cpu") or torch.cuda.is_available():
        return
    described = str(recipe.likelihood) if data.likelihood is None else data.likelihood
    network = build_network(recipe, data.likelihood)
    with torch.device("meta"):  # which has no memory
        likelihood = likelihood_from_config(described, len(data.shape))
        read = network.encoder(data.shape, code)
        write = network.decoder(code, likelihood.output_shape(data.shape))
        weights = sum(w.numel() for part in (likelihood, read, write) for w in part.parameters())
    rows = min(recipe.batch_size or 1, len(data.train))
    require_memory(
        4 * (COPIES * weights + 2 * rows * values),
        f"the training of {weights:,} weights, in batches of {rows},",
        "; --size makes pictures smaller, --batch-size batches, and there is another --network "
        "and narrower --widths",
    )


def _discrete(recipe: Recipe, common: dict[str, Any], data: Splits) -> VAE:
    code = {**common, **_code(recipe), **_given(recipe, "embedding_size")}
    if recipe.posterior_blocks is None:
        return DiscreteVAE(**code)
    require_count("posterior_blocks", recipe.posterior_blocks)
    return BlockwiseVAE(**code, blocks=recipe.posterior_blocks)


def _gaussian(recipe: Recipe, common: dict[str, Any], data: Splits) -> VAE:
    return GaussianVAE(**common, num_latents=_sizes(recipe)[0])


def _hierarchical(recipe: Recipe, common: dict[str, Any], data: Splits) -> VAE:
    if "context_shape" in common:
        raise ValueError("`condition` must be none with --model hierarchical.")
    layers = [_sizes(recipe)[0], *(recipe.upper_latents or ())]
    code = {**_code(recipe), "num_latents": layers}
    return HierarchicalVAE(**common, **code, **_given(recipe, "inference"))


def _joint(recipe: Recipe, common: dict[str, Any], data: Splits) -> VAE:
    given = _given(recipe, "embedding_size")
    return JointVAE(**common, **_code(recipe), **given, num_continuous=recipe.continuous or 0)


def _semi_supervised(recipe: Recipe, common: dict[str, Any], data: Splits) -> VAE:
    code = _code(recipe)
    del code["free_bits"]
    given = _given(recipe, "alpha")
    if recipe.classifier is not None:
        given["classifier"] = resolve("classifier", recipe.classifier, NETWORKS)
    return SemiSupervisedVAE(**common, **code, **given, num_classes=num_classes(data))


def _quantised(quantiser: str) -> Build:
    def build(recipe: Recipe, common: dict[str, Any], data: Splits) -> VAE:
        given = {**_on_a_grid(recipe, common), **_given(recipe, "num_quantisers", "groups")}
        made: str | dict[str, Any] = quantiser
        if own := _given(recipe, "gradient"):
            dim = size_of_group(given.get("dim", VECTOR_SIZE), given.get("groups", 1))
            made = {"kind": quantiser, "num_codes": given["num_codes"], "dim": dim, **own}
        return QuantisedVAE(**given, quantiser=made)

    return build


def _two_level(recipe: Recipe, common: dict[str, Any], data: Splits) -> VAE:
    return TwoLevelVAE(**_on_a_grid(recipe, common))


def _on_a_grid(recipe: Recipe, common: Mapping[str, Any]) -> dict[str, Any]:
    """What all models of quantised vectors take."""
    _require_unconditional(recipe, common)
    found = {**common, "network": _grid_network(recipe, common), "rate": recipe.rate}
    found["num_codes"] = recipe.codebook or CODEBOOK
    if recipe.code_size is not None:
        found["dim"] = recipe.code_size
    if recipe.prior != "auto":
        found["prior"] = recipe.prior
    return found


def _drawn(recipe: Recipe, common: dict[str, Any], data: Splits) -> VAE:
    """A categorical latent at each position of a grid; of sq all share a codebook."""
    _require_unconditional(recipe, common)
    network = _grid_network(recipe, common)
    grid = network.grid(data.shape)
    if grid is None:
        raise ValueError(f"`network` must have a grid, as residual has, got {recipe.network!r}.")
    code = _code(recipe)
    if is_over_grids(code["prior"]):
        code["prior"] = {"kind": code["prior"], "grids": [grid]}
    code |= {"num_latents": math.prod(grid), "num_categories": recipe.codebook or CODEBOOK}
    if recipe.model == "sq":
        code["codebook_size"] = recipe.code_size or CODE_SIZE
    return DiscreteVAE(**{**common, "network": network}, **code)


def _grid_network(recipe: Recipe, common: Mapping[str, Any]) -> Network:
    """The network, between images and a grid as many times smaller as is asked for."""
    network = common["network"]
    if recipe.down is None:
        return network
    if recipe.network != ResidualNetwork.kind:
        raise ValueError(f"`down` must go with --network residual, got {recipe.network!r}.")
    return replace(network, down=recipe.down)


def _require_unconditional(recipe: Recipe, common: Mapping[str, Any]) -> None:
    if "context_shape" in common:
        raise ValueError(f"`condition` must be none with --model {recipe.model}.")


CODEBOOK, VECTOR_SIZE, CODE_SIZE, POSITIONS = 512, 64, 16, 64
"""K; E of a codebook; E of one whose codes are drawn; about how many positions a grid has."""
SIZES = ("num_latents", "num_categories")
CODE = ("estimator", "samples", "baseline", "temperature", "prior")
GRID = ("codebook", "code_size", "down")
OWN = {"vq": ("gradient",)}
"""Name → what one quantiser alone takes."""
OF_GRIDS: dict[str, Any] = {
    "network": "residual",
    "codebook": CODEBOOK,
    "optimizer": "adam",
    "learning_rate": 2e-3,
    **dict.fromkeys(SIZES),
}
"""What models of a grid have by default; D × K follow from image and codebook. Their weights
are those of convolutions, which Muon leaves to Adam, at a rate that is high for them."""
MODELS: dict[str, Kind] = {
    "discrete": Kind(_discrete, (*CODE, "free_bits", "embedding_size", "posterior_blocks")),
    "gaussian": Kind(_gaussian),
    "hierarchical": Kind(
        _hierarchical,
        (*CODE, "free_bits", "inference"),
        layers=True,
        needs={"upper_latents": "the latents of the layers above the first"},
    ),
    "joint": Kind(
        _joint,
        (*CODE, "free_bits", "embedding_size"),
        needs={"continuous": "how many Gaussian latents there are"},
    ),
    "semi-supervised": Kind(
        _semi_supervised,
        (*CODE, "classifier", "alpha"),
        needs={"labelled": "how many labels are given"},
    ),
    **{
        name: Kind(
            _quantised(name),
            (*GRID, "num_quantisers", "groups", *OWN.get(name, ()), "prior", "rate"),
            defaults=OF_GRIDS,
            of_images=("network",),
            lacks=SIZES,
        )
        for name in QUANTISERS
    },
    "two-level": Kind(_two_level, (*GRID, "prior", "rate"), defaults=OF_GRIDS, lacks=SIZES),
    "sq": Kind(_drawn, (*CODE, "free_bits", *GRID), defaults=OF_GRIDS, lacks=SIZES),
    "gumbel-vq": Kind(
        _drawn,
        (*CODE, "free_bits", "codebook", "down"),
        defaults={**OF_GRIDS, "estimator": "gumbel-softmax"},
        lacks=SIZES,
    ),
}
"""Name → model."""


def build_estimator(recipe: Recipe) -> GradientEstimator | None:
    """Builds the estimator; none where the model has no discrete code, or chooses by itself."""
    kind_of_model, given = MODELS[recipe.model], _given(recipe, *OF_THE_ESTIMATOR)
    if "estimator" not in kind_of_model.options:
        return None
    if kind_of_model.layers and recipe.estimator == "auto" and not given:
        return None
    sizes, name = _sizes(recipe), recipe.estimator
    if recipe.posterior_blocks is not None:
        sizes = -(-sizes[0] // max(1, recipe.posterior_blocks)), sizes[1]
        name = USUAL_ESTIMATOR if name == "auto" else name
    kind = estimator_kind(name, *sizes)
    for name in given.keys() - inspect.signature(kind).parameters.keys():
        takers = [n for n, k in KINDS.items() if name in inspect.signature(k).parameters]
        raise ValueError(
            f"`{name}` must go with an --estimator that has it ({', '.join(takers)}), "
            f"got {recipe.estimator}."
        )
    if kind is Exact:
        _require_enumerable(*sizes)
    options = {k: v for k, v in given.items() if k != "temperature"}  # that has a schedule
    _require_takes(kind(**options), *sizes)
    return kind(**options)


def build_network(recipe: Recipe, likelihood: Mapping[str, Any] | None = None) -> Network:
    """Builds the network; that of sentences and tables knows what the data are made of."""
    if likelihood is not None:
        return FORMATS[likelihood["kind"]].network(recipe, likelihood)
    network: Any = resolve("network", str(recipe.network), NETWORKS)
    for name, sizes, kind in (("widths", recipe.widths, MLP), ("channels", recipe.channels, CNN)):
        if sizes is None:
            continue
        if recipe.network != kind.kind:
            raise ValueError(
                f"`{name}` must go with --network {kind.kind}, got {recipe.network!r}."
            )
        network = kind(tuple(sizes))
    given = _given(recipe, "activation")
    if given and "activation" not in network.config():
        raise ValueError(
            f"`activation` must be left out with --network {recipe.network}, "
            f"got {recipe.activation!r}."
        )
    found: Network = replace(network, **given)
    return found


def _sizes(recipe: Recipe) -> tuple[int, int]:
    """D and K of a recipe that is resolved; of a grid, about."""
    if recipe.num_latents is None or recipe.num_categories is None:
        return POSITIONS, recipe.codebook or CODEBOOK
    return recipe.num_latents, recipe.num_categories


def _code(recipe: Recipe) -> dict[str, Any]:
    """What all models with a discrete code take."""
    given = _given(recipe, "num_latents", "num_categories", "free_bits")
    prior = UniformPrior.kind if recipe.prior == "auto" else recipe.prior
    return given | {"prior": prior, "estimator": build_estimator(recipe) or "auto"}


def _given(recipe: Recipe, *names: str) -> dict[str, Any]:
    """The options that were given; the others have the model's own defaults."""
    found = {name: getattr(recipe, name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _require_takes(estimator: GradientEstimator, num_latents: int, num_categories: int) -> None:
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
