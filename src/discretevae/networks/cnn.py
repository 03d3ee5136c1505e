"""Convolutional networks for images of any size and number of channels."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from discretevae.names import resolve
from discretevae.networks.base import ACTIVATIONS, Network, require_widths

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

    def encoder(self, shape: tuple[int, ...], features: int) -> nn.Module:
        activation = ACTIVATIONS[self.activation]
        return _Encoder(_image_shape(shape), features, self.channels, activation)

    def decoder(self, features: int, shape: tuple[int, ...]) -> nn.Module:
        activation = ACTIVATIONS[self.activation]
        return _Decoder(features, _image_shape(shape), self.channels, activation)


def _image_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise ValueError(f"`shape` must be (C, H, W) for a convolutional network, got {shape}.")
    return shape[0], shape[1], shape[2]


def _code_shape(shape: tuple[int, int, int], channels: tuple[int, ...]) -> tuple[int, int, int]:
    """The innermost feature map: each convolution halves, rounding up."""
    scale = 2 ** len(channels)
    return ((shape[0], *channels)[-1], -(-shape[1] // scale), -(-shape[2] // scale))


class _Encoder(nn.Module):
    def __init__(
        self,
        shape: tuple[int, int, int],
        features: int,
        channels: tuple[int, ...],
        activation: Callable[[], nn.Module],
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise((shape[0], *channels)):
            layers += [nn.Conv2d(fan_in, fan_out, 3, stride=2, padding=1), activation()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(math.prod(_code_shape(shape, channels)), features)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.body(x.reshape(-1, *x.shape[-3:]))
        return self.head(maps.flatten(1)).reshape(*x.shape[:-3], self.head.out_features)


class _Decoder(nn.Module):
    def __init__(
        self,
        features: int,
        shape: tuple[int, int, int],
        channels: tuple[int, ...],
        activation: Callable[[], nn.Module],
    ) -> None:
        super().__init__()
        self.shape = shape
        self.code_shape = _code_shape(shape, channels)
        self.head = nn.Sequential(nn.Linear(features, math.prod(self.code_shape)), activation())
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise((*reversed(channels), shape[0])):
            layers += [nn.ConvTranspose2d(fan_in, fan_out, 4, stride=2, padding=1), activation()]
        self.body = nn.Sequential(*layers[:-1])

    def forward(self, features: Tensor) -> Tensor:
        _, height, width = self.shape
        maps = self.head(features.reshape(-1, features.shape[-1])).unflatten(1, self.code_shape)
        images = self.body(maps)[..., :height, :width]
        return images.reshape(*features.shape[:-1], *self.shape)
