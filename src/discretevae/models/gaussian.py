"""The continuous baseline: a VAE with a Gaussian latent vector."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from discretevae.latents.draws import draw
from discretevae.likelihoods import Likelihood
from discretevae.models.base import VAE, float32_island
from discretevae.names import require_count
from discretevae.networks import Network
from discretevae.objectives import ELBO, beta_elbo

__all__ = ["GaussianVAE"]


class GaussianVAE(VAE):
    r"""A VAE with L standard normal latents, trained by reparameterisation.

    .. math:: q(z|x) = \mathcal{N}(\mu(x), \mathrm{diag}\,\sigma^2(x)), \qquad
        \mathrm{KL} = \tfrac12 \sum_l (\mu_l^2 + \sigma_l^2 - 1 - \log \sigma_l^2)

    Its codes are real vectors of length L; the interface is that of :class:`DiscreteVAE`.

    Arguments:
        shape: The shape of one observation, such as (784,) or (1, 28, 28).
        num_latents: L ≥ 1.
        network: A name in `NETWORKS` or a :class:`~discretevae.networks.Network`.
        likelihood: A name in `LIKELIHOODS` or a :class:`~discretevae.likelihoods.Likelihood`.
        beta: The weight of the KL in `objective`; never in `elbo`.
        context_shape: Of what p(x|c) depends on; none for p(x).

    Raises:
        ValueError: If a size is out of range or a name unknown.

    Reference: Kingma & Welling, Auto-Encoding Variational Bayes, 2014, eq. 10 and appendix B.

    Example:
        >>> model = GaussianVAE((784,), num_latents=10)
        >>> x = torch.bernoulli(torch.full((5, 784), 0.2))
        >>> model.elbo(x).shape, model.encode(x).shape
        (torch.Size([5]), torch.Size([5, 10]))
    """

    kind: ClassVar[str] = "GaussianVAE"

    def __init__(
        self,
        shape: Sequence[int],
        num_latents: int = 10,
        network: str | Network = "mlp",
        likelihood: str | Mapping[str, Any] | Likelihood = "bernoulli",
        beta: float = 1.0,
        context_shape: Sequence[int] | None = None,
    ) -> None:
        if num_latents < 1:
            raise ValueError(f"`num_latents` must be at least 1, got {num_latents}.")
        features = 2 * num_latents, num_latents
        super().__init__(shape, network, likelihood, beta, *features, context_shape)
        self.num_latents = num_latents

    def posterior(
        self, x: Float[Tensor, "*B_and_shape"], context: Tensor | None = None
    ) -> Float[Tensor, "*B L 2"]:
        """Gives the parameters of q(z|x): mean and log σ along the last dimension."""
        return self._features(x, context).unflatten(-1, (self.num_latents, 2))

    def embedding(
        self, x: Float[Tensor, "*B_and_shape"], context: Tensor | None = None
    ) -> Float[Tensor, "*B L"]:
        """Gives the mean of q(z|x)."""
        return self.posterior(x, context)[..., 0]

    def objective(
        self,
        x: Float[Tensor, "*B_and_shape"],
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Float[Tensor, "*B"]:
        """Estimates E_q[log p(x|z)] − β KL by one reparameterised sample; to be maximised."""
        self._require_some(x)
        terms = self.elbo_terms(x, 1, generator, context)
        return beta_elbo(terms.reconstruction, terms.kl, self.beta)

    def elbo_terms(
        self,
        x: Float[Tensor, "*B_and_shape"],
        samples: int = 1,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> ELBO:
        q = _normal(self.posterior(x, context))
        with float32_island(x.device):
            z = _draw(q, samples, generator)
            kl = 0.5 * (q.mean.square() + q.variance - 1) - q.stddev.log()
        return ELBO(self._observe(z, x, context).log_prob(x).mean(0), kl.sum(-1))

    def log_weights(
        self,
        x: Float[Tensor, "*B_and_shape"],
        samples: int,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Float[Tensor, "S *B"]:
        q = Independent(_normal(self.posterior(x, context)), 1)
        z = _draw(q.base_dist, samples, generator)
        prior = Independent(Normal(torch.zeros_like(z), 1.0, validate_args=False), 1)
        return self._observe(z, x, context).log_prob(x) + prior.log_prob(z) - q.log_prob(z)

    def encode(
        self,
        x: Float[Tensor, "*B_and_shape"],
        sample: bool = False,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Float[Tensor, "*B L"]:
        q = _normal(self.posterior(x, context))
        return _draw(q, 1, generator)[0] if sample else q.mean

    def decode(self, codes: Float[Tensor, "*B L"], context: Tensor | None = None) -> Distribution:
        """Gives p(x | codes); its `log_prob` is per example.

        Raises:
            ValueError: If `codes` does not end in L numbers.
        """
        if codes.ndim < 1 or codes.shape[-1] != self.num_latents:
            raise ValueError(f"`codes` must end in {self.num_latents}, got {tuple(codes.shape)}.")
        if codes.dtype != self.dtype:
            raise ValueError(f"`codes` must be {self.dtype}, as the model is, got {codes.dtype}.")
        c = self.describe_context(context, tuple(codes.shape[:-1]))
        return self.likelihood(self._decoded(codes, c))

    def sample_codes(
        self,
        count: int,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Float[Tensor, "count L"]:
        require_count("count", count, 0)
        shape = (count, self.num_latents)
        return torch.randn(shape, dtype=self.dtype, device=self.device, generator=generator)

    def architecture(self) -> dict[str, Any]:
        return {**self._architecture(), "num_latents": self.num_latents}

    def _observe(self, z: Tensor, x: Tensor, context: Tensor | None) -> Distribution:
        c = self.describe_context(context, tuple(x.shape[: x.ndim - len(self.shape)]))
        return self.likelihood(self._decoded(z, c))


def _normal(parameters: Float[Tensor, "*B L 2"]) -> Normal:
    mean, log_scale = parameters.unbind(-1)
    return Normal(mean, log_scale.exp(), validate_args=False)


def _draw(q: Normal, samples: int, generator: torch.Generator | None) -> Tensor:
    shape = (samples, *q.mean.shape)
    noise = draw(lambda x: x.normal_(generator=generator), shape, -2, q.mean, generator)
    return q.mean + q.stddev * noise
