"""Convolutional networks for images of any size and number of channels."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

from torch import nn

from discretevae.names import resolve
from discretevae.networks.images import ImageDecoder, ImageEncoder, code_shape, image_shape
from discretevae.networks.network import ACTIVATIONS, Network, require_widths

__all__ = ["CNN"]


@dataclass(frozen=True)
class CNN(Network):
    """Convolutions 3×3 of stride 2, and transposed ones 4×4 of stride 2 on the way back.

    Each convolution halves height and width, rounding up; the decoder doubles them and cuts what
    is over. With channels (16, 32) on 28×28 the fully connected layers join 1568 features.

    Arguments:
        channels: Filters of each convolution, from the image inwards.
        activation: A name in `ACTIVATIONS`.

    Raises:
        ValueError: If a number of channels is below 1, the activation is unknown, or the data are
            no images (C, H, W).

    Example:
        >>> CNN((16, 32)).encoder((1, 28, 28), 40).head
        Linear(in_features=1568, out_features=40, bias=True)
    """

    channels: tuple[int, ...] = (32, 64)
    activation: str = "relu"

    kind: ClassVar[str] = "cnn"

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(int(width) for width in self.channels))
        require_widths("channels", self.channels)
        resolve("activation", self.activation, ACTIVATIONS)

    def encoder(self, shape: tuple[int, ...], features: int) -> ImageEncoder:
        activation = ACTIVATIONS[self.activation]
        image = image_shape(shape)
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise((image[0], *self.channels)):
            layers += [nn.Conv2d(fan_in, fan_out, 3, stride=2, padding=1), activation()]
        head = nn.Linear(math.prod(code_shape(image, self.channels)), features)
        return ImageEncoder(nn.Sequential(*layers), head)

    def decoder(self, features: int, shape: tuple[int, ...]) -> ImageDecoder:
        activation = ACTIVATIONS[self.activation]
        image = image_shape(shape)
        maps = code_shape(image, self.channels)
        head = nn.Sequential(nn.Linear(features, math.prod(maps)), activation())
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise((*reversed(self.channels), image[0])):
            layers += [nn.ConvTranspose2d(fan_in, fan_out, 4, stride=2, padding=1), activation()]
        return ImageDecoder(head, nn.Sequential(*layers[:-1]), maps, image)

    def last_bias(self, decoder: Any) -> nn.Parameter:
        return decoder.body[-1].bias
