"""Inputs above what several models make of them."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Real
from matplotlib.figure import Figure

from discretevae.pages.figures.tiles import MAX_TILES, plot_tiles, shown

__all__ = ["plot_model_reconstructions"]

_NARROW, _BROAD = 14, 30  # letters a line
_FONT_SIZE = 9.0


def _wrapped(names: Sequence[str]) -> list[str]:
    """Breaks names into two lines each, as short as the longest name allows."""
    for letters in range(_NARROW, _BROAD + 1):
        lines = [textwrap.wrap(name, letters) for name in names]
        if max(map(len, lines)) <= 2:
            break
    return ["\n".join(one) for one in lines]


def _highest(figure: Figure) -> float:
    """The size in points at which the names are no higher than their rows."""
    labels = figure.axes[0].get_yticklabels()
    row = figure.axes[0].bbox.height / len(labels) * 72 / figure.dpi
    return row / (1.2 * max(label.get_text().count("\n") + 1 for label in labels))


def _fit(figure: Figure) -> None:
    """Makes the names small enough for their rows and for the room on the left."""
    labels = figure.axes[0].get_yticklabels()
    widest = max(label.get_window_extent().width / float(label.get_fontsize()) for label in labels)
    broadest = (figure.axes[0].bbox.x0 - 6 * figure.dpi / 72) / widest
    for label in labels:
        label.set(fontsize=min(_FONT_SIZE, _highest(figure), broadest), multialignment="right")


def plot_model_reconstructions(
    inputs: Real[np.ndarray, "N ..."],
    outputs: Mapping[str, Real[np.ndarray, "N ..."]],
    shape: tuple[int, ...],
    *,
    title: str = "Inputs and their reconstructions",
    vmin: float = 0.0,
    vmax: float = 1.0,
) -> Figure:
    """Draws N examples of `shape` as columns: the inputs, and below them a row for each model.

    At most 16 examples are drawn, and as few as 4 where long names need higher rows.

    Arguments:
        outputs: What each model makes of the inputs, under its name.

    Raises:
        ValueError: If there is no example or no model, the arrays differ in shape, or they do not
            fit `shape`.

    Example:
        >>> x = np.linspace(0, 1, 5 * 64).reshape(5, 1, 8, 8)
        >>> figure = plot_model_reconstructions(x, {"MLP": x, "CNN": x.round()}, shape=(1, 8, 8))
        >>> len(figure.axes[0].images)
        15
    """
    if not outputs:
        raise ValueError("`outputs` must hold at least one model, got none.")
    for name, output in outputs.items():
        if output.shape != inputs.shape:
            raise ValueError(
                f"`outputs[{name!r}]` must have the shape of `inputs`, {inputs.shape}, "
                f"got {output.shape}."
            )
    row_labels = _wrapped(["input", *outputs])
    for most in (MAX_TILES, MAX_TILES // 2, MAX_TILES // 4):
        count = min(len(inputs), most)
        figure = plot_tiles(
            np.concatenate([row[:count] for row in (inputs, *outputs.values())]),
            shape,
            columns=count,
            title=title,
            subtitle=["one example a column", shown(count, len(inputs), "examples")],
            row_labels=row_labels,
            vmin=vmin,
            vmax=vmax,
        )
        if _highest(figure) >= _FONT_SIZE:
            break
    _fit(figure)
    return figure
