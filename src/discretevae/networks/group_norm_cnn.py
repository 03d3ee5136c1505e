"""Normalised convolutional networks."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

from torch import nn

from discretevae.names import resolve
from discretevae.networks.images import ImageDecoder, ImageEncoder, code_shape, image_shape
from discretevae.networks.network import ACTIVATIONS, Network, require_widths

__all__ = ["GroupNormCNN"]

GROUP = 8
"""Channels that are normalised together."""


@dataclass(frozen=True)
class GroupNormCNN(Network):
    """Convolutions of stride 2, each normalised, and a hidden layer on either side of the code.

    The encoder halves height and width, rounding up, with convolutions 3×3; the decoder mirrors
    all of them but the innermost with transposed ones 4×4 and cuts what is over. Every example is
    normalised by itself, so that what it becomes does not depend on its batch.

    Arguments:
        channels: Filters of each convolution, from the image inwards; at least two.
        hidden: Units of the fully connected layer between the convolutions and the code.
        activation: A name in `ACTIVATIONS`.

    Raises:
        ValueError: If there are fewer than two convolutions, a size is below 1, the activation is
            unknown, or the data are no images (C, H, W).

    Reference: Wu & He, Group Normalization, 2018; Ba, Kiros & Hinton, Layer Normalization, 2016.

    Example:
        >>> GroupNormCNN((32, 64, 64), hidden=256).encoder((1, 28, 28), 40).head[0]
        Linear(in_features=1024, out_features=256, bias=True)
    """

    channels: tuple[int, ...] = (32, 64, 64)
    hidden: int = 256
    activation: str = "leaky-relu"

    kind: ClassVar[str] = "group-norm-cnn"

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(int(width) for width in self.channels))
        if len(self.channels) < 2:
            raise ValueError(f"`channels` must be at least two, got {list(self.channels)}.")
        require_widths("channels", self.channels)
        require_widths("hidden", (self.hidden,))
        resolve("activation", self.activation, ACTIVATIONS)

    def encoder(self, shape: tuple[int, ...], features: int) -> ImageEncoder:
        activation = ACTIVATIONS[self.activation]
        image = image_shape(shape)
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise((image[0], *self.channels)):
            convolution = nn.Conv2d(fan_in, fan_out, 3, stride=2, padding=1)
            layers += [convolution, _group_norm(fan_out), activation()]
        maps = code_shape(image, self.channels)
        return ImageEncoder(nn.Sequential(*layers), self._hidden(math.prod(maps), features))

    def decoder(self, features: int, shape: tuple[int, ...]) -> ImageDecoder:
        activation = ACTIVATIONS[self.activation]
        image, channels = image_shape(shape), self.channels[:-1]
        maps = code_shape(image, channels)
        head = self._hidden(features, math.prod(maps))
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise((*reversed(channels), image[0])):
            convolution = nn.ConvTranspose2d(fan_in, fan_out, 4, stride=2, padding=1)
            layers += [_group_norm(fan_in), activation(), convolution]
        return ImageDecoder(head, nn.Sequential(*layers), maps, image)

    def last_bias(self, decoder: Any) -> nn.Parameter:
        return decoder.body[-1].bias

    def _hidden(self, fan_in: int, fan_out: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Linear(fan_in, self.hidden),
            nn.LayerNorm(self.hidden),
            ACTIVATIONS[self.activation](),
            nn.Linear(self.hidden, fan_out),
        )


def _group_norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(math.gcd(channels, max(1, channels // GROUP)), channels)
