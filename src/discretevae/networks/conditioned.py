"""How a context meets an observation or a code on its way through a network."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from discretevae.networks.mlp import perceptron
from discretevae.networks.network import Network

__all__ = ["ConditionedEncoder", "LatentEmbedding", "context_network", "with_context"]

IMAGE_FEATURES = 64
"""Numbers that describe a context which is no vector."""
TRUNK_FEATURES = 256
"""Numbers that the encoder makes of x before it sees the context."""


def context_network(network: Network, shape: tuple[int, ...]) -> tuple[nn.Module, int]:
    """Gives what turns a context into C features, and C: vectors stay what they are.

    Example:
        >>> from discretevae.networks import MLP
        >>> context_network(MLP(), (10,))[1], context_network(MLP(), (1, 28, 28))[1]
        (10, 64)
    """
    if len(shape) == 1:
        return nn.Identity(), shape[0]
    return network.encoder(shape, IMAGE_FEATURES), IMAGE_FEATURES


def with_context(
    h: Float[Tensor, "*SB F"], context: Float[Tensor, "*B C"] | None
) -> Float[Tensor, "*SB FC"]:
    """Puts the features of the context beside those of each example, for every sample.

    Example:
        >>> with_context(torch.zeros(2, 5, 3), torch.ones(5, 1)).shape
        torch.Size([2, 5, 4])
    """
    if context is None:
        return h
    return torch.cat([h, context.to(h.dtype).expand(*h.shape[:-1], -1)], -1)


class ConditionedEncoder(nn.Module):
    """Sees x by the network, then x and the context by a small perceptron.

    Any network will do, convolutional ones too.

    Arguments:
        network: Sees x.
        shape: Of x.
        context_features: C.
        features: Of the result.
    """

    def __init__(
        self, network: Network, shape: tuple[int, ...], context_features: int, features: int
    ) -> None:
        super().__init__()
        width = max(1, min(TRUNK_FEATURES, 2 * math.prod(shape)))
        self.trunk = network.encoder(shape, width)
        self.head = nn.Sequential(
            nn.LeakyReLU(), *perceptron([width + context_features, width, features], nn.LeakyReLU)
        )

    def forward(
        self, x: Float[Tensor, "*B_and_shape"], context: Float[Tensor, "*B C"]
    ) -> Float[Tensor, "*B F"]:
        return self.head(with_context(self.trunk(x), context))


class LatentEmbedding(nn.Module):
    """Gives every category of every latent a learned vector: (*B, D, K) → (*B, D·E).

    Arguments:
        num_latents: D.
        num_categories: K.
        size: E ≥ 1, the numbers of each vector.

    Raises:
        ValueError: If `size` is below 1.

    Example:
        >>> LatentEmbedding(4, 8, size=3)(torch.zeros(5, 4, 8)).shape
        torch.Size([5, 12])
    """

    def __init__(self, num_latents: int, num_categories: int, size: int) -> None:
        super().__init__()
        if size < 1:
            raise ValueError(f"`embedding` must be at least 1, got {size}.")
        self.vectors = nn.Parameter(torch.randn(num_latents, num_categories, size))

    def forward(self, z: Float[Tensor, "*B D K"]) -> Float[Tensor, "*B DE"]:
        return torch.einsum("...dk,dke->...de", z, self.vectors).flatten(-2)
