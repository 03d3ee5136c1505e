"""The bounds of several models over training, side by side."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import AutoLocator

from discretevae.pages.figures.curves import _extremes, plot_elbo_curves
from discretevae.pages.figures.panels import legend_below, new_panels, title_panels

__all__ = ["plot_curves_beside"]

Panel = tuple[Sequence[float] | np.ndarray, Mapping[str, Sequence[float] | np.ndarray]]
"""The epochs, and the curves over them by name."""

_COLUMNS = 3


def _complete(panels: Mapping[str, Panel]) -> dict[str, tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Gives all panels the same curves in the same order, so that a colour means one thing."""
    labels = dict.fromkeys(label for _, curves in panels.values() for label in curves)
    completed = {}
    for name, (epochs, curves) in panels.items():
        missing = np.full(np.shape(epochs), np.nan)
        everywhere = labels if curves else {}
        completed[name] = (
            np.asarray(epochs, float),
            {label: np.asarray(curves.get(label, missing), float) for label in everywhere},
        )
    return completed


def _draw(ax: Axes, name: str, epochs: np.ndarray, curves: Mapping[str, np.ndarray]) -> None:
    """Draws one panel, without the title and the legend that all panels share."""
    try:
        plot_elbo_curves(epochs, curves, ax)
    except ValueError as error:
        raise ValueError(f"`panels[{name!r}]` cannot be drawn: {error}") from error
    for own in filter(None, (ax.get_legend(), *ax.texts)):
        own.remove()


def _has_values(line: Line2D) -> bool:
    return np.size(line.get_xdata()) > 0


def _limits(axes: Sequence[Axes]) -> tuple[float, float]:
    """The range that shows what each panel would show on its own."""
    filled = [ax for ax in axes if any(map(_has_values, ax.lines))]
    low, high = zip(*(ax.get_ylim() for ax in filled or axes), strict=True)
    return min(low), max(high)


def _remark(panels: Mapping[str, tuple[np.ndarray, dict[str, np.ndarray]]], ax: Axes) -> str:
    """Says what lies beyond the limits, and which panels are empty."""
    low, high = ax.get_ylim()
    said = []
    for name, (epochs, curves) in panels.items():
        empty = not any(np.isfinite(curve).any() for curve in curves.values())
        cuts = (_extremes("below", epochs, curves, low), _extremes("above", epochs, curves, high))
        said += [f"{name}, {what}" for what in (*cuts, "no values" * empty) if what]
    return "; ".join(said)


def plot_curves_beside(panels: Mapping[str, Panel], height: float = 3.4) -> Figure:
    """Draws the curves of several models side by side, on one scale, each model under its name.

    The axes show the later part of every panel; the lines below say what was cut. A curve has the
    same look in all panels. Three panels fill a row.

    Arguments:
        panels: For each model, the epochs and the curves over them, in nats per example.
        height: Of a row of panels, in inches.

    Raises:
        ValueError: If there is no panel, or one without epochs or curves, or a curve has another
            length than its epochs.

    Example:
        >>> curves = {"train ELBO": [-150, -130, -125]}
        >>> figure = plot_curves_beside({"MLP": ([1, 2, 3], curves), "CNN": ([1, 2, 3], curves)})
        >>> [ax.get_title(loc="left") for ax in figure.axes]
        ['MLP', 'CNN']
    """
    if not panels:
        raise ValueError("`panels` must hold at least one model, got none.")
    completed = _complete(panels)
    axes = new_panels(len(panels), height, _COLUMNS)
    for ax, (name, panel) in zip(axes, completed.items(), strict=True):
        _draw(ax, name, *panel)
    low, high = _limits(axes)
    for i, ax in enumerate(axes):
        ax.set_ylim(low, high)
        ax.yaxis.set_major_locator(AutoLocator())
        if i % _COLUMNS:
            ax.tick_params(labelleft=False)
            ax.set_ylabel("")
    figure = axes[0].figure.figure
    same = zip(*(ax.lines for ax in axes), strict=True)
    legend_below(figure, [max(lines, key=_has_values) for lines in same], _remark(completed, ax))
    title_panels(dict(zip(panels, axes, strict=True)))
    return figure
