"""What all networks for images share: shapes, and any number of leading dimensions."""

from torch import Tensor, nn

__all__ = ["ImageDecoder", "ImageEncoder", "code_shape", "image_shape"]


def image_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Reads a shape as (C, H, W).

    Raises:
        ValueError: If it has not three sizes.

    Example:
        >>> image_shape((1, 28, 28))
        (1, 28, 28)
    """
    if len(shape) != 3:
        raise ValueError(f"`shape` must be (C, H, W) for a convolutional network, got {shape}.")
    return shape[0], shape[1], shape[2]


def code_shape(shape: tuple[int, int, int], channels: tuple[int, ...]) -> tuple[int, int, int]:
    """Gives the innermost feature map: each convolution halves, rounding up.

    Example:
        >>> code_shape((1, 28, 28), (16, 32))
        (32, 7, 7)
    """
    scale = 2 ** len(channels)
    return ((shape[0], *channels)[-1], -(-shape[1] // scale), -(-shape[2] // scale))


class ImageEncoder(nn.Module):
    """Maps images to features: convolutions, then what joins their maps.

    Arguments:
        body: (n, C, H, W) → maps.
        head: Maps as vectors → (n, features).
    """

    def __init__(self, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.body, self.head = body, head

    def forward(self, x: Tensor) -> Tensor:
        features = self.head(self.body(x.reshape(-1, *x.shape[-3:])).flatten(1))
        return features.reshape(*x.shape[:-3], features.shape[-1])


class ImageDecoder(nn.Module):
    """Maps features to images, and cuts what is over.

    Arguments:
        head: (n, features) → maps as vectors.
        body: Maps → (n, C, at least H, at least W).
        maps: The shape of the maps.
        shape: (C, H, W).
    """

    def __init__(
        self, head: nn.Module, body: nn.Module, maps: tuple[int, int, int], shape: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.head, self.body, self.maps, self.shape = head, body, maps, shape

    def forward(self, features: Tensor) -> Tensor:
        _, height, width = self.shape
        maps = self.head(features.reshape(-1, features.shape[-1])).unflatten(1, self.maps)
        images = self.body(maps)[..., :height, :width]
        return images.reshape(*features.shape[:-1], *self.shape)
