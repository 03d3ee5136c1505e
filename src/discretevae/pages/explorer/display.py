"""How observations are seen: as pictures, or as the cells of a table; a sentence is one cell."""

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from discretevae.likelihoods import Likelihood
from discretevae.models import VAE
from discretevae.pages.figures.images import as_image
from discretevae.pages.writing import as_cells, writes

__all__ = ["Pictures", "Texts", "display_of", "sheet"]


@dataclass(frozen=True)
class Pictures:
    """Shows observations as pictures, from black at `low` to white at `high`.

    Arguments:
        shape: Of one observation.
        low: The value shown as black.
        high: The value shown as white.

    Example:
        >>> import torch
        >>> Pictures((1, 2, 3)).show(torch.ones(4, 1, 2, 3)).shape
        (4, 2, 3)
    """

    shape: tuple[int, ...]
    low: float = 0.0
    high: float = 1.0

    def show(self, x: Float[Tensor, "N *shape"]) -> UInt8[np.ndarray, "N *pixels"]:
        """Gives pixels, (N, H, W) or, for red, green and blue, (N, H, W, 3)."""
        array = x.detach().cpu().double().numpy()
        images = [as_image(event, self.shape, self.low, self.high) for event in array]
        return np.round(np.stack(images) * 255).astype(np.uint8)

    @property
    def channels(self) -> int:
        """How many channels an image has; 0 where observations are no images."""
        sizes = {2: 1, 3: self.shape[0]}
        return sizes.get(len(self.shape), 0)


@dataclass(frozen=True)
class Texts:
    """Shows observations as cells, one row each, under the names of the columns."""

    likelihood: Likelihood

    def show(self, x: Float[Tensor, "N *shape"]) -> list[list[str]]:
        """Gives the cells of every row."""
        return as_cells(x, self.likelihood).rows

    @property
    def header(self) -> Sequence[str]:
        """The names of the columns."""
        return self.likelihood.header or ()


def display_of(model: VAE, x: Float[Tensor, "N *shape"]) -> Pictures | Texts:
    """Chooses how observations of a model are seen; values that are no probabilities by those here.

    Example:
        >>> import torch
        >>> from discretevae.models import DiscreteVAE
        >>> display_of(DiscreteVAE((6,), likelihood="gaussian"), torch.arange(6.0)[None]).high
        5.0
    """
    if writes(model.likelihood):
        return Texts(model.likelihood)
    return Pictures(model.shape, *model.likelihood.shades(x))


def sheet(pictures: UInt8[np.ndarray, "N *pixels"], shades: int = 256) -> dict[str, Any]:
    """Puts pictures side by side into one PNG file, in rows, as a page can hold it.

    Arguments:
        pictures: (N, H, W) or (N, H, W, 3).
        shades: How many shades to keep.

    Returns:
        The link `source`, the size of one picture, and how many stand in a row.

    Example:
        >>> sheet(np.zeros((5, 8, 6), np.uint8))["columns"]
        3
    """
    import PIL.Image

    count, height, width = pictures.shape[:3]
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    kept = np.round(np.arange(256) * (shades - 1) / 255) * (255 / (shades - 1))
    cells = np.zeros((rows * columns, *pictures.shape[1:]), np.uint8)
    cells[:count] = np.round(kept).astype(np.uint8)[pictures]
    grid = cells.reshape(rows, columns, *pictures.shape[1:]).swapaxes(1, 2)
    file = io.BytesIO()
    whole = grid.reshape(rows * height, columns * width, *pictures.shape[3:])
    PIL.Image.fromarray(whole).save(file, "png", optimize=True)
    source = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
    return {"source": source, "width": width, "height": height, "columns": columns}
