"""The VAE with D independent categorical latents of K classes."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.distributions import Distribution

from discretevae.estimators import ESTIMATORS, Estimator, recommended
from discretevae.estimators.exact import values_at_codes
from discretevae.estimators.multisample import MULTISAMPLE_ESTIMATORS, MultiSampleEstimator
from discretevae.latents import (
    DEFAULT_BUDGET,
    categorical,
    code_chunks,
    is_enumerable,
    require_sizes,
    to_one_hot,
)
from discretevae.likelihoods import Likelihood
from discretevae.models.base import ROWS, VAE, float32_island
from discretevae.names import require_count, resolve
from discretevae.networks import Network, network_from_config
from discretevae.networks.conditioned import LatentEmbedding, context_network
from discretevae.objectives import ELBO, beta_elbo, free_bits
from discretevae.priors import FactorisedPrior, Prior, prior_from_config

__all__ = ["KINDS", "DiscreteVAE", "estimator_kind"]

KINDS: dict[str, type[Estimator] | type[MultiSampleEstimator]] = {
    **ESTIMATORS,
    **MULTISAMPLE_ESTIMATORS,
}
"""Both families by name: what trains a model."""


class DiscreteVAE(VAE):
    r"""A VAE whose code is D categorical variables of K classes each.

    .. math:: \log p(x) \ge \mathbb{E}_{q(z|x)}[\log p(x|z)] - \mathrm{KL}(q(z|x) \| p(z)),
        \qquad q(z|x) = \prod_d \mathrm{Cat}(z_d; \mathrm{softmax}(l_d(x)))

    Arguments:
        shape: The shape of one observation, such as (784,) or (1, 28, 28).
        num_latents: D ≥ 1.
        num_categories: K ≥ 2.
        network: A name in `NETWORKS` or a :class:`~discretevae.networks.Network`.
        likelihood: A name in `LIKELIHOODS` or a :class:`~discretevae.likelihoods.Likelihood`.
        estimator: A name in `ESTIMATORS`, an :class:`~discretevae.estimators.Estimator`, or
            "auto": exact while the enumeration is cheap, else the best default measured. One of
            `MULTISAMPLE_ESTIMATORS` has `objective` train the S-sample bound instead.
        prior: p(z), or p(z|c): a name in `PRIORS` or a :class:`~discretevae.priors.Prior`. Where
            the latents are not independent under it, the KL is estimated from the same samples,
            without bias: the bound stays a true one.
        beta: The weight of the KL in `objective`; never in `elbo`. 1 with a multi-sample
            estimator: its bound has no KL term.
        free_bits: Nats that each latent may cost in `objective` before they count; never in
            `elbo`. For factorised priors.
        context_shape: Of what p(x|c) depends on, such as (10,) for one-hot labels; none for p(x).
        embedding_size: Numbers of the learned vector by which each category reaches the decoder;
            by default it is one-hot.

    Raises:
        ValueError: If a size is out of range, a name unknown, the prior does not fit D × K,
            `beta` is not 1 or `free_bits` not 0 with a multi-sample estimator, or `free_bits` not
            0 with a prior whose KL is estimated.

    Reference: Jeffares & Liu, An Introduction to Discrete Variational Autoencoders, 2025.

    Example:
        >>> model = DiscreteVAE((784,), num_latents=4, num_categories=8, network="tutorial")
        >>> x = torch.bernoulli(torch.full((5, 784), 0.2))
        >>> (-model.objective(x)).mean().backward()
        >>> model.elbo(x).shape, model.encode(x).shape
        (torch.Size([5]), torch.Size([5, 4]))
    """

    kind: ClassVar[str] = "DiscreteVAE"

    def __init__(
        self,
        shape: Sequence[int],
        num_latents: int = 4,
        num_categories: int = 8,
        network: str | Network = "mlp",
        likelihood: str | Mapping[str, Any] | Likelihood = "bernoulli",
        estimator: str | Estimator | MultiSampleEstimator = "auto",
        prior: str | Prior = "uniform",
        beta: float = 1.0,
        free_bits: float = 0.0,
        context_shape: Sequence[int] | None = None,
        embedding_size: int | None = None,
    ) -> None:
        require_sizes(num_latents, num_categories)
        features = num_latents * num_categories
        if embedding_size is not None:
            require_count("embedding_size", embedding_size)
        decoded = features if embedding_size is None else num_latents * embedding_size
        super().__init__(shape, network, likelihood, beta, features, decoded, context_shape)
        self.num_latents, self.num_categories = num_latents, num_categories
        self.embedding_size = embedding_size
        self.code = (
            nn.Flatten(-2)
            if embedding_size is None
            else LatentEmbedding(num_latents, num_categories, embedding_size)
        )
        if not (math.isfinite(free_bits) and free_bits >= 0):
            raise ValueError(f"`free_bits` must be a finite number of at least 0, got {free_bits}.")
        self.free_bits = free_bits
        if isinstance(prior, str):
            prior = prior_from_config(
                {"kind": prior}, num_latents, num_categories, self.context_features
            )
        self.prior = prior
        if self.prior.shape != (num_latents, num_categories):
            raise ValueError(
                f"`prior` must fit D × K = {num_latents} × {num_categories}, "
                f"got {' × '.join(map(str, self.prior.shape))}."
            )
        if isinstance(estimator, str):
            estimator = estimator_kind(estimator, num_latents, num_categories)()
        self.estimator: Estimator | MultiSampleEstimator = estimator
        if isinstance(estimator, Estimator):
            estimator.prepare(num_latents, num_categories)
        self._require_trainable()

    def logits(
        self, x: Float[Tensor, "*B_and_shape"], context: Tensor | None = None
    ) -> Float[Tensor, "*B D K"]:
        """Gives the unnormalised log q(z|x)."""
        return self._features(x, context).unflatten(-1, (self.num_latents, self.num_categories))

    def posterior(
        self, x: Float[Tensor, "*B_and_shape"], context: Tensor | None = None
    ) -> Float[Tensor, "*B D K"]:
        """Gives the parameters of q(z|x): its logits."""
        return self.logits(x, context)

    def embedding(
        self, x: Float[Tensor, "*B_and_shape"], context: Tensor | None = None
    ) -> Float[Tensor, "*B DK"]:
        """Gives the probabilities of all classes of all latents."""
        return self.logits(x, context).softmax(-1).flatten(-2)

    def objective(
        self,
        x: Float[Tensor, "*B_and_shape"],
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Float[Tensor, "*B"]:
        """Estimates what is maximised, with the estimator's gradient.

        E_q[log p(x|z)] − β KL, or the S-sample bound where the estimator is one of that. Under a
        prior that is not factorised the estimator is given log p(x|z) + β log p(z), and β times
        the entropy of q is added in closed form.

        Raises:
            ValueError: If `beta` is not 1 or `free_bits` not 0 with a multi-sample estimator.
        """
        self._require_trainable()
        self._require_some(x)
        logits = self.logits(x, context)
        f = self._log_likelihood_of(x, context)
        if isinstance(self.estimator, MultiSampleEstimator):
            joint = LogJoint(f, log_prior=self.prior.trained_log_prob)
            log_w = lambda z: joint(z) - categorical.log_prob(z, logits)  # noqa: E731
            return self.estimator(log_w, logits, generator)
        if isinstance(self.prior, FactorisedPrior):
            kl = self.prior.kl(logits, f.features)
            of_prior = self.prior.kl(logits.detach(), f.features) if self.free_bits else None
            costs = free_bits(kl, self.free_bits, of_prior)
            return beta_elbo(self.estimator(f, logits, generator), costs, self.beta)
        entropy = categorical.entropy(logits).sum(-1)
        joint = LogJoint(f, self.beta, self.prior.trained_log_prob)
        return self.estimator(joint, logits, generator) + self.beta * entropy

    def elbo_terms(
        self,
        x: Float[Tensor, "*B_and_shape"],
        samples: int = 1,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> ELBO:
        logits = self.logits(x, context)
        z = categorical.sample(logits, samples, generator)
        f = self._log_likelihood_of(x, context)
        return ELBO(f(z).mean(0), self._kl(z, logits, f.features))

    def _kl(
        self,
        z: Float[Tensor, "S *B D K"],
        logits: Float[Tensor, "*B D K"],
        features: Float[Tensor, "*B C"] | None,
    ) -> Float[Tensor, "*B"]:
        """KL(q ‖ p), in closed form or its unbiased estimate from these samples of q."""
        if isinstance(self.prior, FactorisedPrior):
            return self.prior.kl(logits, features).sum(-1)
        log_prior = self.prior.log_prob(z, features).mean(0)
        return -categorical.entropy(logits).sum(-1) - log_prior

    def log_weights(
        self,
        x: Float[Tensor, "*B_and_shape"],
        samples: int,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Float[Tensor, "S *B"]:
        logits = self.logits(x, context)
        z = categorical.sample(logits, samples, generator)
        return self._log_weight(z, self._log_likelihood_of(x, context), logits)

    def _log_weight(
        self,
        z: Float[Tensor, "S *B D K"],
        f: "ConditionalLogLikelihood",
        logits: Float[Tensor, "*B D K"],
    ) -> Float[Tensor, "S *B"]:
        """Gives log w = log p(x, z) − log q(z|x), with the graph to `logits`."""
        return LogJoint(f)(z) - categorical.log_prob(z, logits)

    def log_likelihood(
        self,
        x: Float[Tensor, "*B_and_shape"],
        samples: int | None = None,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Float[Tensor, "*B"]:
        """Bounds log p(x) by S importance weights; without `samples`, exact where K^D allows.

        Up to 65,536 codes are summed over, of sentences 64; where there are more, S is 1000.
        """
        if samples is None and self.enumerable:
            return self.exact_log_likelihood(x, context=context)
        return super().log_likelihood(x, samples, generator, context)

    @property
    def enumerable(self) -> bool:
        """Whether all K^D codes are as few as the likelihood is cheaply evaluated at."""
        return is_enumerable(self.num_latents, self.num_categories, self.likelihood.cheap_codes)

    def exact_log_likelihood(
        self,
        x: Float[Tensor, "*B_and_shape"],
        budget: int = DEFAULT_BUDGET,
        context: Tensor | None = None,
    ) -> Float[Tensor, "*B"]:
        r"""Gives log p(x) itself, in nats, by summing over all codes.

        .. math:: \log p(x) = \log \sum_z p(z) p(x | z)

        Raises:
            EnumerationError: If K^D exceeds `budget`.
            ValueError: If `x` lies outside the support of the likelihood.
        """
        self._require_shape(x)
        self.likelihood.check(x)
        f = self._log_likelihood_of(x, context)
        batch = x.shape[: x.ndim - len(self.shape)]
        rows = 1 if f.features is None else max(1, batch.numel())
        sizes = self.num_latents, self.num_categories
        like = torch.zeros((), dtype=self.dtype, device=x.device).expand(*batch, *sizes)
        total: Tensor | None = None
        for codes in code_chunks(*sizes, max(1, ROWS // rows), budget, x.device):
            part = values_at_codes(LogJoint(f), codes, like).logsumexp(0)
            total = part if total is None else torch.logaddexp(total, part)
        assert total is not None
        return total

    def encode(
        self,
        x: Float[Tensor, "*B_and_shape"],
        sample: bool = False,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Int[Tensor, "*B D"]:
        logits = self.logits(x, context)
        return (
            categorical.sample(logits, 1, generator)[0].argmax(-1) if sample else logits.argmax(-1)
        )

    def decode(self, codes: Int[Tensor, "*B D"], context: Tensor | None = None) -> Distribution:
        """Gives p(x | codes); its `log_prob` is per example.

        Raises:
            ValueError: If `codes` does not end in D indices of [0, K).
        """
        if codes.ndim < 1 or codes.shape[-1] != self.num_latents:
            raise ValueError(
                f"`codes` must end in D = {self.num_latents}, got {tuple(codes.shape)}."
            )
        z = to_one_hot(codes, self.num_categories, self.dtype)
        return self.decode_one_hot(z, self.describe_context(context, tuple(codes.shape[:-1])))

    def decode_one_hot(
        self, z: Float[Tensor, "*SB D K"], features: Float[Tensor, "*B C"] | None = None
    ) -> Distribution:
        """Gives p(x | z) of one-hot codes, or of points of the simplex where a method relaxes.

        Arguments:
            z: The codes.
            features: Of the context, as `describe_context` gives them.
        """
        return self.likelihood(self._decoded(self.code(z), features))

    def sample_codes(
        self,
        count: int,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Int[Tensor, "count D"]:
        require_count("count", count, 0)
        return self.prior.sample(count, generator, self.describe_context(context, (count,)))

    def architecture(self) -> dict[str, Any]:
        found = {
            **self._architecture(),
            "num_latents": self.num_latents,
            "num_categories": self.num_categories,
            "prior": self.prior.config(),
        }
        if self.embedding_size is not None:
            found["embedding_size"] = self.embedding_size
        return found

    @classmethod
    def from_architecture(cls, config: dict[str, Any], **options: Any) -> "DiscreteVAE":
        config = dict(config)
        sizes = config["num_latents"], config.get("num_categories", 0)
        network, shape = network_from_config(config["network"]), config.get("context_shape")
        features = 0 if shape is None else context_network(network, tuple(shape))[1]
        prior = config.pop("prior")
        prior = {"kind": prior} if isinstance(prior, str) else prior  # as once written
        return super().from_architecture(
            config, prior=prior_from_config(prior, *sizes, features), **options
        )

    def _log_likelihood_of(
        self, x: Float[Tensor, "*B_and_shape"], context: Tensor | None
    ) -> "ConditionalLogLikelihood":
        batch = tuple(x.shape[: x.ndim - len(self.shape)])
        features = self.describe_context(context, batch)
        return (LogLikelihood if features is None else ConditionalLogLikelihood)(self, x, features)

    def _require_trainable(self) -> None:
        multi_sample = isinstance(self.estimator, MultiSampleEstimator)
        if multi_sample and self.beta != 1:
            raise ValueError(
                "`beta` must be 1 with a multi-sample estimator, whose bound has no KL to weigh, "
                f"got {self.beta} and {type(self.estimator).__name__}."
            )
        if self.free_bits and (multi_sample or not isinstance(self.prior, FactorisedPrior)):
            with_ = self.estimator if multi_sample else self.prior
            raise ValueError(
                "`free_bits` must be 0 where the objective has no KL of each latent, "
                f"got {self.free_bits} and {type(with_).__name__}."
            )


class ConditionalLogLikelihood:
    """f(z) = log p(x | z, c) of a batch: what the estimators are given."""

    def __init__(
        self, model: DiscreteVAE, x: Tensor, features: Float[Tensor, "*B C"] | None = None
    ) -> None:
        self.model, self.x, self.features = model, x, features

    @property
    def context(self) -> Float[Tensor, "*B C"]:
        """The data, flat: what a learned baseline may see; 0 where a cell is missing."""
        return self.x.flatten(self.x.ndim - len(self.model.shape)).nan_to_num()

    def __call__(self, z: Float[Tensor, "S *B D K"]) -> Float[Tensor, "S *B"]:
        return self.model.decode_one_hot(z, self.features).log_prob(self.x)


class LogLikelihood(ConditionalLogLikelihood):
    """f(z) = log p(x | z) of a batch: a code is decoded once for all its examples."""

    def at_codes(self, z: Float[Tensor, "S D K"]) -> Float[Tensor, "S *B"]:
        """Decodes each code once and pairs it with every example."""
        h = self.model._decoded(self.model.code(z), None)
        with float32_island(h.device):
            return self.model.likelihood.log_prob_pairs(h, self.x)


class LogJoint:
    """f(z) = log p(x | z) + β log p(z), where the prior couples the latents."""

    def __init__(
        self,
        f: ConditionalLogLikelihood,
        beta: float = 1.0,
        log_prior: Callable[..., Tensor] | None = None,
    ) -> None:
        self.f, self.beta = f, beta
        self.log_prior = f.model.prior.log_prob if log_prior is None else log_prior
        if hasattr(f, "at_codes"):
            self.at_codes = self._at_codes

    @property
    def context(self) -> Float[Tensor, "*B C"]:
        """The data, flat: what a learned baseline may see."""
        return self.f.context

    def __call__(self, z: Float[Tensor, "S *B D K"]) -> Float[Tensor, "S *B"]:
        return self.f(z) + self.beta * self.log_prior(z, self.f.features)

    def _at_codes(self, z: Float[Tensor, "S D K"]) -> Float[Tensor, "S *B"]:
        log_p_x = self.f.at_codes(z)  # type: ignore[attr-defined]
        log_prior = self.log_prior(z)
        return log_p_x + self.beta * log_prior.view(-1, *[1] * (log_p_x.ndim - 1))


def estimator_kind(
    name: str, num_latents: int, num_categories: int
) -> type[Estimator] | type[MultiSampleEstimator]:
    """Looks a name up in both families; "auto" is what these sizes ask for.

    Raises:
        UnknownNameError: Naming the nearest known name and all of them.

    Example:
        >>> estimator_kind("vimco", 4, 8).__name__, estimator_kind("auto", 4, 8).__name__
        ('VIMCO', 'UnorderedSet')
    """
    auto = type(recommended(num_latents, num_categories))
    return resolve("estimator", name, {"auto": auto, **KINDS})
