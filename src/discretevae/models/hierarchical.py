"""The VAE whose code has several layers of categorical latents, one the prior of the next."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.distributions import Distribution

from discretevae.estimators import Estimator, Exact, ReinMax, UnorderedSet
from discretevae.estimators.auto import FEW_LATENTS
from discretevae.estimators.multisample import MultiSampleEstimator
from discretevae.latents import (
    DEFAULT_BUDGET,
    EnumerationError,
    categorical,
    is_enumerable,
    require_sizes,
    to_codes,
    to_one_hot,
)
from discretevae.likelihoods import Likelihood
from discretevae.models.base import ROWS, VAE, at_least_float32, float32_island
from discretevae.models.discrete import estimator_kind
from discretevae.names import require_count, resolve
from discretevae.networks import Network
from discretevae.networks.conditioned import TRUNK_FEATURES
from discretevae.networks.mlp import perceptron
from discretevae.objectives import ELBO, free_bits
from discretevae.priors import FactorisedPrior, Prior, prior_from_config

__all__ = ["INFERENCES", "HierarchicalVAE"]

INFERENCES: dict[str, Callable[[int], Sequence[int]]] = {
    "top-down": lambda layers: range(layers)[::-1],
    "bottom-up": range,
}
"""Name → the order in which so many layers are inferred; layer 0 is nearest to the data."""

HIDDEN = 256
"""The most units of the perceptrons between layers."""
FEW_CODES = 16
"""Up to here "auto" enumerates a layer: no two examples share the work, as in a flat model."""

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
        network: A name in `NETWORKS` or a :class:`~discretevae.networks.Network`.
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

    Raises:
        ValueError: If there are fewer than two layers, a size is out of range, a name unknown, the
            prior does not fit the top layer, the estimator is one of a multi-sample bound, or
            `free_bits` is not 0 where the KL of a layer is estimated.

    Reference: Sønderby, Raiko, Maaløe, Sønderby & Winther, Ladder Variational Autoencoders, 2016;
    with discrete layers: Rolfe, Discrete Variational Autoencoders, 2017, section 3.

    Example:
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
        network: str | Network = "mlp",
        likelihood: str | Mapping[str, Any] | Likelihood = "bernoulli",
        estimator: str | Estimator = "auto",
        prior: str | Prior = "uniform",
        inference: str = "top-down",
        beta: float = 1.0,
        free_bits: float = 0.0,
    ) -> None:
        sizes = _sizes(num_latents, num_categories)
        widths = [d * k for d, k in sizes]
        features = max(1, min(TRUNK_FEATURES, 2 * math.prod(shape)))
        super().__init__(shape, network, likelihood, beta, features, sum(widths))
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
        self.closed = tuple(self._is_closed(layer) for layer in range(len(sizes)))
        if not (math.isfinite(free_bits) and free_bits >= 0):
            raise ValueError(f"`free_bits` must be a finite number of at least 0, got {free_bits}.")
        if free_bits and not all(self.closed):
            raise ValueError(
                "`free_bits` must be 0 where the KL of a layer is estimated, "
                f"got {free_bits}, {inference!r} and {type(prior).__name__}."
            )
        self.free_bits = free_bits
        self.estimator = LayerEstimators([_estimator(estimator, *size) for size in sizes])
        for layer, size in enumerate(sizes):
            self.estimator[layer].prepare(*size)

    def _is_closed(self, layer: int) -> bool:
        """Whether the KL of a layer has a closed form when the layer is inferred."""
        before = self.order[: self.order.index(layer)]
        if layer == self.top:
            return isinstance(self.prior, FactorisedPrior)
        return set(before) >= set(range(layer + 1, len(self.sizes)))

    def posterior_logits(
        self, layer: int, features: Float[Tensor, "*B F"], z: Layers
    ) -> Float[Tensor, "*SB D K"]:
        """Gives the unnormalised log q of a layer, given x and the layers inferred before."""
        return at_least_float32(self.posterior_networks[layer](_beside(features, *_flat(z))))

    def prior_logits(self, layer: int, z: Layers) -> Float[Tensor, "*SB D K"]:
        """Gives the unnormalised log p of a layer below the top, given all layers above it."""
        above = {other: z[other] for other in range(layer + 1, len(self.sizes))}
        return at_least_float32(self.prior_networks[layer](_beside(*_flat(above))))

    def log_prior(self, layer: int, z: Layers) -> Float[Tensor, "*SB"]:
        """Gives log p of the code of a layer given all layers above it, in nats."""
        if layer == self.top:
            return self.prior.log_prob(z[layer])
        return (z[layer] * self.prior_logits(layer, z).log_softmax(-1)).sum((-2, -1))

    def _cost(
        self, layer: int, logits: Float[Tensor, "*SB D K"], z: Layers
    ) -> Float[Tensor, "*SB D"]:
        """What each latent costs in closed form: its KL, or minus the entropy where p is open."""
        if not self.closed[layer]:
            return -categorical.entropy(logits)
        if layer == self.top:
            assert isinstance(self.prior, FactorisedPrior)
            return self.prior.kl(logits)
        return categorical.kl_divergence(logits, self.prior_logits(layer, z))

    def logits(
        self, x: Float[Tensor, "*B_and_shape"], context: Tensor | None = None
    ) -> Float[Tensor, "*B D K"]:
        """Gives the unnormalised log q of the layer inferred first, the one that sees x alone."""
        return self.posterior_logits(self.order[0], self._features(x, context), {})

    def posterior(
        self, x: Float[Tensor, "*B_and_shape"], context: Tensor | None = None
    ) -> Float[Tensor, "*B D K"]:
        """Gives the logits of the layer inferred first; those of the others depend on its code."""
        return self.logits(x, context)

    def embedding(
        self, x: Float[Tensor, "*B_and_shape"], context: Tensor | None = None
    ) -> Float[Tensor, "*B E"]:
        """Gives the probabilities of all classes of all layers, along the codes of `encode`."""
        _, logits = self._infer(x, _most_probable, context=context)
        return torch.cat([logits[layer].softmax(-1).flatten(-2) for layer in sorted(logits)], -1)

    def objective(
        self,
        x: Float[Tensor, "*B_and_shape"],
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Float[Tensor, "*B"]:
        """Estimates E_q[log p(x|z)] − β KL with the estimators' gradient, one inside the other."""
        self._require_some(x)
        return self._expectation(x, self._features(x, context), {}, generator)

    def _expectation(
        self,
        x: Float[Tensor, "*B_and_shape"],
        features: Float[Tensor, "*B F"],
        z: Layers,
        generator: torch.Generator | None,
    ) -> Float[Tensor, "*SB"]:
        """Estimates what is maximised over the layers left, given those inferred so far."""
        layer = self.order[len(z)]
        logits = self.posterior_logits(layer, features, z)
        f = _Inside(self, x, features, z, generator)
        cost = free_bits(self._cost(layer, logits, z), self.free_bits)
        return self.estimator[layer](f, logits, generator) - self.beta * cost

    def _infer(
        self,
        x: Float[Tensor, "*B_and_shape"],
        choose: Callable[[Tensor], Tensor],
        samples: tuple[int, ...] = (),
        context: Tensor | None = None,
    ) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
        """Chooses the codes of one layer after the other; also gives the logits they had."""
        features = self._features(x, context)
        z: dict[int, Tensor] = {}
        logits: dict[int, Tensor] = {}
        for layer in self.order:
            found = self.posterior_logits(layer, features, z)
            logits[layer] = found if z else found.expand(*samples, *found.shape)
            z[layer] = choose(logits[layer])
        return z, logits

    def _draw(
        self,
        x: Float[Tensor, "*B_and_shape"],
        samples: int,
        generator: torch.Generator | None,
        context: Tensor | None,
    ) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
        return self._infer(x, _drawn(generator), (samples,), context)

    def elbo_terms(
        self,
        x: Float[Tensor, "*B_and_shape"],
        samples: int = 1,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> ELBO:
        z, logits = self._draw(x, samples, generator, context)
        reconstruction = self.decode_one_hot(z).log_prob(x).mean(0)
        return ELBO(reconstruction, self._kl(z, logits).sum(-1).mean(0))

    def kl_per_layer(
        self,
        x: Float[Tensor, "*B_and_shape"],
        samples: int = 1,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Float[Tensor, "*B L"]:
        """Estimates without bias what each layer adds to the KL, in nats, from z_1 to z_L.

        .. math:: \\mathbb{E}_q[\\log q(z_l | …) - \\log p(z_l | z_{l+1}, …)]

        Top-down, each is an expected KL and at least 0; bottom-up, only their sum is.
        """
        return self._kl(*self._draw(x, samples, generator, context)).mean(0)

    def _kl(self, z: Layers, logits: Layers) -> Float[Tensor, "S *B L"]:
        """The KL of each layer, in closed form or its unbiased estimate from these samples."""
        kl = []
        for layer in range(len(self.sizes)):
            cost = self._cost(layer, logits[layer], z).sum(-1)
            kl.append(cost if self.closed[layer] else cost - self.log_prior(layer, z))
        return torch.stack(kl, -1)

    def log_weights(
        self,
        x: Float[Tensor, "*B_and_shape"],
        samples: int,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Float[Tensor, "S *B"]:
        z, logits = self._draw(x, samples, generator, context)
        log_w = self.decode_one_hot(z).log_prob(x)
        for layer in self.order:
            log_q = (z[layer] * logits[layer].log_softmax(-1)).sum((-2, -1))
            log_w = log_w + self.log_prior(layer, z) - log_q
        return log_w

    def log_likelihood(
        self,
        x: Float[Tensor, "*B_and_shape"],
        samples: int | None = None,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Float[Tensor, "*B"]:
        """Bounds log p(x) by S importance weights; without `samples`, exact where it can be.

        Up to 65,536 codes of all layers together are summed over; with more, S is 1000.
        """
        if samples is None and self.enumerable:
            return self.exact_log_likelihood(x, context=context)
        return super().log_likelihood(x, samples, generator, context)

    @property
    def enumerable(self) -> bool:
        """Whether the codes of all layers together fit the default budget of an enumeration."""
        return _num_codes(self.sizes, DEFAULT_BUDGET) is not None

    def exact_log_likelihood(
        self,
        x: Float[Tensor, "*B_and_shape"],
        budget: int = DEFAULT_BUDGET,
        context: Tensor | None = None,
    ) -> Float[Tensor, "*B"]:
        r"""Gives log p(x) itself, in nats, by summing over the codes of all layers.

        .. math:: \log p(x) = \log \sum_{z_1, …, z_L} p(z_1, …, z_L) \, p(x | z_1, …, z_L)

        Raises:
            EnumerationError: If the product of all K_l^D_l exceeds `budget`.
            ValueError: If `x` lies outside the support of the likelihood.
        """
        self._require_shape(x)
        self.likelihood.check(x)
        batch = tuple(x.shape[: x.ndim - len(self.shape)])
        self.describe_context(context, batch)
        parts = []
        for codes in self._all_codes(budget):
            z = self.to_layers(codes)
            h = self._decoded(_beside(*_flat(z)), None)
            log_p_z = torch.stack([self.log_prior(layer, z) for layer in z]).sum(0)
            with float32_island(h.device):
                log_p_x = self.likelihood.log_prob_pairs(h, x)
            parts.append((log_p_x + log_p_z.view(-1, *[1] * len(batch))).logsumexp(0))
        return torch.stack(parts).logsumexp(0)

    def _all_codes(self, budget: int) -> Iterator[Int[Tensor, "_ D"]]:
        """Yields the codes of all layers together in chunks."""
        count = _num_codes(self.sizes, budget)
        if count is None:
            product = " · ".join(f"{k}^{d}" for d, k in self.sizes)
            raise EnumerationError(
                f"`budget` must be at least {product} codes to enumerate them, got {budget}."
            )
        classes = [k for d, k in self.sizes for _ in range(d)]
        places = [math.prod(classes[i + 1 :]) for i in range(len(classes))]
        place, base = (torch.tensor(row, device=self.device) for row in (places, classes))
        for number in torch.arange(count, device=self.device).split(ROWS):
            yield number[:, None] // place % base

    def encode(
        self,
        x: Float[Tensor, "*B_and_shape"],
        sample: bool = False,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Int[Tensor, "*B D"]:
        """Gives class indices of all layers, z_1 first, the most probable of each layer in turn.

        They are most probable given the layers inferred before; or, if `sample`, drawn so.
        """
        z, _ = self._infer(x, _drawn(generator) if sample else _most_probable, context=context)
        return _to_codes(z)

    def decode(self, codes: Int[Tensor, "*B D"], context: Tensor | None = None) -> Distribution:
        """Gives p(x | codes); its `log_prob` is per example.

        Raises:
            ValueError: If `codes` does not end in the indices of all layers, z_1 first, each in
                [0, K_l).
        """
        self.describe_context(context, tuple(codes.shape[:-1]))
        return self.decode_one_hot(self.to_layers(codes))

    def decode_one_hot(self, z: Layers) -> Distribution:
        """Gives p(x | z) of one-hot codes of all layers, or of points of the simplex."""
        return self.likelihood(self._decoded(_beside(*_flat(z)), None))

    def to_layers(self, codes: Int[Tensor, "*B D"]) -> dict[int, Tensor]:
        """Splits class indices of all layers, z_1 first, into the one-hot code of each.

        Raises:
            ValueError: If `codes` has another number of indices, or one out of range.
        """
        total = sum(self.num_latents)
        if codes.ndim < 1 or codes.shape[-1] != total:
            raise ValueError(
                f"`codes` must end in {' + '.join(map(str, self.num_latents))} = {total} indices, "
                f"got {tuple(codes.shape)}."
            )
        parts = zip(codes.split(self.num_latents, -1), self.num_categories, strict=True)
        return {layer: to_one_hot(part, k, self.dtype) for layer, (part, k) in enumerate(parts)}

    def sample_codes(
        self,
        count: int,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Int[Tensor, "count D"]:
        require_count("count", count, 0)
        self.describe_context(context, (count,))
        top = self.prior.sample(count, generator)
        z = {self.top: to_one_hot(top, self.num_categories[-1], self.dtype)}
        for layer in reversed(range(self.top)):
            z[layer] = _drawn(generator)(self.prior_logits(layer, z))
        return _to_codes(z)

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


class _Inside:
    """f of one layer: log p(x|z) and log p where it is open, expected over the layers left."""

    def __init__(
        self,
        model: HierarchicalVAE,
        x: Tensor,
        features: Tensor,
        z: Layers,
        generator: torch.Generator | None,
    ) -> None:
        self.model, self.x, self.features, self.z = model, x, features, z
        self.generator = generator

    @property
    def context(self) -> Float[Tensor, "*SB C"]:
        """The data, flat, once for each code of the layers before: what a baseline may see."""
        flat = self.x.flatten(self.x.ndim - len(self.model.shape))
        before = [z.shape[:-2] for z in self.z.values()]
        return flat.expand(*torch.broadcast_shapes(flat.shape[:-1], *before), -1)

    def __call__(self, z: Float[Tensor, "S *B D K"]) -> Float[Tensor, "S *B"]:
        model = self.model
        known = {**self.z, model.order[len(self.z)]: z}
        if len(known) < len(model.sizes):
            return model._expectation(self.x, self.features, known, self.generator)
        value = model.decode_one_hot(known).log_prob(self.x)
        for layer, closed in enumerate(model.closed):
            if not closed:
                value = value + model.beta * model.log_prior(layer, known)
        return value


class LayerEstimators(nn.Module):
    """One estimator a layer; what the estimators learn is part of the state.

    Example:
        >>> LayerEstimators([ReinMax(), Exact()])[1]
        Exact(budget=65536)
    """

    def __init__(self, estimators: Sequence[Estimator]) -> None:
        super().__init__()
        self.layers = len(estimators)
        for layer, estimator in enumerate(estimators):
            self[layer] = estimator

    def __len__(self) -> int:
        return self.layers

    def __getitem__(self, layer: int) -> Estimator:
        return getattr(self, str(layer))

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


def _num_codes(sizes: Iterable[tuple[int, int]], budget: int) -> int | None:
    """Counts the codes of all layers together; None where they exceed the budget."""
    count = 1
    for d, k in sizes:
        if not is_enumerable(d, k, budget // count):
            return None
        count *= k**d
    return count


def _estimator(estimator: str | Estimator, num_latents: int, num_categories: int) -> Estimator:
    """Gives one layer an estimator of its own.

    Raises:
        ValueError: If it is one of a multi-sample bound, or an unknown name.
    """
    if estimator == "auto":
        if is_enumerable(num_latents, num_categories, FEW_CODES):
            return Exact()
        return UnorderedSet() if num_latents <= FEW_LATENTS else ReinMax()
    made = (
        estimator_kind(estimator, num_latents, num_categories)()
        if isinstance(estimator, str)
        else deepcopy(estimator)
    )
    if isinstance(made, MultiSampleEstimator):
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


def _beside(*parts: Float[Tensor, "..."]) -> Float[Tensor, "*SB F"]:
    """Puts vectors side by side, each repeated for the samples that it lacks."""
    batch = torch.broadcast_shapes(*(part.shape[:-1] for part in parts))
    return torch.cat([part.expand(*batch, -1) for part in parts], -1)


def _to_codes(z: Layers) -> Int[Tensor, "*B D"]:
    return torch.cat([to_codes(z[layer]) for layer in sorted(z)], -1)


def _most_probable(logits: Float[Tensor, "*B D K"]) -> Float[Tensor, "*B D K"]:
    return categorical.one_hot_argmax(logits)


def _drawn(generator: torch.Generator | None) -> Callable[[Tensor], Tensor]:
    return lambda logits: categorical.sample(logits, 1, generator)[0]
