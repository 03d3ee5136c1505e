"""The VAE with D independent categorical latents of K classes."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

from discretevae.estimators.gradient_estimator import GradientEstimator
from discretevae.latents.variables import Known
from discretevae.likelihoods import Likelihood
from discretevae.models.coded import CodedVAE
from discretevae.networks import Network
from discretevae.priors import Prior

__all__ = ["DiscreteVAE"]


class DiscreteVAE(CodedVAE):
    r"""A VAE whose code is D categorical variables of K classes each.

    .. math:: \log p(x) \ge \mathbb{E}_{q(z|x)}[\log p(x|z)] - \mathrm{KL}(q(z|x) \| p(z)),
        \qquad q(z|x) = \prod_d \mathrm{Cat}(z_d; \mathrm{softmax}(l_d(x)))

    Arguments:
        shape: The shape of one observation, such as (784,) or (1, 28, 28).
        num_latents: D ≥ 1.
        num_categories: K ≥ 2.
        network: A name in `NETWORKS`, a :class:`~discretevae.networks.Network`, or "auto": what
            suits the likelihood.
        likelihood: A name in `LIKELIHOODS` or a :class:`~discretevae.likelihoods.Likelihood`.
        estimator: A name in `ESTIMATORS`, an :class:`~discretevae.estimators.Estimator`, or
            "auto": exact while the enumeration is cheap, else the best default measured. One of
            `MULTISAMPLE_ESTIMATORS` has `objective` train the S-sample bound instead.
        prior: p(z), or p(z|c): a name in `PRIORS`, what :meth:`Prior.config` describes, or a
            :class:`~discretevae.priors.Prior`. Where the latents are not independent under it, the
            KL is estimated from the same samples, without bias: the bound stays a true one.
        beta: The weight of the KL in `objective`; never in `elbo`. 1 with a multi-sample
            estimator: its bound has no KL term.
        free_bits: Nats that each latent may cost in `objective` before they count; never in
            `elbo`. For factorised priors.
        context_shape: Of what p(x|c) depends on, such as (10,) for one-hot labels; none for p(x).
        embedding_size: Numbers of the learned vector by which each category reaches the decoder;
            by default it is one-hot.
        encoder: A module of one's own in the place of the network's encoder; see
            :class:`~discretevae.networks.OwnNetwork`.
        decoder: The same of the decoder.
        variable: A name in `VARIABLES`: what the code is.
        codebook_size: E of one codebook that all latents share: q has the classes whose vectors are
            near the encoder's, and the decoder sees their vectors,
            :class:`~discretevae.latents.quantisers.DistanceLogits` (SQ-VAE).

    Raises:
        ValueError: If a size is out of range, a name unknown, the prior does not fit D × K,
            `beta` is not 1 or `free_bits` not 0 with a multi-sample estimator, or `free_bits` not
            0 with a prior whose KL is estimated.

    Reference: Jeffares & Liu, An Introduction to Discrete Variational Autoencoders, 2025.

    Example:
        >>> import torch
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
        network: str | Network = "auto",
        likelihood: str | Mapping[str, Any] | Likelihood = "bernoulli",
        estimator: str | GradientEstimator = "auto",
        prior: str | Mapping[str, Any] | Prior = "uniform",
        beta: float = 1.0,
        free_bits: float = 0.0,
        context_shape: Sequence[int] | None = None,
        embedding_size: int | None = None,
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
        variable: str = "categorical",
        codebook_size: int | None = None,
    ) -> None:
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
            encoder,
            decoder,
            variable,
            codebook_size=codebook_size,
        )
        self.require_trainable()

    def decode_one_hot(
        self, z: Float[Tensor, "*SB D K"], features: Float[Tensor, "*B C"] | None = None
    ) -> Distribution:
        """Gives p(x | z) of one-hot codes, or of points of the simplex where a method relaxes.

        Arguments:
            z: The codes.
            features: Of the context, as `describe_context` gives them.
        """
        return self.chain.observe(Known(None, features, {"z": z}))
