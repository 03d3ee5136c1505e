"""The bound over wall-clock time for several estimators."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.transforms import Affine2D, ScaledTranslation

from discretevae.pages.figures.curves import limits_of_later
from discretevae.pages.figures.style import INK, PALETTE, new_axes, set_titles
from discretevae.texts import for_figure

__all__ = ["mean_run", "plot_comparison"]

Run = tuple[np.ndarray, np.ndarray]
"""The seconds since the start, increasing, and the bound at each."""

_COLOURS = list(PALETTE.values())
_DASHES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)))
_LIMIT = 10  # estimators: more lines cannot be told apart
_LINE = 12.5  # points: from one name to the next


def mean_run(runs: Sequence[Run]) -> tuple[Float[np.ndarray, " T"], Float[np.ndarray, " T"]]:
    """The mean of runs, each a line through its values, over the time that all of them cover.

    Example:
        >>> slow, fast = np.array([0.0, 4.0]), np.array([0.0, 1.0, 2.0])
        >>> mean_run([(slow, np.array([-8.0, 0.0])), (fast, np.array([-2.0, -4.0, -2.0]))])
        (array([0., 1., 2.]), array([-5., -5., -3.]))
    """
    start, end = max(run[0][0] for run in runs), min(run[0][-1] for run in runs)
    times = np.unique(np.concatenate([seconds for seconds, _ in runs]))
    times = times[(times >= start) & (times <= end)]
    return times, np.mean([np.interp(times, *run) for run in runs], axis=0)


def _checked(curves: Mapping[str, Sequence[Run]]) -> dict[str, list[Run]]:
    """The runs without the times that have no value, and without runs that have none."""
    if not 1 <= len(curves) <= _LIMIT:
        raise ValueError(f"`curves` must hold 1 to {_LIMIT} estimators, got {len(curves)}.")
    kept: dict[str, list[Run]] = {}
    for name, runs in curves.items():
        if len(runs) == 0:
            raise ValueError(f"`curves[{name!r}]` must hold at least one run, got none.")
        kept[name] = []
        for run in runs:
            seconds, elbo = (np.asarray(values, float) for values in run)
            if seconds.ndim != 1 or seconds.shape != elbo.shape:
                raise ValueError(
                    f"`curves[{name!r}]` must hold pairs of seconds and values of one length, "
                    f"got the shapes {seconds.shape} and {elbo.shape}."
                )
            if not (np.diff(seconds) > 0).all():
                i = int((~(np.diff(seconds) > 0)).argmax())
                raise ValueError(
                    f"`curves[{name!r}]` must have seconds that increase, "
                    f"got {seconds[i + 1]} after {seconds[i]}."
                )
            finite = np.isfinite(elbo)
            if finite.any():
                kept[name].append((seconds[finite], elbo[finite]))
    return kept


def _limits(runs: Sequence[Run]) -> tuple[float, float]:
    """The range that shows the later part of all runs but those that end far from most."""
    if not runs:
        return -1.0, 0.0
    ends = np.array([elbo[-1] for _, elbo in runs])
    low, middle, high = np.quantile(ends, [0.25, 0.5, 0.75])
    near = np.abs(ends - middle) <= 20 * (high - low) + 1e-6 * abs(middle)
    shown = [run for run, one in zip(runs, near, strict=True) if one]
    grid = np.linspace(min(s[0] for s, _ in shown), max(s[-1] for s, _ in shown), 1000)
    values = [np.interp(grid, *run, left=np.nan, right=np.nan) for run in shown]
    return limits_of_later(grid, np.stack(values))


def _spread(wanted: Float[np.ndarray, " N"], height: float) -> Float[np.ndarray, " N"]:
    """The heights closest to the wanted ones, ascending, that leave a line for each name.

    Less the lines below each name, the answer is the isotonic regression of the wanted heights.
    """
    count = len(wanted)
    below = min(_LINE, height / count) * np.arange(count)
    t = wanted - below
    level = [
        max(min(t[j : k + 1].mean() for k in range(i, count)) for j in range(i + 1))
        for i in range(count)
    ]
    return np.clip(level, 0, height - below[-1]) + below


def _name_ends(ax: Axes, ends: Mapping[str, float], looks: Mapping[str, dict[str, Any]]) -> None:
    """Writes the names right of the axes, each as close as it can to where its line ends."""
    figure, (low, high) = ax.figure.canvas.figure, ax.get_ylim()
    axes: Any = ax.transAxes  # the stubs ask for more than the class does
    points = Affine2D().scale(1 / 72) + figure.dpi_scale_trans
    beside = points + ScaledTranslation(1, 0, axes)  # points from the lower right corner
    names = sorted(ends, key=lambda name: ends[name])
    texts = []
    for name in names:
        value = "" if low <= ends[name] <= high else f" ({_number(ends[name])})"
        text = ax.text(
            36, 0, for_figure(name) + value, fontsize=9, color=INK, va="center", transform=beside
        )
        texts.append(text)
    figure.draw_without_rendering()  # settles the layout, with room for the names
    height = ax.bbox.height * 72 / figure.dpi
    wanted = np.clip([(ends[name] - low) / (high - low) for name in names], 0, 1) * height
    for name, text, start, y in zip(names, texts, wanted, _spread(wanted, height), strict=True):
        text.set(y=y, fontsize=min(9, 9 * height / (_LINE * len(names))))
        look = {"transform": beside, "clip_on": False, "in_layout": False, **looks[name]}
        ax.add_artist(Line2D([2, 10], [start, y], **{**look, "linewidth": 0.7, "linestyle": "-"}))
        ax.add_artist(Line2D([10, 33], [y, y], **look))


def _number(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")


def _cut(where: str, curves: Mapping[str, Sequence[Run]], limit: float) -> str:
    """Says how many estimators go on beyond `limit`, and how far."""
    sign = -1 if where == "below" else 1
    reach = {n: max((sign * e).max() for _, e in runs) for n, runs in curves.items() if runs}
    beyond = [name for name, furthest in reach.items() if furthest > sign * limit]
    if not beyond:
        return ""
    count = "all" if len(beyond) == len(curves) else f"{len(beyond)} of"
    who = ", ".join(beyond) if len(beyond) <= 3 else f"{count} {len(curves)} estimators"
    return f"cut {where} the axis: {who}, as far as {_number(sign * max(reach.values()))}"


def plot_comparison(curves: Mapping[str, Sequence[Run]], ax: Axes | None = None) -> Axes:
    """Draws the bound over wall-clock time: a thin line for each seed, a thick one for their mean.

    The mean covers the time that all seeds of an estimator cover; values that are not finite are
    passed over. The axis shows the later part, and a line below the title says what was cut. The
    names stand beside the ends of the lines, for the size that the axes have now.

    Arguments:
        curves: For each of at most 10 estimators, one run for each seed: the seconds, increasing,
            and the true bound at each, in nats per example.

    Raises:
        ValueError: If there is no estimator or are more than 10, an estimator has no run, or a
            run has values of another shape than its seconds, or seconds that do not increase.

    Example:
        >>> run = (np.array([1.0, 2.0]), np.array([-130.0, -120.0]))
        >>> ax = plot_comparison({"rloo": [run, run], "exact": [run]})
        >>> ax.get_xlabel()
        'wall-clock seconds'
    """
    kept = _checked(curves)
    ax = ax or new_axes(height=4.4)
    every = [run for runs in kept.values() for run in runs]
    low, high = _limits(every)
    ends: dict[str, float] = {}
    looks: dict[str, dict[str, Any]] = {}
    for i, (name, runs) in enumerate(kept.items()):
        looks[name] = {
            "color": _COLOURS[i % len(_COLOURS)],
            "linestyle": _DASHES[i % len(_DASHES)],
            "linewidth": 2.0,
        }
        for run in runs:
            ax.plot(*run, color=looks[name]["color"], linewidth=0.7, alpha=0.35)
        if runs:
            seconds, elbo = mean_run(runs)
            ax.plot(seconds, elbo, **looks[name], label=for_figure(name))
            ax.plot(seconds[-1:], elbo[-1:], "o", markersize=4, color=looks[name]["color"])
            ends[name] = float(elbo[-1]) if len(elbo) else float(np.mean([e[-1] for _, e in runs]))

    right = max((seconds[-1] for seconds, _ in every), default=1.0)
    ax.set(xlim=(0, right or 1.0), ylim=(low, high))
    ax.ticklabel_format(axis="y", useOffset=False)
    ax.grid(axis="y", color="#E3E3E3", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.set_xlabel("wall-clock seconds", color=INK)
    ax.set_ylabel("nats per example", color=INK)
    missing = ", ".join(name for name, runs in kept.items() if not runs)
    remarks = [
        "thick: mean of the seeds; thin: each seed" if len(every) > len(ends) else "",
        _cut("below", kept, low),
        _cut("above", kept, high),
        f"without a value: {missing}" if missing else "",
    ]
    set_titles(ax, "The true bound over time", "; ".join(filter(None, remarks)))
    if ends:
        _name_ends(ax, ends, looks)
    return ax
