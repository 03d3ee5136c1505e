"""Convolutional networks with residual blocks at every scale, for images of any size."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

from torch import nn

from discretevae.networks.images import ImageDecoder, ImageEncoder, code_shape, image_shape
from discretevae.networks.network import Network, require_widths
from discretevae.networks.residual import ResidualBlock, group_norm

__all__ = ["ResidualCNN"]


@dataclass(frozen=True)
class ResidualCNN(Network):
    """Convolutions of stride 2, residual blocks after each, and a hidden layer beside the code.

    The encoder halves height and width, rounding up, as often as there are channels; the decoder is
    its mirror image, and comes to each of its sizes again. Every example is normalised by itself.

    Arguments:
        channels: Filters at each scale, from the image inwards.
        blocks: Residual blocks at each scale, on either side.
        hidden: Units of the fully connected layer between the convolutions and the code.

    Raises:
        ValueError: If there is no convolution, a size is out of range, or the data are no images
            (C, H, W).

    Reference: He, Zhang, Ren & Sun, Identity mappings in deep residual networks, 2016; Wu & He,
    Group normalization, 2018.

    Example:
        >>> import torch
        >>> network = ResidualCNN((8, 16), blocks=1)
        >>> network.decoder(40, (1, 27, 30))(torch.zeros(2, 40)).shape
        torch.Size([2, 1, 27, 30])
    """

    channels: tuple[int, ...] = (32, 64, 128)
    blocks: int = 2
    hidden: int = 256

    kind: ClassVar[str] = "residual-cnn"

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(int(width) for width in self.channels))
        if not self.channels:
            raise ValueError("`channels` must be at least one, got none.")
        require_widths("channels", self.channels)
        require_widths("hidden", (self.hidden,))
        if self.blocks < 0:
            raise ValueError(f"`blocks` must be at least 0, got {self.blocks}.")

    def encoder(self, shape: tuple[int, ...], features: int) -> ImageEncoder:
        image = image_shape(shape)
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise((image[0], *self.channels)):
            layers += [nn.Conv2d(fan_in, fan_out, 3, stride=2, padding=1), *self._blocks(fan_out)]
        layers += [group_norm(self.channels[-1]), nn.SiLU()]
        maps = code_shape(image, self.channels)
        return ImageEncoder(nn.Sequential(*layers), self._hidden(math.prod(maps), features))

    def decoder(self, features: int, shape: tuple[int, ...]) -> ImageDecoder:
        image = image_shape(shape)
        layers: list[nn.Module] = []
        for scale in reversed(range(len(self.channels))):
            fan_in = self.channels[scale]
            fan_out, height, width = code_shape(image, self.channels[:scale])
            kernel = (4 - height % 2, 4 - width % 2)  # to twice the size, or one less
            layers += [*self._blocks(fan_in), group_norm(fan_in), nn.SiLU()]
            layers += [nn.ConvTranspose2d(fan_in, fan_out, kernel, stride=2, padding=1)]
        maps = code_shape(image, self.channels)
        head = self._hidden(features, math.prod(maps))
        return ImageDecoder(head, nn.Sequential(*layers), maps, image)

    def last_bias(self, decoder: Any) -> nn.Parameter:
        return decoder.body[-1].bias

    def _blocks(self, channels: int) -> list[nn.Module]:
        return [ResidualBlock(channels) for _ in range(self.blocks)]

    def _hidden(self, fan_in: int, fan_out: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Linear(fan_in, self.hidden),
            nn.LayerNorm(self.hidden),
            nn.SiLU(),
            nn.Linear(self.hidden, fan_out),
        )
