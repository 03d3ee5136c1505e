"""Residual networks between images and grids of vectors."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad

from discretevae.networks.images import image_shape
from discretevae.networks.network import Network, require_widths

__all__ = ["GridDecoder", "GridEncoder", "ResidualBlock", "ResidualNetwork", "group_norm"]

FACTORS = (1, 2, 4, 8, 16)
GROUP = 16
"""Channels that are normalised together."""


@dataclass(frozen=True)
class ResidualNetwork(Network):
    """Convolutions and residual blocks between an image and a grid, of images of any size.

    The grid has h = ⌈H / down⌉ rows and w = ⌈W / down⌉ columns. What the encoder says, and what the
    decoder sees, is a vector for each position, one position after the other, row by row: their
    number of features is a multiple of h·w. D = h·w categorical latents have one at each position.

    Beside them stands a linear map between each patch of down × down pixels and its position, which
    normalisation does not touch: of how bright and of what colour a patch is it would leave little.

    Arguments:
        channels: Filters at the grid; at twice its sides half as many, and so on.
        down: How many times smaller than the image's sides are those of the grid, in `FACTORS`.
        blocks: Residual blocks at the grid, on either side.
        linear: Whether the linear map stands beside.

    Raises:
        ValueError: If a number is out of range, the data are no images (C, H, W) or smaller than
            `down`, or the features are no multiple of the positions.

    Reference: van den Oord, Vinyals & Kavukcuoglu, Neural Discrete Representation Learning, 2017,
    section 4.1, here with group normalisation.

    Example:
        >>> import torch
        >>> network = ResidualNetwork(channels=32, down=4)
        >>> network.grid((3, 32, 30))
        (8, 8)
        >>> network.encoder((3, 32, 30), 8 * 8 * 5)(torch.zeros(2, 3, 32, 30)).shape
        torch.Size([2, 320])
    """

    channels: int = 64
    down: int = 4
    blocks: int = 2
    linear: bool = True

    kind: ClassVar[str] = "residual"
    once: ClassVar[dict[str, Any]] = {"linear": False}

    def __post_init__(self) -> None:
        require_widths("channels", (self.channels,))
        if self.down not in FACTORS:
            raise ValueError(f"`down` must be one of {FACTORS}, got {self.down}.")
        if self.blocks < 0:
            raise ValueError(f"`blocks` must be at least 0, got {self.blocks}.")

    def grid(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Gives the rows and the columns of the grid of an image.

        Raises:
            ValueError: If the image is smaller than `down`.
        """
        _, height, width = image_shape(shape)
        if min(height, width) < self.down:
            raise ValueError(
                f"`shape` must have sides of at least {self.down}, as `down` says, got {shape}."
            )
        return -(-height // self.down), -(-width // self.down)

    def encoder(self, shape: tuple[int, ...], features: int) -> "GridEncoder":
        each = self._each(shape, features)
        widths = self._widths(image_shape(shape)[0])
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise(widths):
            layers += [nn.Conv2d(fan_in, fan_out, 3, stride=2, padding=1), nn.SiLU()]
        if self.down == 1:
            layers = [nn.Conv2d(widths[0], self.channels, 3, padding=1)]
        layers += [ResidualBlock(self.channels) for _ in range(self.blocks)]
        body = nn.Sequential(*layers, *_last(self.channels, each))
        return GridEncoder(body, self._beside(nn.Conv2d, widths[0], each))

    def decoder(self, features: int, shape: tuple[int, ...]) -> "GridDecoder":
        image, grid, each = image_shape(shape), self.grid(shape), self._each(shape, features)
        widths = self._widths(image[0])[::-1]
        layers: list[nn.Module] = [nn.Conv2d(each, self.channels, 1)]
        layers += [ResidualBlock(self.channels) for _ in range(self.blocks)]
        for fan_in, fan_out in pairwise(widths):
            layers += [nn.SiLU(), nn.ConvTranspose2d(fan_in, fan_out, 4, stride=2, padding=1)]
        if self.down == 1:
            layers += [nn.SiLU(), nn.Conv2d(self.channels, image[0], 3, padding=1)]
        beside = self._beside(nn.ConvTranspose2d, each, image[0])
        return GridDecoder(nn.Sequential(*layers), grid, image, beside)

    def _beside(self, kind: Any, inputs: int, outputs: int) -> Any:
        """The linear map; the bias is that of what it stands beside."""
        if not self.linear:
            return None
        return kind(inputs, outputs, self.down, stride=self.down, bias=False)

    def last_bias(self, decoder: Any) -> nn.Parameter:
        return decoder.body[-1].bias

    def _widths(self, image_channels: int) -> tuple[int, ...]:
        """Filters from the image to the grid."""
        halvings = int(math.log2(self.down))
        inner = [max(1, self.channels >> i) for i in reversed(range(halvings))]
        return (image_channels, *inner)

    def _each(self, shape: tuple[int, ...], features: int) -> int:
        rows, columns = self.grid(shape)
        if features % (rows * columns):
            raise ValueError(
                f"`features` must be a multiple of the {rows} × {columns} positions that a "
                f"residual network has for {tuple(shape)}, got {features}: it has one latent at "
                "each, or as many each, and no context."
            )
        return features // (rows * columns)


class ResidualBlock(nn.Module):
    """x + what two convolutions, 3×3 and 1×1, make of it, normalised."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(1, channels // 2)
        self.body = nn.Sequential(
            group_norm(channels),
            nn.SiLU(),
            nn.Conv2d(channels, hidden, 3, padding=1),
            group_norm(hidden),
            nn.SiLU(),
            nn.Conv2d(hidden, channels, 1),
        )

    def forward(self, x: Float[Tensor, "n C h w"]) -> Float[Tensor, "n C h w"]:
        return x + self.body(x)


class GridEncoder(nn.Module):
    """Maps images to a vector at each position of a grid: (*B, C, H, W) → (*B, h·w·E).

    Arguments:
        body: (n, C, H, W) → (n, E, h, w).
        linear: The same, of sides that its stride divides; added.
    """

    def __init__(self, body: nn.Module, linear: Any = None) -> None:
        super().__init__()
        self.body, self.linear = body, linear

    def forward(self, x: Float[Tensor, "*B C H W"]) -> Float[Tensor, "*B features"]:
        images = x.reshape(-1, *x.shape[-3:])
        maps = self.body(images)
        if self.linear is not None:
            maps = maps + self.linear(_filled_up(images, self.linear.stride))
        return maps.flatten(2).mT.reshape(*x.shape[:-3], -1)


class GridDecoder(nn.Module):
    """Maps a vector at each position of a grid to images, and cuts what is over.

    Arguments:
        body: (n, E, h, w) → (n, C, at least H, at least W).
        grid: h and w.
        shape: (C, H, W).
        linear: As `body`; added.
    """

    def __init__(
        self,
        body: nn.Module,
        grid: tuple[int, int],
        shape: tuple[int, ...],
        linear: Any = None,
    ) -> None:
        super().__init__()
        self.body, self.grid, self.shape, self.linear = body, grid, shape, linear

    def forward(self, features: Float[Tensor, "*B features"]) -> Float[Tensor, "*B C H W"]:
        positions = math.prod(self.grid)
        vectors = features.reshape(-1, positions, features.shape[-1] // positions)
        maps = vectors.mT.unflatten(-1, self.grid)
        images = self.body(maps)
        if self.linear is not None:
            images = images + self.linear(maps)
        _, height, width = self.shape
        return images[..., :height, :width].reshape(*features.shape[:-1], *self.shape)


def group_norm(channels: int) -> nn.GroupNorm:
    """Normalises some 16 channels together.

    Example:
        >>> group_norm(32).num_groups
        2
    """
    return nn.GroupNorm(math.gcd(channels, max(1, channels // GROUP)), channels)


def _filled_up(
    images: Float[Tensor, "n C H W"], strides: tuple[int, int]
) -> Float[Tensor, "n C _ _"]:
    """Repeats the last row and column until strides divide the sides."""
    down, right = (-side % stride for side, stride in zip(images.shape[-2:], strides, strict=True))
    return pad(images, (0, right, 0, down), mode="replicate") if down or right else images


def _last(channels: int, features: int) -> list[nn.Module]:
    return [group_norm(channels), nn.SiLU(), nn.Conv2d(channels, features, 1)]
