"""The VAE with discrete and continuous latents: D categorical ones beside a Gaussian vector."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

from discretevae.estimators.gradient_estimator import GradientEstimator
from discretevae.latents.variables import Gaussian, Known, beside
from discretevae.likelihoods import Likelihood
from discretevae.models.chain import Chain
from discretevae.models.coded import CodedVAE
from discretevae.models.vae import Context, Data
from discretevae.networks import Network
from discretevae.priors import Prior

__all__ = ["JointVAE"]


class JointVAE(CodedVAE):
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
        network: A name in `NETWORKS`, a :class:`~discretevae.networks.Network`, or "auto": what
            suits the likelihood.
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
        encoder: A module of one's own in the place of the network's encoder; see
            :class:`~discretevae.networks.OwnNetwork`.
        decoder: The same of the decoder.
        variable: A name in `VARIABLES`: what the code is.

    Raises:
        ValueError: If a size is out of range, a name unknown, or options do not go together, as
            in :class:`DiscreteVAE`.

    Reference: Dupont, Learning Disentangled Joint Continuous and Discrete Representations, 2018,
    eqs. 4–5, there with a relaxed z.

    Example:
        >>> import torch
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
        network: str | Network = "auto",
        likelihood: str | Mapping[str, Any] | Likelihood = "bernoulli",
        estimator: str | GradientEstimator = "auto",
        prior: str | Prior = "uniform",
        beta: float = 1.0,
        free_bits: float = 0.0,
        context_shape: Sequence[int] | None = None,
        embedding_size: int | None = None,
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
        variable: str = "categorical",
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
            encoder,
            decoder,
            variable,
            beside=(2 * num_continuous, num_continuous),
        )
        self.num_continuous = num_continuous
        self.require_trainable()

    @property
    def chain(self) -> Chain:
        u = Gaussian("u", self.num_continuous, self._parameters_of, next(self.parameters()))
        order = ("z", "u")
        return Chain(
            (u, self.z), order, order, self._decode, self.likelihood, self.beta, self.free_bits
        )

    def _parameters_of(self, known: Known) -> Float[Tensor, "*B L 2"]:
        return known.features[..., -2 * self.num_continuous :].unflatten(-1, (-1, 2))

    def _decode(self, known: Known) -> Tensor:
        seen = beside(self.code(known.values["z"]), known.values["u"])
        return self._decoded(seen, known.context)

    def describe(self) -> str:
        return f"{super().describe()}, and {self.num_continuous} Gaussian latents"

    def continuous(self, x: Data, context: Context = None) -> Float[Tensor, "*B L 2"]:
        """Gives the parameters of q(u|x): mean and log σ along the last dimension."""
        return self._parameters_of(self.known(x, context))

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
        return self.chain.observe(Known(None, features, {"z": z, "u": u}))

    def architecture(self) -> dict[str, Any]:
        return {**super().architecture(), "num_continuous": self.num_continuous}
