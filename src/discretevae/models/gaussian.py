"""The continuous baseline: a VAE with a Gaussian latent vector."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from discretevae.latents.variables import Gaussian, Known
from discretevae.likelihoods import Likelihood
from discretevae.models.chain import Chain
from discretevae.models.vae import VAE
from discretevae.networks import Network

__all__ = ["GaussianVAE"]


class GaussianVAE(VAE):
    r"""A VAE with L standard normal latents, trained by reparameterisation.

    .. math:: q(z|x) = \mathcal{N}(\mu(x), \mathrm{diag}\,\sigma^2(x)), \qquad
        \mathrm{KL} = \tfrac12 \sum_l (\mu_l^2 + \sigma_l^2 - 1 - \log \sigma_l^2)

    Its codes are real vectors of length L; the interface is that of :class:`DiscreteVAE`.

    Arguments:
        shape: The shape of one observation, such as (784,) or (1, 28, 28).
        num_latents: L ≥ 1.
        network: A name in `NETWORKS`, a :class:`~discretevae.networks.Network`, or "auto": what
            suits the likelihood.
        likelihood: A name in `LIKELIHOODS` or a :class:`~discretevae.likelihoods.Likelihood`.
        beta: The weight of the KL in `objective`; never in `elbo`.
        context_shape: Of what p(x|c) depends on; none for p(x).
        encoder: A module of one's own in the place of the network's encoder; see
            :class:`~discretevae.networks.OwnNetwork`.
        decoder: The same of the decoder.

    Raises:
        ValueError: If a size is out of range or a name unknown.

    Reference: Kingma & Welling, Auto-Encoding Variational Bayes, 2014, eq. 10 and appendix B.

    Example:
        >>> import torch
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
        network: str | Network = "auto",
        likelihood: str | Mapping[str, Any] | Likelihood = "bernoulli",
        beta: float = 1.0,
        context_shape: Sequence[int] | None = None,
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
    ) -> None:
        if num_latents < 1:
            raise ValueError(f"`num_latents` must be at least 1, got {num_latents}.")
        sizes = 2 * num_latents, num_latents, context_shape
        super().__init__(shape, network, likelihood, beta, *sizes, encoder, decoder)
        self.num_latents = num_latents

    @property
    def chain(self) -> Chain:
        like = next(self.parameters())
        u = Gaussian("u", self.num_latents, self._parameters_of, like)
        return Chain((u,), ("u",), ("u",), self._decode, self.likelihood, self.beta)

    def _parameters_of(self, known: Known) -> Float[Tensor, "*B L 2"]:
        return known.features.unflatten(-1, (self.num_latents, 2))

    def _decode(self, known: Known) -> Tensor:
        return self._decoded(known.values["u"], known.context)

    def describe(self) -> str:
        return f"{self.num_latents} Gaussian latents"

    def architecture(self) -> dict[str, Any]:
        return {**self._architecture(), "num_latents": self.num_latents}
