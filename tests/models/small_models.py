"""Models of every kind, small enough for all values of their latents to be gone through."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import torch
from torch import Tensor, nn

from discretevae.likelihoods import (
    ColumnsLikelihood,
    DiscretisedLogisticLikelihood,
    LevelsLikelihood,
    Likelihood,
    LocalBernoulliLikelihood,
    LogisticMixtureLikelihood,
    TokenLikelihood,
)
from discretevae.models import (
    VAE,
    BlockwiseVAE,
    DiscreteVAE,
    GaussianVAE,
    HierarchicalVAE,
    JointVAE,
)
from discretevae.models.semi_supervised import SemiSupervisedVAE
from discretevae.networks import CNN, MLP, ColumnsNetwork, Network, TextNetwork
from discretevae.priors import (
    AutoregressivePrior,
    BoltzmannPrior,
    CategoricalPrior,
    PixelCNNPrior,
    Prior,
    TransformerPrior,
)
from discretevae.schema.columns import BinaryColumn, CategoricalColumn, NumericColumn
from discretevae.schema.vocabulary import END, Vocabulary

PIXELS, FEATURES, CLASSES, LEVELS = 4, 3, 3, 4
BETA, ALPHA = 0.6, 2.0
MLP_ = MLP((3,), "leaky-relu")

TABLE = (
    NumericColumn("ash", 2.5, 0.5),
    BinaryColumn("strong", ("no", "yes")),
    CategoricalColumn("grape", ("A", "B", "C")),
    NumericColumn("hue", -1.0, 4.0),
    BinaryColumn("dark", ("no", "yes")),
)
VOCABULARY = Vocabulary(["a", "b"])


# Observations: what is seen, by which network, under which likelihood.


def shades(*batch: int) -> Tensor:
    return torch.rand(*batch, PIXELS, dtype=torch.float64)


def bits(*batch: int) -> Tensor:
    return shades(*batch).round()


def image_bits(*batch: int) -> Tensor:
    return torch.rand(*batch, 1, 2, 2, dtype=torch.float64).round()


def levels(*batch: int) -> Tensor:
    return torch.randint(LEVELS, (*batch, PIXELS)).double() / (LEVELS - 1)


def colours(*batch: int) -> Tensor:
    return torch.randint(LEVELS, (*batch, 3, 1, 1)).double() / (LEVELS - 1)


def reals(*batch: int) -> Tensor:
    return torch.randn(*batch, PIXELS, dtype=torch.float64)


def rows_of_a_table(*batch: int) -> Tensor:
    numbers = torch.tensor([2.5, -1.0]) + torch.randn(*batch, 2).double()
    yes, dark = torch.randint(2, (2, *batch, 1)).double().unbind(0)
    grape = torch.randint(3, (*batch, 1)).double()
    x = torch.cat([numbers[..., :1], yes, grape, numbers[..., 1:], dark], -1)
    missing = torch.rand(x.shape) < 0.4
    return x.masked_fill(missing, math.nan)


def sentences(*batch: int) -> Tensor:
    """Of 0 to 3 tokens, their end, and padding."""
    length = torch.randint(PIXELS, (*batch, 1))
    words = torch.randint(END + 1, VOCABULARY.size, (*batch, PIXELS))
    place = torch.arange(PIXELS)
    return words.where(place < length, (place == length).long() * END).double()


@dataclass(frozen=True)
class Observed:
    """One kind of observation."""

    draw: Callable[..., Tensor]
    likelihood: Callable[[], str | Likelihood]
    network: Network = MLP_
    shape: tuple[int, ...] = (PIXELS,)
    scale: float = 0.7
    """Of the weights: the less the more a network makes of what is observed."""


OBSERVED = {
    "bernoulli": Observed(bits, lambda: "bernoulli"),
    "bernoulli-grey": Observed(shades, lambda: "bernoulli-grey"),
    "continuous-bernoulli": Observed(shades, lambda: "continuous-bernoulli"),
    "gaussian": Observed(reals, lambda: "gaussian"),
    "discretised-logistic": Observed(
        levels, lambda: DiscretisedLogisticLikelihood(levels=LEVELS), scale=0.4
    ),
    "logistic-mixture": Observed(
        colours,
        lambda: LogisticMixtureLikelihood(3, components=2, levels=LEVELS),
        shape=(3, 1, 1),
        scale=0.4,
    ),
    "levels": Observed(levels, lambda: LevelsLikelihood(levels=LEVELS), scale=0.4),
    "columns": Observed(
        rows_of_a_table,
        lambda: ColumnsLikelihood(TABLE),
        ColumnsNetwork(TABLE, (3,)),
        (len(TABLE),),
        scale=0.4,
    ),
    "tokens": Observed(
        sentences,
        lambda: TokenLikelihood(VOCABULARY, PIXELS, features=3, width=3),
        TextNetwork(VOCABULARY.size, width=3, widths=(3,)),
    ),
    "local-bernoulli": Observed(
        image_bits,
        lambda: LocalBernoulliLikelihood(1, width=2, window=3, layers=1),
        CNN((2,)),
        (1, 2, 2),
    ),
    "image": Observed(image_bits, lambda: "bernoulli", CNN((2,)), (1, 2, 2)),
}


# Priors: by name, with the sizes of what they are of.

ESTIMATED = "boltzmann-estimated"
PRIORS: dict[str, Callable[[int, int], str | Prior]] = {
    "uniform": lambda d, k: "uniform",
    "learned": lambda d, k: "learned",
    "conditional": lambda d, k: "conditional",
    "categorical": lambda d, k: CategoricalPrior(torch.linspace(-1, 1, d * k).view(d, k)),
    "autoregressive": lambda d, k: AutoregressivePrior(d, k, widths=(3, 2)),
    "boltzmann": lambda d, k: "boltzmann",
    ESTIMATED: lambda d, k: BoltzmannPrior(d, k, chains=6, budget=1),
    "pixelcnn": lambda d, k: PixelCNNPrior(d, k, width=3, layers=2),
    "transformer": lambda d, k: TransformerPrior(d, k, width=4, layers=1),
}


# Models.


@dataclass(frozen=True)
class Kind:
    """One kind of model.

    Attributes:
        make: From shape, prior and what all kinds take.
        size: D and K of what the prior is of.
        context: Draws what the model is given beside the data.
        single: D and K of the same with one latent a variable: q can be the true posterior.
        make_single: Makes that, where it is made in another way.
        vector: Whether there is nothing but a Gaussian vector, whose prior is fixed.
        layered: Whether it has a KL of each layer.
        conditional: Whether its prior may rest on the context.
    """

    make: Callable[..., VAE]
    size: tuple[int, int] = (2, 2)
    context: Callable[..., Tensor] | None = None
    single: tuple[int, int] = (1, 3)
    make_single: Callable[..., VAE] | None = None
    vector: bool = False
    layered: bool = False
    conditional: bool = False

    def priors(self) -> list[str]:
        """Those that it can have."""
        if self.vector:
            return ["uniform"]
        return [name for name in PRIORS if name != "conditional" or self.conditional]


def vectors(*batch: int) -> Tensor:
    return torch.randn(*batch, FEATURES, dtype=torch.float64)


def images(*batch: int) -> Tensor:
    return torch.randn(*batch, 1, 2, 2, dtype=torch.float64)


def no_labels(*batch: int) -> Tensor:
    return torch.full((*batch, 1), -1.0, dtype=torch.float64)


def labels(*batch: int) -> Tensor:
    return torch.randint(CLASSES, (*batch, 1)).double()


def some_labels(*batch: int) -> Tensor:
    """Every other example has one."""
    known = torch.arange(math.prod(batch)).view(*batch, 1) % 2 == 0
    return labels(*batch).where(known, -1)


def flat(shape: Any, size: Any, prior: Any, **options: Any) -> VAE:
    return DiscreteVAE(shape, *size, prior=prior, **options)


def conditional(shape: Any, size: Any, prior: Any, **options: Any) -> VAE:
    return DiscreteVAE(shape, *size, prior=prior, context_shape=(FEATURES,), **options)


def conditional_on_images(shape: Any, size: Any, prior: Any, **options: Any) -> VAE:
    return DiscreteVAE(shape, *size, prior=prior, context_shape=(1, 2, 2), **options)


def embedded(shape: Any, size: Any, prior: Any, **options: Any) -> VAE:
    return DiscreteVAE(shape, *size, prior=prior, embedding_size=2, **options)


def vector(shape: Any, size: Any, prior: Any, estimator: Any = None, **options: Any) -> VAE:
    return GaussianVAE(shape, 1, **options)


def conditional_vector(shape: Any, size: Any, prior: Any, **options: Any) -> VAE:
    return vector(shape, size, prior, context_shape=(FEATURES,), **options)


def plane(shape: Any, size: Any, prior: Any, estimator: Any = None, **options: Any) -> VAE:
    return GaussianVAE(shape, 2, **options)


def joint(shape: Any, size: Any, prior: Any, **options: Any) -> VAE:
    return JointVAE(shape, *size, num_continuous=1, prior=prior, **options)


def conditional_joint(shape: Any, size: Any, prior: Any, **options: Any) -> VAE:
    return joint(shape, size, prior, context_shape=(FEATURES,), **options)


def layers(inference: str, *below: tuple[int, int]) -> Callable[..., VAE]:
    def make(shape: Any, size: Any, prior: Any, **options: Any) -> VAE:
        d, k = zip(*below, size, strict=True)
        return HierarchicalVAE(shape, d, k, prior=prior, inference=inference, **options)

    return make


def blocks(shape: Any, size: Any, prior: Any, **options: Any) -> VAE:
    return BlockwiseVAE(shape, *size, blocks=2, prior=prior, **options)


def conditional_blocks(shape: Any, size: Any, prior: Any, **options: Any) -> VAE:
    return blocks(shape, size, prior, context_shape=(FEATURES,), embedding_size=2, **options)


def labelled(shape: Any, size: Any, prior: Any, **options: Any) -> VAE:
    return SemiSupervisedVAE(shape, CLASSES, *size, prior=prior, alpha=ALPHA, **options)


def hierarchy(inference: str, *below: tuple[int, int]) -> Kind:
    single = layers(inference, *((1, k) for _, k in below))
    return Kind(layers(inference, *below), make_single=single, layered=True)


TWO, THREE = ((2, 2),), ((1, 2), (1, 3))

KINDS = {
    "flat": Kind(flat, (3, 2)),
    "flat, embedded": Kind(embedded, (2, 3)),
    "conditional": Kind(conditional, (2, 3), vectors, conditional=True),
    "conditional on images": Kind(conditional_on_images, context=images, conditional=True),
    "gaussian": Kind(vector, vector=True),
    "gaussian, conditional": Kind(conditional_vector, vector=True, context=vectors),
    "gaussian, two numbers": Kind(plane, vector=True),
    "joint": Kind(joint),
    "joint, conditional": Kind(conditional_joint, context=vectors, conditional=True),
    "two layers, top-down": hierarchy("top-down", *TWO),
    "two layers, bottom-up": hierarchy("bottom-up", *TWO),
    "three layers, top-down": hierarchy("top-down", *THREE),
    "three layers, bottom-up": hierarchy("bottom-up", *THREE),
    "blocks": Kind(blocks, (3, 2), single=(2, 2)),
    "blocks, conditional": Kind(
        conditional_blocks, (2, 2), vectors, single=(2, 2), conditional=True
    ),
    "semi-supervised, no labels": Kind(labelled, context=no_labels),
    "semi-supervised, labels": Kind(labelled, context=labels),
    "semi-supervised, some labels": Kind(labelled, context=some_labels),
}


@dataclass(frozen=True)
class Case:
    """A model to be made, in float64, far from uniform."""

    kind: str
    prior: str = "learned"
    likelihood: str = "bernoulli"

    def __str__(self) -> str:
        return f"{self.kind} / {self.prior} / {self.likelihood}"

    def model(self, single: bool = False, scale: float | None = None, **options: Any) -> Any:
        """Makes it; `single`: with one latent in each variable."""
        kind, observed = KINDS[self.kind], OBSERVED[self.likelihood]
        size = kind.single if single else kind.size
        options = {"estimator": "exact", "beta": BETA, "network": observed.network, **options}
        make = kind.make_single if single and kind.make_single else kind.make
        model = make(
            observed.shape,
            size,
            PRIORS[self.prior](*size),
            likelihood=observed.likelihood(),
            **options,
        ).double()
        scatter(model, scale or observed.scale)
        return model

    def data(self, *batch: int) -> tuple[Tensor, Tensor | None]:
        """Observations and what is given beside them."""
        context = KINDS[self.kind].context
        x = OBSERVED[self.likelihood].draw(*batch)
        return x, None if context is None else context(*batch)


def scatter(model: nn.Module, scale: float) -> None:
    """Puts all weights somewhere; those that an estimator learns too, as it may start anywhere."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=scale)


def chance_bound(values: Tensor, comparisons: int, false_alarm: float = 1e-6) -> Tensor:
    """How far the mean over the first dimension strays from the truth by chance."""
    quantile = NormalDist().inv_cdf(1 - false_alarm / 2 / comparisons)
    return quantile * values.std(0) / len(values) ** 0.5


def estimated(case: Case) -> bool:
    """Whether training estimates log Z."""
    return case.prior == ESTIMATED
