"""The VAE whose code has several layers of categorical latents, one the prior of the next."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, ClassVar

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.distributions import Distribution

from discretevae.estimators import Estimator, recommended
from discretevae.estimators.gradient_estimator import GradientEstimator
from discretevae.latents import require_sizes
from discretevae.latents.variables import Categorical, Known, LogitsGiven, PriorAlone, beside
from discretevae.likelihoods import Likelihood
from discretevae.models.chain import Chain
from discretevae.models.coded import KINDS, estimator_name
from discretevae.models.vae import VAE, Context, Data, Draws, at_least_float32, require_floor
from discretevae.names import resolve
from discretevae.networks import Network
from discretevae.networks.conditioned import TRUNK_FEATURES
from discretevae.networks.mlp import perceptron
from discretevae.priors import Prior, prior_from_config

__all__ = ["INFERENCES", "HierarchicalVAE"]

INFERENCES: dict[str, Callable[[int], Sequence[int]]] = {
    "top-down": lambda layers: range(layers)[::-1],
    "bottom-up": range,
}
"""Name → the order in which so many layers are inferred; layer 0 is nearest to the data."""

HIDDEN = 256
"""The most units of the perceptrons between layers."""

Layers = Mapping[int, Tensor]
"""Layer → its code, (*SB, D, K); one inferred later may have more dimensions of samples."""


class HierarchicalVAE(VAE):
    r"""A VAE with L ≥ 2 layers of categorical latents, each given all layers above it.

    .. math:: p(x, z) = p(x | z_1, …, z_L) \, p(z_L) \prod_{l < L} p(z_l | z_{l+1}, …, z_L)

    Layer 1 is nearest to the data; layer l is D_l variables of K_l classes, independent given the
    layers above. The posterior infers one layer after the other, each from x and all layers
    before it:

    .. math:: q(z|x) = q(z_L|x) \, q(z_{L-1}|x, z_L) \cdots q(z_1 | x, z_2, …, z_L)
        \quad \text{top-down, or}

    .. math:: q(z|x) = q(z_1|x) \, q(z_2|x, z_1) \cdots q(z_L | x, z_1, …, z_{L-1})
        \quad \text{bottom-up}

    The objective nests one estimator in another: what is expected over the layer inferred first is
    itself an estimate over the next. Exact ones stay exact, unbiased ones unbiased, and a gradient
    through z passes through the posterior and the prior of the layers inferred later. A KL is in
    closed form where the layers above are known when the layer is inferred (top-down: all);
    elsewhere only the entropy is, and log p(z_l | …) is estimated with the likelihood.

    Arguments:
        shape: The shape of one observation, such as (784,) or (1, 28, 28).
        num_latents: D of each layer, listed from the data (z_1) to the top (z_L).
        num_categories: K of each layer in the same order, or one K for all.
        network: A name in `NETWORKS`, a :class:`~discretevae.networks.Network`, or "auto": what
            suits the likelihood.
        likelihood: A name in `LIKELIHOODS` or a :class:`~discretevae.likelihoods.Likelihood`.
        estimator: A name in `ESTIMATORS` or an :class:`~discretevae.estimators.Estimator`, of which
            every layer gets its own copy, or "auto": the best default for the size of each layer.
            One with N evaluations has all layers inferred later evaluated N times.
        prior: p(z_L): a name in `PRIORS` or a :class:`~discretevae.priors.Prior`.
        inference: A name in `INFERENCES`. Top-down trained better on binarised MNIST; bottom-up,
            a β that rose from 0.1 left layer and prior agreed on one constant code.
        beta: The weight of the KL in `objective`; never in `elbo`.
        free_bits: Nats that each latent of every layer may cost in `objective` before they count;
            never in `elbo`. For top-down inference under a factorised prior.
        encoder: A module of one's own in the place of the network's encoder; see
            :class:`~discretevae.networks.OwnNetwork`.
        decoder: The same of the decoder.

    Raises:
        ValueError: If there are fewer than two layers, a size is out of range, a name unknown, the
            prior does not fit the top layer, the estimator is one of a multi-sample bound, or
            `free_bits` is not 0 where the KL of a layer is estimated.

    Reference: Sønderby, Raiko, Maaløe, Sønderby & Winther, Ladder Variational Autoencoders, 2016;
    with discrete layers: Rolfe, Discrete Variational Autoencoders, 2017, section 3.

    Example:
        >>> import torch
        >>> model = HierarchicalVAE((784,), num_latents=(6, 3), num_categories=8)
        >>> x = torch.bernoulli(torch.full((5, 784), 0.2))
        >>> (-model.objective(x)).mean().backward()
        >>> model.elbo(x).shape, model.encode(x).shape
        (torch.Size([5]), torch.Size([5, 9]))
    """

    kind: ClassVar[str] = "HierarchicalVAE"

    def __init__(
        self,
        shape: Sequence[int],
        num_latents: Sequence[int] = (20, 10),
        num_categories: Sequence[int] | int = 10,
        network: str | Network = "auto",
        likelihood: str | Mapping[str, Any] | Likelihood = "bernoulli",
        estimator: str | Estimator = "auto",
        prior: str | Prior = "uniform",
        inference: str = "top-down",
        beta: float = 1.0,
        free_bits: float = 0.0,
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
    ) -> None:
        sizes = _sizes(num_latents, num_categories)
        widths = [d * k for d, k in sizes]
        features = max(1, min(TRUNK_FEATURES, 2 * math.prod(shape)))
        sizes_of_networks = features, sum(widths), None
        super().__init__(shape, network, likelihood, beta, *sizes_of_networks, encoder, decoder)
        self.sizes, self.top = sizes, len(sizes) - 1
        self.num_latents, self.num_categories = [d for d, _ in sizes], [k for _, k in sizes]
        self.inference = inference
        self.order = tuple(resolve("inference", inference, INFERENCES)(len(sizes)))
        self.posterior_networks, self.prior_networks = nn.ModuleList(), nn.ModuleList()
        for layer, size in enumerate(sizes):
            before = self.order[: self.order.index(layer)]
            known = features + sum(widths[other] for other in before)
            self.posterior_networks.append(nn.Sequential(nn.LeakyReLU(), *_to_logits(known, *size)))
        for layer, size in enumerate(sizes[:-1]):
            self.prior_networks.append(nn.Sequential(*_to_logits(sum(widths[layer + 1 :]), *size)))
        if isinstance(prior, str):
            prior = prior_from_config({"kind": prior}, *sizes[-1])
        if prior.shape != sizes[-1]:
            raise ValueError(
                f"`prior` must fit D × K = {sizes[-1][0]} × {sizes[-1][1]} of the top layer, "
                f"got {' × '.join(map(str, prior.shape))}."
            )
        self.prior = prior
        self.free_bits = require_floor(free_bits)
        self.with_estimator(estimator)
        self.require_trainable()

    def with_estimator(self, estimator: str | GradientEstimator) -> None:
        self.estimator = LayerEstimators([_estimator(estimator, *size) for size in self.sizes])
        for layer, size in enumerate(self.sizes):
            self.estimator[layer].prepare(*size)

    @property
    def estimators(self) -> tuple[Estimator, ...]:
        return tuple(self.estimator)

    def set_temperature(self, temperature: float) -> None:
        self.estimator = LayerEstimators([e.at_temperature(temperature) for e in self.estimator])

    @property
    def chain(self) -> Chain:
        layers = range(len(self.sizes))
        return Chain(
            variables=[self._variable(layer) for layer in self.order],
            order=[_name(layer) for layer in layers],
            generative=[_name(layer) for layer in reversed(layers)],
            decode=lambda known: self._decoded(beside(*_flat(_layers(known)))),
            likelihood=self.likelihood,
            beta=self.beta,
            free_bits=self.free_bits,
        )

    def _variable(self, layer: int) -> Categorical:
        prior = (
            PriorAlone(self.prior)
            if layer == self.top
            else LogitsGiven(
                lambda known: self.prior_logits(layer, _layers(known)), self._knows_prior(layer)
            )
        )
        return Categorical(
            name=_name(layer),
            sizes=self.sizes[layer],
            posterior=lambda known: self.posterior_logits(layer, known.features, _layers(known)),
            prior=prior,
            estimator=self.estimator[layer],
        )

    def _knows_prior(self, layer: int) -> bool:
        """Whether the layers above are known when this one is inferred."""
        before = self.order[: self.order.index(layer)]
        return set(before) >= set(range(layer + 1, len(self.sizes)))

    def posterior_logits(
        self, layer: int, features: Float[Tensor, "*B F"], z: Layers
    ) -> Float[Tensor, "*SB D K"]:
        """Gives the unnormalised log q of a layer, given x and the layers inferred before."""
        return at_least_float32(self.posterior_networks[layer](beside(features, *_flat(z))))

    def prior_logits(self, layer: int, z: Layers) -> Float[Tensor, "*SB D K"]:
        """Gives the unnormalised log p of a layer below the top, given all layers above it."""
        above = {other: z[other] for other in range(layer + 1, len(self.sizes))}
        return at_least_float32(self.prior_networks[layer](beside(*_flat(above))))

    def log_prior(self, layer: int, z: Layers) -> Float[Tensor, "*SB"]:
        """Gives log p of the code of a layer given all layers above it, in nats."""
        known = Known(values={_name(other): code for other, code in z.items()})
        return self._variable(layer).log_p(z[layer], known)

    def logits(self, x: Data, context: Context = None) -> Float[Tensor, "*B D K"]:
        """Gives the unnormalised log q of the layer inferred first, the one that sees x alone."""
        return self.posterior(x, context)

    def describe(self) -> str:
        layers = ", ".join(f"{d} of {k}" for d, k in self.sizes)
        return (
            f"layers of latents from the data to the top, {layers} categories, "
            f"{self.inference} inference, trained by {estimator_name(self.estimator[0])}"
        )

    def kl_per_layer(
        self, x: Data, samples: int = 1, generator: Draws = None, context: Context = None
    ) -> Float[Tensor, "*B L"]:
        """Estimates without bias what each layer adds to the KL, in nats, from z_1 to z_L.

        .. math:: \\mathbb{E}_q[\\log q(z_l | …) - \\log p(z_l | z_{l+1}, …)]

        Top-down, each is an expected KL and at least 0; bottom-up, only their sum is.
        """
        known = self.known(x, context)
        return self.chain.kl_per_variable(known, self._batch(x), samples, generator)

    def decode_one_hot(self, z: Layers) -> Distribution:
        """Gives p(x | z) of one-hot codes of all layers, or of points of the simplex."""
        return self.likelihood(self._decoded(beside(*_flat(z))))

    def to_layers(self, codes: Int[Tensor, "*B D"]) -> dict[int, Tensor]:
        """Splits class indices of all layers, z_1 first, into the one-hot code of each.

        Raises:
            ValueError: If `codes` has another number of indices, or one out of range.
        """
        return _layers(self.chain.values(codes, Known(), self.dtype))

    def architecture(self) -> dict[str, Any]:
        return {
            **self._architecture(),
            "num_latents": self.num_latents,
            "num_categories": self.num_categories,
            "prior": self.prior.config(),
            "inference": self.inference,
        }

    @classmethod
    def from_architecture(cls, config: dict[str, Any], **options: Any) -> "HierarchicalVAE":
        config = dict(config)
        top = _sizes(config["num_latents"], config.get("num_categories", ()))[-1]
        prior = prior_from_config(config.pop("prior", {}), *top)
        return super().from_architecture(config, prior=prior, **options)


class LayerEstimators(nn.Module):
    """One estimator a layer; what the estimators learn is part of the state.

    Example:
        >>> LayerEstimators([recommended(20, 10), recommended(1, 2)])[1]
        Exact(budget=65536)
    """

    multi_sample: ClassVar[bool] = False
    """Bounds of several samples do not nest."""

    def __init__(self, estimators: Sequence[Estimator]) -> None:
        super().__init__()
        self.layers = len(estimators)
        for layer, estimator in enumerate(estimators):
            self[layer] = estimator

    def __len__(self) -> int:
        return self.layers

    def __getitem__(self, layer: int) -> Estimator:
        return getattr(self, str(layer))

    def __iter__(self) -> Iterator[Estimator]:
        return (self[layer] for layer in range(self.layers))

    def __setitem__(self, layer: int, estimator: Estimator) -> None:
        setattr(self, str(layer), estimator)


def _sizes(
    num_latents: Sequence[int], num_categories: Sequence[int] | int
) -> tuple[tuple[int, int], ...]:
    """Pairs D and K of each layer."""
    if len(num_latents) < 2:
        raise ValueError(f"`num_latents` must list at least two layers, got {num_latents}.")
    if isinstance(num_categories, int):
        num_categories = [num_categories] * len(num_latents)
    if len(num_categories) != len(num_latents):
        raise ValueError(
            "`num_categories` must be one number, or one for each of the "
            f"{len(num_latents)} layers, got {num_categories}."
        )
    sizes = tuple((int(d), int(k)) for d, k in zip(num_latents, num_categories, strict=True))
    for size in sizes:
        require_sizes(*size)
    return sizes


def _estimator(
    estimator: str | GradientEstimator, num_latents: int, num_categories: int
) -> Estimator:
    """Gives one layer an estimator of its own.

    Raises:
        ValueError: If it is one of a multi-sample bound, or an unknown name.
    """
    if estimator == "auto":
        return recommended(num_latents, num_categories, shared=False)
    made = (
        resolve("estimator", estimator, KINDS)()
        if isinstance(estimator, str)
        else deepcopy(estimator)
    )
    if not isinstance(made, Estimator):
        raise ValueError(
            "`estimator` must estimate an expectation, which nests; a multi-sample bound does not: "
            f"got {type(made).__name__}."
        )
    return made


def _to_logits(inputs: int, num_latents: int, num_categories: int) -> list[nn.Module]:
    """Lists what makes the logits of a layer from all that it is given."""
    outputs = num_latents * num_categories
    width = min(HIDDEN, 2 * max(inputs, outputs))
    layers = perceptron([inputs, width, outputs], nn.LeakyReLU)
    return [*layers, nn.Unflatten(-1, (num_latents, num_categories))]


def _flat(z: Layers) -> list[Tensor]:
    """The codes as vectors, layer by layer from the data to the top."""
    return [z[layer].flatten(-2) for layer in sorted(z)]


def _name(layer: int) -> str:
    return f"z{layer + 1}"


def _layers(known: Known) -> dict[int, Tensor]:
    return {int(name[1:]) - 1: z for name, z in known.values.items()}
