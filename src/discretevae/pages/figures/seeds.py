"""Scores of every seed, and their means."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from discretevae.pages.figures.panels import legend_below, new_panels, title_panels
from discretevae.pages.figures.style import INK, PALETTE
from discretevae.texts import for_figure

__all__ = ["plot_seeds"]

_COLUMNS = 3
_LETTERS = 20  # a line of a group's name
_DOT: dict[str, Any] = {
    "linestyle": "none",
    "marker": "o",
    "color": PALETTE["blue"],
    "markersize": 5,
    "markeredgewidth": 0,
    "alpha": 0.6,
}
_MEAN: dict[str, Any] = {
    "linestyle": "none",
    "marker": "|",
    "color": INK,
    "markersize": 17,
    "markeredgewidth": 1.8,
}
_REFERENCE: dict[str, Any] = {
    "linestyle": (0, (4, 2)),
    "color": PALETTE["vermillion"],
    "linewidth": 1.4,
}


def _checked(
    scores: Mapping[str, Mapping[str, Sequence[float] | np.ndarray]],
    reference: Mapping[str, float],
) -> dict[str, dict[str, np.ndarray]]:
    if not scores or not all(scores.values()):
        empty = next(
            (f"no group for {score!r}" for score in scores if not scores[score]), "no score"
        )
        raise ValueError(f"`scores` must hold at least one score and one group, got {empty}.")
    arrays = {
        score: {group: np.asarray(seeds, float) for group, seeds in groups.items()}
        for score, groups in scores.items()
    }
    for score, groups in arrays.items():
        for group, seeds in groups.items():
            where = f"`scores[{score!r}][{group!r}]`"
            if seeds.ndim != 1 or seeds.size == 0:
                raise ValueError(f"{where} must hold a value a seed, got the shape {seeds.shape}.")
            if not (np.abs(seeds) <= 1).all():
                wrong = seeds[~(np.abs(seeds) <= 1)][0]
                raise ValueError(f"{where} must lie in [-1, 1], got {wrong}.")
    for score, value in reference.items():
        if score not in scores:
            raise ValueError(f"`reference` must name scores among {list(scores)}, got {score!r}.")
        if not -1 <= value <= 1:
            raise ValueError(f"`reference[{score!r}]` must lie in [-1, 1], got {value}.")
    return arrays


def _spread(count: int) -> Float[np.ndarray, " S"]:
    """How far each seed stands from the middle of its row, so that equal ones are all seen."""
    return np.linspace(-0.2, 0.2, count) if count > 1 else np.zeros(1)


def _draw(ax: Axes, rows: Sequence[str], groups: Mapping[str, np.ndarray]) -> None:
    for row, group in enumerate(rows):
        if group in groups:
            seeds = groups[group]
            ax.plot(seeds, row + _spread(len(seeds)), clip_on=False, **_DOT)
            if len(seeds) > 1:
                ax.plot([seeds.mean()], [row], zorder=4, clip_on=False, **_MEAN)


def _dress(ax: Axes, rows: Sequence[str], lowest: float, first: bool) -> None:
    ax.set(xlim=(lowest, 1), ylim=(len(rows) - 0.5, -0.5), xticks=[0, 0.5, 1])
    ax.set_xticks([0.25, 0.75], minor=True)
    ax.set_xticklabels(["0", "0.5", "1"])
    ax.set_yticks(range(len(rows)), list(map(for_figure, rows)))
    ax.tick_params(axis="y", length=0, labelleft=first)
    ax.grid(axis="x", which="both", color="#E9E9E9", linewidth=0.7)
    ax.set_axisbelow(True)
    ax.spines["left"].set_visible(False)
    for border in range(1, len(rows)):
        ax.axhline(border - 0.5, color="#E9E9E9", linewidth=0.7, zorder=0.5)


def _mark(ax: Axes, value: float) -> None:
    """A line across all groups, and its value above it."""
    ax.axvline(value, zorder=1.5, clip_on=False, **_REFERENCE)
    ax.annotate(
        f"{value:.2f}".replace("-", "−"),
        xy=(value, 1),
        xycoords=ax.get_xaxis_transform(),
        xytext=(0, 2),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=8.5,
        color=PALETTE["vermillion"],
    )


def plot_seeds(
    scores: Mapping[str, Mapping[str, Sequence[float] | np.ndarray]],
    *,
    reference: Mapping[str, float] | None = None,
    reference_label: str = "reference",
) -> Figure:
    """Draws a panel for each score: a row for each group, a dot for each seed, a tick for the mean.

    A single seed has no tick. All panels have the same groups, in the order of their first
    appearance; the row of a group without a score stays empty. The axes go from 0 to 1, or from
    the lowest score below 0.

    Arguments:
        scores: By score and group, such as `scores["NMI"]["codes"]`, a value for each seed.
        reference: By score, where a dashed line stands, such as a published figure.
        reference_label: What the dashed lines are.

    Raises:
        ValueError: If there is no score, a score has no group or a group no seed, if a value lies
            outside [-1, 1], or if `reference` names an unknown score.

    Example:
        >>> scores = {"NMI": {"codes": [0.5, 0.6]}, "ARI": {"codes": [0.3, 0.4]}}
        >>> figure = plot_seeds(scores, reference={"NMI": 0.55}, reference_label="published")
        >>> [ax.get_title(loc="left") for ax in figure.axes]
        ['NMI', 'ARI']
    """
    reference = reference or {}
    arrays = _checked(scores, reference)
    rows = list(dict.fromkeys(group for groups in arrays.values() for group in groups))
    labels = ["\n".join(textwrap.wrap(row, _LETTERS)) for row in rows]
    lines = max(label.count("\n") + 1 for label in labels)
    axes = new_panels(len(arrays), 1.25 + len(rows) * max(0.36, 0.1 + 0.16 * lines), _COLUMNS)
    values = [*reference.values(), *(s.min() for gs in arrays.values() for s in gs.values())]
    lowest = min(0.0, *values) * 1.1
    for i, (ax, (score, groups)) in enumerate(zip(axes, arrays.items(), strict=True)):
        _draw(ax, rows, groups)
        _dress(ax, labels, lowest, first=i % _COLUMNS == 0)
        if score in reference:
            _mark(ax, reference[score])
    handles = [Line2D([], [], **_DOT, label="one seed")]
    if max(len(seeds) for groups in arrays.values() for seeds in groups.values()) > 1:
        handles.append(Line2D([], [], **{**_MEAN, "markersize": 11}, label="mean of the seeds"))
    if reference:
        handles.append(Line2D([], [], **_REFERENCE, label=for_figure(reference_label)))
    legend_below(axes[0].figure.figure, handles)
    title_panels(dict(zip(arrays, axes, strict=True)), pad=20 if reference else 8)
    return axes[0].figure.figure
