"""Inputs beside what the model makes of them."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Real
from matplotlib.figure import Figure

from discretevae.pages.figures.tiles import MAX_TILES, plot_tiles, shown

__all__ = ["plot_reconstructions"]

_ROWS = (
    "input\nprobabilities",
    "input\nsample",
    "reconstruction\nprobabilities",
    "reconstruction\nsample",
)
_AS_THEY_ARE = ("input", "reconstruction\nmean", "reconstruction\nsample")
"""Rows of examples that the encoder sees as they are."""


def plot_reconstructions(
    probabilities: Real[np.ndarray, "N ..."],
    sample: Real[np.ndarray, "N ..."],
    reconstruction_probabilities: Real[np.ndarray, "N ..."],
    reconstruction_sample: Real[np.ndarray, "N ..."],
    shape: tuple[int, ...],
    *,
    row_labels: Sequence[str] = _ROWS,
    vmin: float = 0.0,
    vmax: float = 1.0,
) -> Figure:
    """Draws N examples of `shape` as columns, and in four rows their way through the model.

    From top to bottom: the probabilities of the input's pixels, the sample that the encoder saw,
    the decoder's means and a sample from the decoder; three where the encoder saw the input itself.
    At most 16 examples are drawn.

    Raises:
        ValueError: If the four arrays differ in shape, are empty or do not fit `shape`, or if
            `row_labels` are not four.

    Example:
        >>> x = np.linspace(0, 1, 5 * 64).reshape(5, 1, 8, 8)
        >>> figure = plot_reconstructions(x, x.round(), x, x.round(), shape=(1, 8, 8))
        >>> len(figure.axes[0].images)
        20
    """
    rows: tuple[np.ndarray, ...] = (
        probabilities,
        sample,
        reconstruction_probabilities,
        reconstruction_sample,
    )
    if len({row.shape for row in rows}) > 1:
        raise ValueError(f"the four arrays must agree in shape, got {[row.shape for row in rows]}.")
    if len(row_labels) != len(rows):
        raise ValueError(f"`row_labels` must be four, got {len(row_labels)}.")
    if np.array_equal(probabilities, sample) and row_labels is _ROWS:
        rows, row_labels = rows[1:], _AS_THEY_ARE
    count = min(len(sample), MAX_TILES)
    return plot_tiles(
        np.concatenate([row[:count] for row in rows]),
        shape,
        columns=count,
        title="Inputs and their reconstructions",
        subtitle=["one example a column", shown(count, len(sample), "examples")],
        row_labels=row_labels,
        vmin=vmin,
        vmax=vmax,
    )
