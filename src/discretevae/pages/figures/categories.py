"""What each category of each latent does to one decoded code."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Integer, Real
from matplotlib.figure import Figure

from discretevae.pages.figures.tiles import MAX_TILES, plot_tiles, shown

__all__ = ["plot_categories"]


def _columns(num_categories: int, code: np.ndarray) -> np.ndarray:
    """The categories drawn for each latent: all, or the first ones and then the current one."""
    if num_categories <= MAX_TILES:
        return np.tile(np.arange(num_categories), (len(code), 1))
    first = np.tile(np.arange(MAX_TILES - 1), (len(code), 1))
    return np.concatenate([first, code[:, None]], axis=1)


def _check(decoded: np.ndarray, code: np.ndarray) -> None:
    num_latents, num_categories = decoded.shape[:2]
    if num_latents < 1 or num_categories < 1:
        raise ValueError(f"`decoded` must hold at least one code, got {decoded.shape}.")
    if code.shape != (num_latents,):
        raise ValueError(f"`code` must have the shape ({num_latents},), got {code.shape}.")
    if code.min() < 0 or code.max() >= num_categories:
        raise ValueError(f"`code` must lie in [0, {num_categories}), got {code.tolist()}.")


def plot_categories(
    decoded: Real[np.ndarray, "D K ..."],
    code: Integer[np.ndarray, " D"],
    shape: tuple[int, ...],
    *,
    latents: Sequence[int] | None = None,
    vmin: float = 0.0,
    vmax: float = 1.0,
) -> Figure:
    """Draws `decoded[d, k]`, the decoded mean of `code` with latent d set to category k.

    Rows are latents, columns are categories, and a frame marks the category that `code` has. At
    most 16 rows and columns are drawn; beyond 16 categories the last column is the current one.
    `latents` are the rows to draw, in their order; by default all.

    Raises:
        ValueError: If `code` does not fit `decoded`, or `decoded` does not fit `shape`.

    Example:
        >>> figure = plot_categories(np.zeros((4, 8, 1, 8, 8)), np.array([0, 7, 3, 3]), (1, 8, 8))
        >>> len(figure.axes[0].images), len(figure.axes[0].patches)
        (32, 4)
    """
    _check(decoded, code)
    num_latents, num_categories = decoded.shape[:2]
    drawn = list(range(num_latents) if latents is None else latents)[:MAX_TILES]
    cut, categories = num_categories > MAX_TILES, _columns(num_categories, code[drawn])
    count = categories.shape[1]
    few = shown(count - 1, num_categories, "categories, then the current one") if cut else ""
    return plot_tiles(
        np.concatenate([decoded[d, row] for d, row in zip(drawn, categories, strict=True)]),
        shape,
        columns=count,
        title="What each category of each latent does",
        subtitle=[
            "one code, changed in one latent at a time; framed: the category that it has",
            shown(len(drawn), num_latents, "latents"),
            few,
        ],
        row_labels=[f"latent {d}" for d in drawn],
        column_labels=[*map(str, range(count - 1)), "now"] if cut else [*map(str, range(count))],
        framed=np.flatnonzero(categories == code[drawn, None]).tolist(),
        vmin=vmin,
        vmax=vmax,
    )
