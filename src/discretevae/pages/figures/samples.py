"""What the model makes up on its own."""

import math

import numpy as np
from jaxtyping import Real
from matplotlib.figure import Figure

from discretevae.pages.figures.tiles import MAX_TILES, plot_tiles, shown

__all__ = ["plot_samples"]


def plot_samples(
    images: Real[np.ndarray, "N ..."],
    shape: tuple[int, ...],
    *,
    title: str = "Samples from the prior",
    subtitle: str = "decoded from random codes",
    vmin: float = 0.0,
    vmax: float = 1.0,
) -> Figure:
    """Draws N samples of `shape` on a sheet about twice as wide as high, at most 16 × 16.

    Raises:
        ValueError: If `images` is empty or does not fit `shape`.

    Example:
        >>> figure = plot_samples(np.zeros((32, 64)), shape=(8, 8))
        >>> len(figure.axes[0].images)
        32
    """
    count = min(len(images), MAX_TILES**2)
    columns = min(MAX_TILES, max(1, math.ceil(math.sqrt(2 * count)))) if len(shape) > 1 else 4
    return plot_tiles(
        images[:count],
        shape,
        columns=min(columns, max(1, count)),
        title=title,
        subtitle=[subtitle, shown(count, len(images), "samples")],
        vmin=vmin,
        vmax=vmax,
    )
