"""Logits of a code that is drawn, near codes more often: stochastic quantisation."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from discretevae.latents.quantisers.quantiser import widened
from discretevae.names import require_count

__all__ = ["DistanceLogits"]


class DistanceLogits(nn.Module):
    r"""The logits of a categorical code whose K classes are vectors, by their distance from z.

    .. math:: q(k | z) \propto \exp\left( -\frac{\lVert z - e_k \rVert^2}{2 \sigma^2} \right),
        \qquad v = \sum_k z_k e_k

    e and σ are learned. This is no point but a posterior as any: a
    :class:`~discretevae.latents.variables.Categorical` whose logits these are and whose `embed` is
    :meth:`embed` is trained by every estimator, with its KL and its bound. With straight-through
    the gradient for z of a loss whose gradient for v is g is
    :math:`\sigma^{-2} \, \mathrm{Cov}_q(e) \, g`, which on a dense codebook is g: what vector
    quantisation copies.

    Arguments:
        num_codes: K ≥ 2.
        dim: E ≥ 1.
        scale: The initial σ > 0, in units of z.

    Raises:
        ValueError: If a number is out of range.

    Reference: Takida et al., SQ-VAE: variational Bayes on discrete representation with
    self-annealed stochastic quantization, 2022, §3.

    Example:
        >>> codes = DistanceLogits(num_codes=8, dim=3)
        >>> logits = codes(torch.randn(5, 4, 3))
        >>> logits.shape, codes.embed(logits.softmax(-1)).shape
        (torch.Size([5, 4, 8]), torch.Size([5, 12]))
    """

    def __init__(self, num_codes: int, dim: int, scale: float = 1.0) -> None:
        super().__init__()
        require_count("num_codes", num_codes, 2)
        require_count("dim", dim)
        if not 0 < scale < math.inf:
            raise ValueError(f"`scale` must be positive and finite, got {scale}.")
        self.codebook = nn.Parameter(torch.randn(num_codes, dim) / dim**0.5)
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))

    def forward(self, z: Float[Tensor, "*B E"]) -> Float[Tensor, "*B K"]:
        z, e = widened(z), widened(self.codebook)
        with torch.autocast(z.device.type, enabled=False):
            squared = z.square().sum(-1, keepdim=True) - 2 * z @ e.T + e.square().sum(-1)
            return -0.5 * squared * (-2 * self.log_scale).exp()

    def embed(self, z: Float[Tensor, "*SB D K"]) -> Float[Tensor, "*SB DE"]:
        """Gives the vectors of one-hot codes side by side, or their means where z is relaxed."""
        return (z @ self.codebook).flatten(-2)
