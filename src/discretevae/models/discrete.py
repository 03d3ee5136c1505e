"""The VAE with D independent categorical latents of K classes."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.distributions import Distribution

from discretevae import categorical
from discretevae.estimators import ESTIMATORS, Estimator, recommended
from discretevae.latents import (
    DEFAULT_BUDGET,
    code_chunks,
    is_enumerable,
    require_sizes,
    to_one_hot,
)
from discretevae.likelihoods import Likelihood
from discretevae.models.base import ROWS, VAE, at_least_float32, float32_island
from discretevae.multisample import MULTISAMPLE_ESTIMATORS, MultiSampleEstimator
from discretevae.names import resolve
from discretevae.networks import Network
from discretevae.objectives import ELBO, beta_elbo
from discretevae.priors import Prior, UniformPrior

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
        prior: p(z); uniform where none is given.
        beta: The weight of the KL in `objective`; never in `elbo`. 1 with a multi-sample
            estimator: its bound has no KL term.

    Raises:
        ValueError: If a size is out of range, a name unknown, the prior does not fit D × K, or
            `beta` is not 1 with a multi-sample estimator.

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
        likelihood: str | Likelihood = "bernoulli",
        estimator: str | Estimator | MultiSampleEstimator = "auto",
        prior: Prior | None = None,
        beta: float = 1.0,
    ) -> None:
        require_sizes(num_latents, num_categories)
        features = num_latents * num_categories
        super().__init__(shape, network, likelihood, beta, features, features)
        self.num_latents, self.num_categories = num_latents, num_categories
        self.prior = UniformPrior(num_latents, num_categories) if prior is None else prior
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

    def logits(self, x: Float[Tensor, "*B_and_shape"]) -> Float[Tensor, "*B D K"]:
        """Gives the unnormalised log q(z|x)."""
        return self._features(x).unflatten(-1, (self.num_latents, self.num_categories))

    def posterior(self, x: Float[Tensor, "*B_and_shape"]) -> Float[Tensor, "*B D K"]:
        """Gives the parameters of q(z|x): its logits."""
        return self.logits(x)

    def embedding(self, x: Float[Tensor, "*B_and_shape"]) -> Float[Tensor, "*B DK"]:
        """Gives the probabilities of all classes of all latents."""
        return self.logits(x).softmax(-1).flatten(-2)

    def objective(
        self, x: Float[Tensor, "*B_and_shape"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "*B"]:
        """Estimates what is maximised, with the estimator's gradient.

        E_q[log p(x|z)] − β KL, or the S-sample bound where the estimator is one of that.

        Raises:
            ValueError: If `beta` is not 1 with a multi-sample estimator.
        """
        self._require_trainable()
        logits = self.logits(x)
        if isinstance(self.estimator, MultiSampleEstimator):
            return self.estimator(lambda z: self._log_weight(z, x, logits), logits, generator)
        reconstruction = self.estimator(LogLikelihood(self, x), logits, generator)
        return beta_elbo(reconstruction, self.prior.kl(logits).sum(-1), self.beta)

    def elbo_terms(
        self,
        x: Float[Tensor, "*B_and_shape"],
        samples: int = 1,
        generator: torch.Generator | None = None,
    ) -> ELBO:
        logits = self.logits(x)
        z = categorical.sample(logits, samples, generator)
        reconstruction = LogLikelihood(self, x)(z).mean(0)
        return ELBO(reconstruction, self.prior.kl(logits).sum(-1))

    def log_weights(
        self,
        x: Float[Tensor, "*B_and_shape"],
        samples: int,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "S *B"]:
        logits = self.logits(x)
        return self._log_weight(categorical.sample(logits, samples, generator), x, logits)

    def _log_weight(
        self,
        z: Float[Tensor, "S *B D K"],
        x: Float[Tensor, "*B_and_shape"],
        logits: Float[Tensor, "*B D K"],
    ) -> Float[Tensor, "S *B"]:
        """Gives log w = log p(x, z) − log q(z|x), with the graph to `logits`."""
        log_joint = LogLikelihood(self, x)(z) + self.prior.log_prob(z)
        return log_joint - categorical.log_prob(z, logits)

    def log_likelihood(
        self,
        x: Float[Tensor, "*B_and_shape"],
        samples: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*B"]:
        """Bounds log p(x) by S importance weights; without `samples`, exact where K^D allows.

        Up to 65,536 codes are summed over; where there are more, S is 1000.
        """
        if samples is None and self.enumerable:
            return self.exact_log_likelihood(x)
        return super().log_likelihood(x, samples, generator)

    @property
    def enumerable(self) -> bool:
        """Whether all K^D codes fit the default budget of an enumeration."""
        return is_enumerable(self.num_latents, self.num_categories)

    def exact_log_likelihood(
        self, x: Float[Tensor, "*B_and_shape"], budget: int = DEFAULT_BUDGET
    ) -> Float[Tensor, "*B"]:
        r"""Gives log p(x) itself, in nats, by summing over all codes.

        .. math:: \log p(x) = \log \sum_z p(z) p(x | z)

        Raises:
            EnumerationError: If K^D exceeds `budget`.
            ValueError: If `x` lies outside the support of the likelihood.
        """
        self._require_shape(x)
        self.likelihood.check(x)
        f = LogLikelihood(self, x)
        total: Tensor | None = None
        for codes in code_chunks(self.num_latents, self.num_categories, ROWS, budget, x.device):
            z = to_one_hot(codes, self.num_categories, self.dtype)
            prior = self.prior.log_prob_of_codes(codes)
            log_joint = f.at_codes(z) + prior.view(-1, *[1] * (x.ndim - len(self.shape)))
            part = log_joint.logsumexp(0)
            total = part if total is None else torch.logaddexp(total, part)
        assert total is not None
        return total

    def encode(
        self,
        x: Float[Tensor, "*B_and_shape"],
        sample: bool = False,
        generator: torch.Generator | None = None,
    ) -> Int[Tensor, "*B D"]:
        logits = self.logits(x)
        return (
            categorical.sample(logits, 1, generator)[0].argmax(-1) if sample else logits.argmax(-1)
        )

    def decode(self, codes: Int[Tensor, "*B D"]) -> Distribution:
        """Gives p(x | codes); its `log_prob` is per example.

        Raises:
            ValueError: If `codes` does not end in D indices in [0, K).
        """
        if codes.ndim < 1 or codes.shape[-1] != self.num_latents:
            raise ValueError(
                f"`codes` must end in D = {self.num_latents}, got {tuple(codes.shape)}."
            )
        return self.decode_one_hot(to_one_hot(codes, self.num_categories, self.dtype))

    def decode_one_hot(self, z: Float[Tensor, "*B D K"]) -> Distribution:
        """Gives p(x | z) of one-hot codes, or of points of the simplex where a method relaxes."""
        return self.likelihood(at_least_float32(self.decoder(z.flatten(-2))))

    def sample_codes(
        self, count: int, generator: torch.Generator | None = None
    ) -> Int[Tensor, "count D"]:
        return self.prior.sample(count, generator)

    def architecture(self) -> dict[str, Any]:
        return {
            "shape": list(self.shape),
            "num_latents": self.num_latents,
            "num_categories": self.num_categories,
            "network": self.network.config(),
            "likelihood": self.likelihood_config(),
            "prior": self.prior.kind,
        }

    def _require_trainable(self) -> None:
        if isinstance(self.estimator, MultiSampleEstimator) and self.beta != 1:
            raise ValueError(
                "`beta` must be 1 with a multi-sample estimator, whose bound has no KL to weigh, "
                f"got {self.beta} and {type(self.estimator).__name__}."
            )


class LogLikelihood:
    """f(z) = log p(x | z) of a batch: what the estimators are given."""

    def __init__(self, model: DiscreteVAE, x: Tensor) -> None:
        self.model, self.x = model, x

    @property
    def context(self) -> Float[Tensor, "*B C"]:
        """The data, flat: what a learned baseline may see."""
        return self.x.flatten(self.x.ndim - len(self.model.shape))

    def __call__(self, z: Float[Tensor, "S *B D K"]) -> Float[Tensor, "S *B"]:
        return self.model.decode_one_hot(z).log_prob(self.x)

    def at_codes(self, z: Float[Tensor, "S D K"]) -> Float[Tensor, "S *B"]:
        """Decodes each code once and pairs it with every example."""
        h = at_least_float32(self.model.decoder(z.flatten(-2)))
        with float32_island(h.device):
            return self.model.likelihood.log_prob_pairs(h, self.x)


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
