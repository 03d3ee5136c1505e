"""The VAE with discrete and continuous latents: D categorical ones beside a Gaussian vector."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Normal, kl_divergence

from discretevae.estimators import Estimator
from discretevae.estimators.multisample import MultiSampleEstimator
from discretevae.latents import DEFAULT_BUDGET, EnumerationError, to_one_hot
from discretevae.likelihoods import Likelihood
from discretevae.models.base import float32_island
from discretevae.models.discrete import ConditionalLogLikelihood, DiscreteVAE
from discretevae.models.gaussian import _draw, _normal
from discretevae.networks import Network
from discretevae.networks.conditioned import ConditionedEncoder, with_context
from discretevae.objectives import ELBO, free_bits
from discretevae.priors import Prior

__all__ = ["JointVAE"]


class JointVAE(DiscreteVAE):
    r"""A VAE whose code is D categorical variables z beside a Gaussian vector u of length L.

    .. math:: p(x, z, u) = p(z) \, \mathcal{N}(u; 0, I) \, p(x | z, u), \qquad
        q(z, u | x) = q(z|x) \, \mathcal{N}(u; \mu(x), \mathrm{diag}\, \sigma^2(x))

    .. math:: \log p(x) \ge \mathbb{E}_{q(z|x) q(u|x)}[\log p(x | z, u)]
        - \mathrm{KL}(q(z|x) \| p(z)) - \mathrm{KL}(q(u|x) \| p(u))

    In `objective` the expectation over z and its gradient are the estimator's, given one
    reparameterised sample of u; both are without bias where the estimator is. log p(x) is never
    enumerated, u being continuous: `log_likelihood` is importance-weighted.

    Its codes are real vectors of length D + L: D class indices, then u.

    What sees the model through `logits`, `posterior` or `embedding` sees q(z|x) alone: u is to
    hold what does not change the classes.

    Arguments:
        shape: The shape of one observation, such as (784,) or (1, 28, 28).
        num_latents: D ≥ 1.
        num_categories: K ≥ 2.
        num_continuous: L ≥ 1.
        network: A name in `NETWORKS` or a :class:`~discretevae.networks.Network`.
        likelihood: A name in `LIKELIHOODS` or a :class:`~discretevae.likelihoods.Likelihood`.
        estimator: Of the gradient for z, as in :class:`DiscreteVAE`. A bound of S samples shares
            one sample of u.
        prior: p(z), as in :class:`DiscreteVAE`.
        beta: The weight of both KL in `objective`; never in `elbo`.
        free_bits: Nats that each of the D + L latents may cost in `objective` before they count;
            never in `elbo`. For factorised priors.
        context_shape: Of what p(x|c) depends on; none for p(x).
        embedding_size: Numbers of the learned vector by which each category reaches the decoder;
            by default it is one-hot.

    Raises:
        ValueError: If a size is out of range, a name unknown, or options do not go together, as
            in :class:`DiscreteVAE`.

    Reference: Dupont, Learning Disentangled Joint Continuous and Discrete Representations, 2018,
    eqs. 4–5, there with a relaxed z.

    Example:
        >>> model = JointVAE((784,), num_latents=1, num_categories=10, num_continuous=3)
        >>> x = torch.bernoulli(torch.full((5, 784), 0.2))
        >>> (-model.objective(x)).mean().backward()
        >>> model.elbo(x).shape, model.encode(x).shape
        (torch.Size([5]), torch.Size([5, 4]))
    """

    kind: ClassVar[str] = "JointVAE"

    def __init__(
        self,
        shape: Sequence[int],
        num_latents: int = 4,
        num_categories: int = 8,
        num_continuous: int = 2,
        network: str | Network = "mlp",
        likelihood: str | Mapping[str, Any] | Likelihood = "bernoulli",
        estimator: str | Estimator | MultiSampleEstimator = "auto",
        prior: str | Prior = "uniform",
        beta: float = 1.0,
        free_bits: float = 0.0,
        context_shape: Sequence[int] | None = None,
        embedding_size: int | None = None,
    ) -> None:
        if num_continuous < 1:
            raise ValueError(f"`num_continuous` must be at least 1, got {num_continuous}.")
        super().__init__(
            shape,
            num_latents,
            num_categories,
            network,
            likelihood,
            estimator,
            prior,
            beta,
            free_bits,
            context_shape,
            embedding_size,
        )
        self.num_continuous = num_continuous
        self._vector: Tensor | None = None
        # Both networks anew, with room for u.
        said = num_latents * num_categories + 2 * num_continuous
        self.encoder = (
            self.network.encoder(self.shape, said)
            if self.context_shape is None
            else ConditionedEncoder(self.network, self.shape, self.context_features, said)
        )
        seen = num_latents * (embedding_size or num_categories) + num_continuous
        self.decoder = self.network.decoder(
            seen + self.context_features, self.likelihood.output_shape(self.shape)
        )

    def logits(
        self, x: Float[Tensor, "*B_and_shape"], context: Tensor | None = None
    ) -> Float[Tensor, "*B D K"]:
        """Gives the unnormalised log q(z|x)."""
        sizes = self.num_latents, self.num_categories
        features = self._features(x, context)[..., : -2 * self.num_continuous]
        return features.unflatten(-1, sizes)

    def continuous(
        self, x: Float[Tensor, "*B_and_shape"], context: Tensor | None = None
    ) -> Float[Tensor, "*B L 2"]:
        """Gives the parameters of q(u|x): mean and log σ along the last dimension."""
        features = self._features(x, context)[..., -2 * self.num_continuous :]
        return features.unflatten(-1, (self.num_continuous, 2))

    def objective(
        self,
        x: Float[Tensor, "*B_and_shape"],
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Float[Tensor, "*B"]:
        """Estimates what is maximised: E_q[log p(x|z,u)] − β (KL_z + KL_u).

        z has the estimator's gradient, u, of which there is one sample, the pathwise one.

        Raises:
            ValueError: If `beta` is not 1 or `free_bits` not 0 with a multi-sample estimator.
        """
        with self._drawn(x, 1, generator, context) as (q, _):
            kl = free_bits(_kl(q), self.free_bits)
            return super().objective(x, generator, context) - self.beta * kl

    def elbo_terms(
        self,
        x: Float[Tensor, "*B_and_shape"],
        samples: int = 1,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> ELBO:
        with self._drawn(x, samples, generator, context) as (q, _):
            reconstruction, kl = super().elbo_terms(x, samples, generator, context)
            return ELBO(reconstruction, kl + _kl(q).sum(-1))

    def log_weights(
        self,
        x: Float[Tensor, "*B_and_shape"],
        samples: int,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Float[Tensor, "S *B"]:
        with self._drawn(x, samples, generator, context) as (q, u):
            log_ratio = (_prior_like(q).log_prob(u) - q.log_prob(u)).sum(-1)
            return super().log_weights(x, samples, generator, context) + log_ratio

    def log_likelihood(
        self,
        x: Float[Tensor, "*B_and_shape"],
        samples: int | None = None,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Float[Tensor, "*B"]:
        """Bounds log p(x) by S importance weights (default: 1000); it is never exact."""
        return super().log_likelihood(x, samples, generator, context)

    @property
    def enumerable(self) -> bool:
        """False: u is continuous."""
        return False

    def exact_log_likelihood(
        self,
        x: Float[Tensor, "*B_and_shape"],
        budget: int = DEFAULT_BUDGET,
        context: Tensor | None = None,
    ) -> Float[Tensor, "*B"]:
        """Refuses: no sum over codes is log p(x).

        Raises:
            EnumerationError: Always.
        """
        raise EnumerationError(
            "`model` must have discrete latents alone to be enumerated, "
            f"got {self.num_continuous} continuous beside them: use `log_likelihood`."
        )

    def encode(
        self,
        x: Float[Tensor, "*B_and_shape"],
        sample: bool = False,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Float[Tensor, "*B D_and_L"]:
        """Gives the most probable classes, as numbers, and the mean of u; or a draw of all."""
        with self.encoded_once(x, context):
            q = _normal(self.continuous(x, context))
            z = super().encode(x, sample, generator, context)
        return torch.cat([z.to(q.mean.dtype), _draw(q, 1, generator)[0] if sample else q.mean], -1)

    def decode(
        self, codes: Float[Tensor, "*B D_and_L"], context: Tensor | None = None
    ) -> Distribution:
        """Gives p(x | codes); its `log_prob` is per example.

        Raises:
            ValueError: If `codes` does not end in D indices of [0, K) and L numbers.
        """
        if codes.ndim < 1 or codes.shape[-1] != self.num_latents + self.num_continuous:
            raise ValueError(
                f"`codes` must end in D + L = {self.num_latents} + {self.num_continuous}, "
                f"got {tuple(codes.shape)}."
            )
        indices, u = codes.split([self.num_latents, self.num_continuous], -1)
        if not (indices == indices.round()).all():
            raise ValueError(
                f"`codes` must begin with D = {self.num_latents} whole numbers, "
                f"got {float(indices[indices != indices.round()][0]):g}."
            )
        z = to_one_hot(indices.long(), self.num_categories, self.dtype)
        return self.decode_one_hot(z, self.describe_context(context, tuple(codes.shape[:-1])), u)

    def decode_one_hot(
        self,
        z: Float[Tensor, "*SB D K"],
        features: Float[Tensor, "*B C"] | None = None,
        u: Float[Tensor, "*#SB L"] | None = None,
    ) -> Distribution:
        """Gives p(x | z, u) of one-hot codes, or of points of the simplex.

        Arguments:
            z: The codes.
            features: Of the context, as `describe_context` gives them.
            u: The vectors, one a code or one for all samples.

        Raises:
            ValueError: If there is no `u`.
        """
        if u is None:
            raise ValueError("`u` must be given: p(x | z, u) is of both, got none.")
        return self.likelihood(self._decoded(with_context(self.code(z), u), features))

    def sample_codes(
        self,
        count: int,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Float[Tensor, "count D_and_L"]:
        z = super().sample_codes(count, generator, context)
        shape = (count, self.num_continuous)
        u = torch.randn(shape, dtype=self.dtype, device=self.device, generator=generator)
        return torch.cat([z.to(u.dtype), u], -1)

    def architecture(self) -> dict[str, Any]:
        return {**super().architecture(), "num_continuous": self.num_continuous}

    @contextmanager
    def _drawn(
        self,
        x: Float[Tensor, "*B_and_shape"],
        samples: int,
        generator: torch.Generator | None,
        context: Tensor | None,
    ) -> Iterator[tuple[Normal, Float[Tensor, "S *B L"]]]:
        """Draws u ~ q(u|x); within, p(x|z) is p(x|z, u), and the encoder does not run again."""
        before = self._encoded
        self._encoded = (x, context, self._features(x, context))
        try:
            q = _normal(self.continuous(x, context))
            with float32_island(x.device):
                self._vector = _draw(q, samples, generator)
            yield q, self._vector
        finally:
            self._encoded, self._vector = before, None

    def _log_likelihood_of(
        self, x: Float[Tensor, "*B_and_shape"], context: Tensor | None
    ) -> ConditionalLogLikelihood:
        assert self._vector is not None
        batch = tuple(x.shape[: x.ndim - len(self.shape)])
        return _GivenVector(self, x, self._vector, self.describe_context(context, batch))


class _GivenVector(ConditionalLogLikelihood):
    """f(z) = log p(x | z, u, c) of a batch and its vectors u, which have a gradient."""

    def __init__(
        self,
        model: JointVAE,
        x: Tensor,
        u: Float[Tensor, "S *B L"],
        features: Float[Tensor, "*B C"] | None,
    ) -> None:
        super().__init__(model, x, features)
        self.u = u

    def __call__(self, z: Float[Tensor, "S *B D K"]) -> Float[Tensor, "S *B"]:
        assert isinstance(self.model, JointVAE)
        return self.model.decode_one_hot(z, self.features, self.u).log_prob(self.x)


def _prior_like(q: Normal) -> Normal:
    return Normal(torch.zeros_like(q.mean), torch.ones_like(q.mean), validate_args=False)


def _kl(q: Normal) -> Float[Tensor, "*B L"]:
    """KL(q ‖ N(0, 1)) of each continuous latent in closed form."""
    return kl_divergence(q, _prior_like(q))
