"""Images and the codes of the grids that stand for them."""

from collections.abc import Sequence

import matplotlib
import numpy as np
from jaxtyping import Integer, Real
from matplotlib.figure import Figure

from discretevae.pages.figures.images import as_image
from discretevae.pages.figures.tiles import MAX_TILES, plot_tiles

__all__ = ["plot_code_grids"]

SIDE = 64
"""Pixels of a tile, at least."""


def plot_code_grids(
    images: Real[np.ndarray, "n ..."],
    grids: Sequence[Integer[np.ndarray, "n _ _"]],
    shape: tuple[int, ...],
    num_codes: int,
    *,
    vmin: float = 0.0,
    vmax: float = 1.0,
) -> Figure:
    """Draws images in a row, and below them the codes of each grid: one colour for each code.

    At most 16 images are drawn.

    Raises:
        ValueError: If there is no image or no grid, or a code lies outside [0, K).

    Example:
        >>> codes = np.arange(8).reshape(2, 2, 2)
        >>> figure = plot_code_grids(np.zeros((2, 1, 8, 8)), [codes], (1, 8, 8), num_codes=8)
        >>> len(figure.axes[0].images)
        4
    """
    if not len(images) or not len(grids):
        raise ValueError(f"`images` must be at least one, with a grid, got {len(images)}.")
    if any(grid.min() < 0 or grid.max() >= num_codes for grid in grids):
        raise ValueError(f"`grids` must hold codes in [0, {num_codes}).")
    images = images[:MAX_TILES]
    colours = matplotlib.colormaps["turbo"](_spread(num_codes))[:, :3]
    height, width = (max(size, SIDE) for size in shape[-2:])
    rows = [_coloured(as_image(image, shape, vmin, vmax)) for image in images]
    for grid in grids:
        rows += [colours[codes] for codes in grid[:MAX_TILES]]
    tiles = np.stack([_resized(tile, height, width) for tile in rows])
    levels = [f"codes {i}" for i in range(1, len(grids) + 1)] if len(grids) > 1 else ["codes"]
    return plot_tiles(
        tiles.transpose(0, 3, 1, 2),
        (3, height, width),
        columns=len(images),
        title="Codes on their grids",
        subtitle=["one colour for each code of the codebook"],
        row_labels=["image", *levels],
    )


def _spread(num_codes: int) -> np.ndarray:
    """Places in [0, 1] at which codes that follow each other are far apart."""
    return (np.arange(num_codes) * 0.6180339887) % 1


def _coloured(image: np.ndarray) -> np.ndarray:
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, -1)


def _resized(tile: np.ndarray, height: int, width: int) -> np.ndarray:
    """Repeats pixels until a tile has this size."""
    rows = np.arange(height) * tile.shape[0] // height
    columns = np.arange(width) * tile.shape[1] // width
    return tile[rows][:, columns]
