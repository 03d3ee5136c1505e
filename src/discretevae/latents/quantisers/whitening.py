"""Vectors made uncorrelated and of variance 1 by moving averages of their moments."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from discretevae.latents.quantisers.gathering import gathered
from discretevae.latents.quantisers.quantiser import widened
from discretevae.names import require_count

__all__ = ["Whitening"]

DECAY = 0.8
"""1 − w in the end: an encoder that is new moves much in a few steps."""
FLOOR = 1e-3
"""Of the largest variance of a direction: less is taken for that, for it may be noise."""


class Whitening(nn.Module):
    r"""Gives vectors mean 0 and covariance 1, by averages of the batches of training before.

    .. math:: \tilde z = \Sigma^{-1/2} (z - \mu), \qquad
        \mu \leftarrow \mu + w (\bar z - \mu), \quad
        \Sigma \leftarrow (1 - w) \Sigma + w \, \mathrm{Cov}(z)
        + w (1 - w) (\bar z - \mu) (\bar z - \mu)^\top

    w is 1 at the first batch and comes down to 0.2, so that the averages are those of the batches
    so far, and in the end of some 5.

    Quantisers that round or take signs use all of their codes only where vectors spread over all
    directions alike, and nothing in what they lose asks an encoder for that. μ and Σ have no
    gradient, so that an example does not depend on its batch; after training they stand.

    Arguments:
        dim: E ≥ 1.

    Raises:
        ValueError: If `dim` is below 1.

    Reference: Huang et al., Decorrelated batch normalization, 2018, §3, here with averages for the
    batch.

    Example:
        >>> whitening = Whitening(2)
        >>> z = torch.randn(1000, 2) @ torch.tensor([[3.0, 1.0], [0.0, 0.5]]) + 5
        >>> torch.allclose(whitening(z).T.cov(correction=0), torch.eye(2), atol=1e-4)
        True
    """

    mean: Tensor
    covariance: Tensor
    matrix: Tensor
    seen: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        require_count("dim", dim)
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("covariance", torch.zeros(dim, dim))
        self.register_buffer("matrix", torch.eye(dim))
        self.register_buffer("seen", torch.tensor(0.0))  # the sum of the weights so far

    def forward(self, z: Float[Tensor, "*B E"], learns: bool = True) -> Float[Tensor, "*B E"]:
        """Whitens vectors; in training they move the averages first, where it `learns`."""
        z = widened(z)
        with torch.autocast(z.device.type, enabled=False):
            if self.training and learns:
                self._follow(z)
            # A copy: what follows may move it before this has its gradient.
            return (z - self.mean) @ self.matrix.clone()

    @torch.no_grad()
    def _follow(self, z: Float[Tensor, "*B E"]) -> None:
        vectors = gathered(z.detach().reshape(-1, z.shape[-1]))
        self.seen.lerp_(torch.ones_like(self.seen), 1 - DECAY)
        weight = (1 - DECAY) / self.seen
        shift, of_batch = vectors.mean(0) - self.mean, vectors.T.cov(correction=0)
        between = weight * (1 - weight) * shift.outer(shift)
        self.covariance.lerp_(of_batch.view_as(self.covariance), weight).add_(between)
        self.mean.add_(weight * shift)
        variances, directions = torch.linalg.eigh(self.covariance.double())
        least = (FLOOR * variances.max()).clamp_min(torch.finfo(z.dtype).tiny)
        scaled = directions * variances.clamp_min(least).rsqrt()
        self.matrix.copy_(scaled @ directions.T)
