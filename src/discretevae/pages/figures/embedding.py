"""A data set or its codes, laid out in the plane."""

import textwrap
from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
from jaxtyping import Float, Integer
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle
from matplotlib.path import Path
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator

from discretevae.pages.figures.style import INK, PALETTE, new_axes
from discretevae.texts import for_figure

__all__ = ["COLOURS", "plot_embedding"]

COLOURS = (
    "#3F90DA",
    "#FFA90E",
    "#BD1F01",
    "#94A4A2",
    "#832DB6",
    "#A96B59",
    "#E76300",
    "#B9AC70",
    "#717581",
    "#92DADD",
)
"""Ten colours that readers with a colour-vision deficiency tell apart.

Reference: Accessible Color Sequences for Data Visualization (Petroff, 2021), arXiv:2107.02270
"""

_MARKERS = ("o", "^", "s", "X")
_LETTERS = 18  # a line of a name
_AIR = 2.0  # points around a name
_RINGS = np.arange(5.0, 65.0, 5.0)  # points from a median to where its name is tried
_ANGLES = np.linspace(0, 2 * np.pi, 24, endpoint=False)


def _check(points: np.ndarray, groups: np.ndarray | None) -> None:
    if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0:
        raise ValueError(f"`points` must have the shape (N, 2) with N ≥ 1, got {points.shape}.")
    if not np.isfinite(points).all():
        raise ValueError(f"`points` must be finite, got {points[~np.isfinite(points)][0]}.")
    if groups is not None and groups.shape != (len(points),):
        raise ValueError(
            f"`groups` must have one number for each of the {len(points)} points, "
            f"got the shape {groups.shape}."
        )


def _named(ids: np.ndarray, names: Mapping[int, str] | Sequence[str] | None) -> list[str]:
    """The name of each group, on as many lines as it needs."""
    if names is None:
        return [str(i) for i in ids]
    known = names if isinstance(names, Mapping) else dict(enumerate(names))
    for i in ids.tolist():
        if i not in known:
            raise ValueError(f"`names` must name every group, got none for group {i}.")
    return ["\n".join(textwrap.wrap(known[i], _LETTERS)) for i in ids.tolist()]


def _shape(marker: str) -> Path:
    style = MarkerStyle(marker)
    return style.get_path().transformed(style.get_transform())


def _scatter(
    ax: Axes, points: Float[np.ndarray, "N 2"], index: Integer[np.ndarray, " N"], kinds: int
) -> PathCollection:
    """Draws all points in one go and in random order: no group lies above another."""
    order = np.random.default_rng(0).permutation(len(points))
    x, y = points[order].T
    size = float(np.clip(40_000 / len(points), 5, 24))
    drawn = ax.scatter(x, y, s=size, linewidths=0)
    if kinds > len(COLOURS) * len(_MARKERS):
        drawn.set(array=index[order], cmap="viridis")
        return drawn
    markers = [_shape(marker) for marker in _MARKERS]
    drawn.set_facecolor([COLOURS[i % len(COLOURS)] for i in index[order]])
    drawn.set_paths([markers[i // len(COLOURS)] for i in index[order]])
    return drawn


def _colour_bar(ax: Axes, drawn: PathCollection, names: Sequence[str]) -> None:
    bar = ax.figure.figure.colorbar(drawn, ax=ax, pad=0.02, fraction=0.06, aspect=30)
    bar.ax.yaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))
    bar.ax.yaxis.set_major_formatter(
        FuncFormatter(lambda i, _: names[int(i)] if 0 <= i < len(names) else "")
    )
    bar.ax.spines["outline"].set_visible(False)
    bar.ax.tick_params(labelsize=9, colors=INK)
    bar.set_label("group", fontsize=9.5, color=INK)


def _fontsize(count: int) -> float:
    return 9.0 if count <= 20 else 8.0


def _explain(ax: Axes, names: Sequence[str]) -> None:
    """A legend right of the axes, in as few columns as its height allows."""
    handles = [
        Line2D(
            [],
            [],
            linestyle="none",
            marker=_MARKERS[i // len(COLOURS)],
            color=COLOURS[i % len(COLOURS)],
            markersize=6.5,
            markeredgewidth=0,
            label=for_figure(name),
        )
        for i, name in enumerate(names)
    ]
    ax.figure.canvas.figure.draw_without_rendering()  # settles the height
    for fontsize, columns in product((_fontsize(len(names)), 7, 6, 5), (1, 2, 3)):
        legend = ax.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(1.01, 1),
            borderaxespad=0,
            ncols=columns,
            frameon=False,
            fontsize=fontsize,
            labelcolor=INK,
            handletextpad=0.3,
            handlelength=1.2,
            columnspacing=1.0,
            labelspacing=0.4,
        )
        if legend.get_window_extent().height <= 0.97 * ax.bbox.height:
            return


def _height(names: Sequence[str]) -> float:
    """The inches of a figure whose legend has room for the names in two columns."""
    lines = sum(name.count("\n") + 1 for name in names)
    return float(np.clip(0.5 + 0.08 * lines, 4.8, 10.0))


def _offsets() -> Float[np.ndarray, "C 2"]:
    """Where a name is tried, in points from its median, nearest first."""
    ring, angle = (grid.ravel() for grid in np.meshgrid(_RINGS, _ANGLES, indexing="ij"))
    around = np.stack([ring * np.cos(angle), ring * np.sin(angle)], 1)
    return np.concatenate([np.zeros((1, 2)), around])


def _places(
    centres: Float[np.ndarray, "G 2"], sizes: Float[np.ndarray, "G 2"], frame: np.ndarray
) -> list[np.ndarray | None]:
    """For each name, how far it stands from its centre; none where there is no room."""
    offsets = _offsets()
    taken = np.zeros((0, 4))
    found: list[np.ndarray | None] = []
    for i, (centre, size) in enumerate(zip(centres, sizes, strict=True)):
        half = size / 2 + _AIR
        boxes = np.concatenate([centre + offsets - half, centre + offsets + half], 1)
        low, high = boxes[:, None, :2], boxes[:, None, 2:]
        clash = np.any(np.all((low < taken[:, 2:]) & (taken[:, :2] < high), -1), 1)
        outside = np.any((boxes[:, :2] < frame[:2]) | (boxes[:, 2:] > frame[2:]), 1)
        others = np.delete(centres, i, 0)
        misread = np.all((low < others) & (others < high), -1).sum(1)
        cost = np.linalg.norm(offsets, axis=1) + 25 * misread + 1e6 * (clash | outside)
        best = int(cost.argmin())
        found.append(offsets[best] if cost[best] < 1e6 else None)
        if found[-1] is not None:
            taken = np.concatenate([taken, boxes[best : best + 1]])
    return found


def _size(ax: Axes, name: str, fontsize: float) -> tuple[float, float]:
    """The width and height of a name in pixels."""
    text = ax.text(0, 0, for_figure(name), fontsize=fontsize, fontweight="bold")
    box = text.get_window_extent()
    text.remove()
    return box.width, box.height


def _write(
    ax: Axes,
    name: str,
    centre: np.ndarray,
    offset: np.ndarray,
    size: np.ndarray,
    fontsize: float,
) -> None:
    """Writes a name `offset` points from its centre; from afar, a line leads there."""
    outline = [withStroke(linewidth=2.5, foreground="white")]
    xy = (float(centre[0]), float(centre[1]))
    nearest = np.clip(0, offset - size / 2, offset + size / 2)  # of the name, from the centre
    if np.linalg.norm(nearest) > _AIR:
        line = {"arrowstyle": "-", "color": INK, "lw": 0.7, "path_effects": outline}
        line |= {"shrinkA": 0, "shrinkB": 0}
        leader = ax.annotate(
            "", xy, tuple(nearest), textcoords="offset points", zorder=4, arrowprops=line
        )
        leader.set_in_layout(False)
    label = ax.annotate(
        for_figure(name),
        xy,
        tuple(offset),
        textcoords="offset points",
        ha="center",
        va="center",
        multialignment="center",
        fontsize=fontsize,
        fontweight="bold",
        color=INK,
        path_effects=outline,
        zorder=5,  # above all leaders
    )
    label.set_in_layout(False)


def _write_names(ax: Axes, names: Sequence[str], centres: Float[np.ndarray, "G 2"]) -> None:
    """Writes each name at its centre, or near to it if another name stands there."""
    figure = ax.figure.canvas.figure
    untitled = not ax.get_title(loc="left")
    if untitled:
        ax.set_title(" ", loc="left", fontsize=11.5, pad=21)  # leaves room for the caller's
    figure.draw_without_rendering()  # settles the layout and the limits
    scale, fontsize = 72 / figure.dpi, _fontsize(len(names))
    sizes = scale * np.array([_size(ax, name, fontsize) for name in names])
    frame = scale * np.array(ax.bbox.extents)
    offsets = _places(scale * ax.transData.transform(centres), sizes, frame)
    for name, centre, offset, size in zip(names, centres, offsets, sizes, strict=True):
        if offset is not None:
            _write(ax, name, centre, offset, size, fontsize)
    if untitled:
        ax.set_title("", loc="left")


def plot_embedding(
    points: Float[np.ndarray, "N 2"],
    groups: Integer[np.ndarray, " N"] | None = None,
    names: Mapping[int, str] | Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draws a two-dimensional embedding, such as one of t-SNE or UMAP, one colour a group.

    The name of each group stands at the median of its points, or close to it where names would
    overlap, and in a legend on the right; a name without any room stands in the legend only.
    Colours repeat with other markers beyond 10 groups. More than 40 groups take shades in the
    order of their numbers, explained by a colour bar. The title is left to the caller. The names
    suit the size that the axes have now, so several axes are best made before any is drawn in.

    Arguments:
        groups: The number of each point's group; without it all points look the same.
        names: Of the groups, by their numbers; their numbers if left out.

    Raises:
        ValueError: If there is no point or one that is not finite, if `groups` has another length
            than `points`, or if `names` leave out a group.

    Example:
        >>> points = np.array([[0.0, 0.0], [1.0, 2.0], [1.0, 3.0]])
        >>> ax = plot_embedding(points, np.array([0, 1, 1]), names=["shirt", "bag"])
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['shirt', 'bag']
    """
    _check(points, groups)
    ids, index = np.unique(
        np.zeros(len(points), int) if groups is None else groups, return_inverse=True
    )
    labels = _named(ids, None if groups is None else names)
    ax = ax or new_axes(height=_height(labels))
    ax.set(xticks=[], yticks=[])
    ax.set_aspect("equal", adjustable="datalim")
    ax.spines[:].set(visible=True, color="#D0D0D0")
    drawn = _scatter(ax, points, index, len(ids))
    if groups is None:
        drawn.set_facecolor(PALETTE["blue"])
    elif len(ids) > len(COLOURS) * len(_MARKERS):
        _colour_bar(ax, drawn, labels)
    else:
        _explain(ax, labels)
        centres = np.stack([np.median(points[index == i], 0) for i in range(len(ids))])
        _write_names(ax, labels, centres.astype(float))
    return ax
