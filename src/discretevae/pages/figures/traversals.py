"""What each continuous latent does to one decoded code."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Real
from matplotlib.figure import Figure

from discretevae.pages.figures.tiles import MAX_TILES, plot_tiles, shown

__all__ = ["plot_traversals"]


def plot_traversals(
    decoded: Real[np.ndarray, "L T ..."],
    values: Real[np.ndarray, " T"],
    shape: tuple[int, ...],
    *,
    latents: Sequence[int] | None = None,
    vmin: float = 0.0,
    vmax: float = 1.0,
) -> Figure:
    """Draws `decoded[l, t]`, the decoded mean of one code with latent l moved to `values[t]`.

    At most 16 rows are drawn, and of more than 16 values 16 at even distances. `latents` are the
    rows to draw, in their order; by default all.

    Raises:
        ValueError: If `values` does not fit `decoded`, or `decoded` does not fit `shape`.

    Example:
        >>> figure = plot_traversals(np.zeros((2, 5, 8, 8)), np.linspace(-2, 2, 5), (8, 8))
        >>> len(figure.axes[0].images)
        10
    """
    num_latents, steps = decoded.shape[:2]
    if num_latents < 1 or steps < 1:
        raise ValueError(f"`decoded` must hold at least one image, got {decoded.shape}.")
    if values.shape != (steps,):
        raise ValueError(f"`values` must have the shape ({steps},), got {values.shape}.")
    drawn = list(range(num_latents) if latents is None else latents)[:MAX_TILES]
    columns = min(steps, MAX_TILES)
    kept = np.linspace(0, steps - 1, columns).round().astype(int)
    few = f"{columns} of {steps} values" if columns < steps else ""
    return plot_tiles(
        np.concatenate([decoded[latent][kept] for latent in drawn]),
        shape,
        columns=columns,
        title="What each latent does",
        subtitle=[
            "one code, moved along one latent at a time",
            shown(len(drawn), num_latents, "latents"),
            few,
        ],
        row_labels=[f"latent {i}" for i in drawn],
        column_labels=[f"{value:.2g}".replace("-", "−") for value in values[kept]],
        vmin=vmin,
        vmax=vmax,
    )
