"""The evidence lower bound and its β-weighted training form."""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

__all__ = ["ELBO", "beta_elbo"]


class ELBO(NamedTuple):
    r"""The terms of the true bound, in nats per example.

    .. math:: \log p(x) \ge \mathbb{E}_{q(z|x)}[\log p(x|z)] - \mathrm{KL}(q(z|x) \| p(z))

    Reference: Kingma & Welling, Auto-Encoding Variational Bayes, 2014, eq. 3.
    """

    reconstruction: Float[Tensor, "*B"]
    kl: Float[Tensor, "*B"]

    @property
    def elbo(self) -> Float[Tensor, "*B"]:
        """Reconstruction − KL: never weighted, never relaxed."""
        return self.reconstruction - self.kl

    def plus_kl(self, kl: Float[Tensor, "*B"]) -> "ELBO":
        """Adds to the KL."""
        return ELBO(self.reconstruction, self.kl + kl)


def beta_elbo(
    reconstruction: Float[Tensor, "*B"], kl: Float[Tensor, "*B"], beta: float = 1.0
) -> Float[Tensor, "*B"]:
    r"""The trained objective, reconstruction − β KL; a bound on log p(x) only where β ≥ 1.

    Reference: Higgins et al., β-VAE, 2017, eq. 4.

    Example:
        >>> import torch
        >>> beta_elbo(torch.tensor([-90.0]), torch.tensor([8.0]), beta=0.5)
        tensor([-94.])
    """
    return reconstruction - beta * kl
