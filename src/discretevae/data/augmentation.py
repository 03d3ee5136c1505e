"""Random small deformations of images."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float32, Shaped
from torch import Generator, Tensor
from torch.nn import functional as F

from .errors import DataError

__all__ = ["Augmentation", "warp"]


@dataclass(frozen=True)
class Augmentation:
    r"""Shifts, turns, scales and bends each image by a draw of its own.

    .. math:: y(p) = x\big(A^{-1}(p - t) + e(p)\big), \qquad
        A = (1 + a)\, R(\theta), \quad e = \mathtt{elastic} \cdot (G_\sigma * \epsilon)

    with t, θ and a uniform between ± `shift`, ± `rotation` and ± `scale`, white noise
    :math:`\epsilon \sim \mathcal{N}(0, I)` and a Gaussian G that leaves every pixel's displacement
    with variance one. Positions are measured from the image's centre. The whole is one bilinear
    interpolation, and zero lies beyond the border. In these units Simard's σ = 4, α = 34 is
    `elastic` = 1.4.

    Images are float32 in [0, 1], (n, C, H, W), (n, H, W), or of any shape if `image_shape` is
    given, and so is what comes back. Binary images come back **grey**: use them as they are, or
    draw from them again with a `Binarizer`.

    Arguments:
        shift: Largest shift along each axis, in pixels.
        rotation: Largest angle, in degrees.
        scale: Largest change of size, as a share in [0, 1).
        elastic: Root mean square of the displacement along each axis, in pixels.
        elastic_width: σ > 0 in pixels: displacements within it are alike.
        image_shape: (H, W) or (C, H, W) of images that come as vectors.

    Raises:
        DataError: If an argument is out of its range, or images are not as described.

    Reference: Simard, Steinkraus & Platt, Best Practices for Convolutional Neural Networks Applied
    to Visual Document Analysis, 2003.

    Example:
        >>> augment = Augmentation(image_shape=(28, 28))
        >>> augment(torch.rand(5, 784), torch.Generator().manual_seed(0)).shape
        torch.Size([5, 784])
    """

    shift: float = 2.0
    rotation: float = 15.0
    scale: float = 0.1
    elastic: float = 0.8
    elastic_width: float = 4.0
    image_shape: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("shift", "rotation", "scale", "elastic", "elastic_width"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise DataError(f"`{name}` must be finite and at least 0, got {value}.")
        if not self.scale < 1:
            raise DataError(f"`scale` must be below 1, got {self.scale}.")
        if not self.elastic_width > 0:
            raise DataError(f"`elastic_width` must be positive, got {self.elastic_width}.")
        if self.image_shape is not None and len(self.image_shape) not in (2, 3):
            raise DataError(f"`image_shape` must be (H, W) or (C, H, W), got {self.image_shape}.")

    def __call__(
        self, x: Shaped[Tensor, "n *shape"], generator: Generator | None = None
    ) -> Float32[Tensor, "n *shape"]:
        """Returns the deformed images; equal states of the generator give equal draws."""
        images = x.reshape(len(x), *self._shape(x))
        if x.dtype != torch.float32 or not bool(((x >= 0) & (x <= 1)).all()):
            raise DataError(f"`x` must be float32 in [0, 1], got {_describe(x)}.")
        n, _, height, width = images.shape

        def uniform(largest: float, *shape: int) -> Tensor:
            unit = torch.rand(n, *shape, generator=generator, device=x.device)
            return largest * (2 * unit - 1)

        with torch.autocast(x.device.type, enabled=False):
            noise = torch.randn(n, 2, height, width, generator=generator, device=x.device)
            down, across = (_smoother(size, self.elastic_width).to(x) for size in (height, width))
            smooth = down @ noise @ across.mT
            y = warp(
                images,
                shift=uniform(self.shift, 2),
                angle=uniform(math.radians(self.rotation)),
                factor=1 + uniform(self.scale),
                displacement=self.elastic * smooth.movedim(1, -1),
            )
        # The weights of an interpolation add up to 1 but for rounding.
        return y.clamp_(0, 1).reshape(x.shape)

    def _shape(self, x: Tensor) -> tuple[int, ...]:
        shape = tuple(x.shape[1:]) if self.image_shape is None else self.image_shape
        if len(shape) not in (2, 3) or math.prod(shape) != math.prod(x.shape[1:]):
            wanted = "(n, C, H, W) or (n, H, W)" if self.image_shape is None else f"(n, *{shape})"
            raise DataError(f"`x` must have the shape {wanted}, got {tuple(x.shape)}.")
        return (1, *shape) if len(shape) == 2 else shape


def warp(
    images: Float32[Tensor, "n C H W"],
    shift: Float32[Tensor, "n 2"],
    angle: Float32[Tensor, " n"],
    factor: Float32[Tensor, " n"],
    displacement: Float32[Tensor, "n H W 2"],
) -> Float32[Tensor, "n C H W"]:
    r"""Deforms images by given amounts, with one bilinear interpolation and zeros outside.

    .. math:: y(p) = x\big(R(-\theta) (p - t) / f + e(p)\big)

    Arguments:
        images: x.
        shift: t in pixels, (right, down).
        angle: θ in radians, anticlockwise as the image is shown.
        factor: f, above 1 to enlarge.
        displacement: e in pixels, (right, down): where pixel p looks, so that the picture moves
            the other way.

    Example:
        >>> dot = torch.eye(3)[None, None, :1]  # one row of three pixels
        >>> zero = torch.zeros(1)
        >>> right = torch.tensor([[1.0, 0.0]])
        >>> warp(dot, right, zero, zero + 1, torch.zeros(1, 1, 3, 2))
        tensor([[[[0., 1., 0.]]]])
    """
    size = images.shape[:-3:-1]  # (W, H)
    across, down = (torch.arange(n).to(images) - (n - 1) / 2 for n in size)
    p = torch.stack(torch.meshgrid(across, down, indexing="xy"), -1)
    cos, sin = angle.cos(), angle.sin()
    back = torch.stack([cos, sin, -sin, cos], -1).reshape(-1, 1, 2, 2)  # acts on rows (x, y)
    turned = (p - shift[:, None, None]) @ back
    source = turned / factor[:, None, None, None] + displacement
    grid = 2 * source / torch.tensor(size).to(images)  # ±1 are the outer edges
    return F.grid_sample(images, grid, align_corners=False)


def _smoother(size: int, width: float) -> Float32[Tensor, "size size"]:
    """Averages white noise along one axis by a Gaussian; the result has unit variance."""
    pixel = torch.arange(size)
    kernel = (-0.5 * ((pixel[:, None] - pixel) / width).square()).exp()
    return kernel / kernel.norm(dim=1, keepdim=True)


def _describe(x: Tensor) -> str:
    kind = str(x.dtype).removeprefix("torch.")
    return f"{kind} from {x.min().item():g} to {x.max().item():g}"
