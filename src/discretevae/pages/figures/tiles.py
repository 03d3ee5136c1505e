"""Many small images on one sheet: what the pictures of this package are made of."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Real
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from discretevae.pages.figures.images import as_image
from discretevae.pages.figures.style import INK, MUTED, PALETTE, WIDTH, new_axes, wrap
from discretevae.texts import for_figure

__all__ = ["MAX_TILES", "plot_tiles", "shown"]

MAX_TILES = 16
"""The most rows, and the most columns, that stay legible on a page."""

_GAP = 0.09  # of a tile's height


def shown(count: int, total: int, noun: str) -> str:
    """Says that only `count` of `total` are shown, or nothing if all are.

    Example:
        >>> shown(16, 30, "latents"), shown(4, 4, "latents")
        ('the first 16 of 30 latents', '')
    """
    return f"the first {count} of {total} {noun}" if count < total else ""


def _aspect(shape: tuple[int, ...]) -> float:
    """Width of a tile over its height: a strip of features is drawn twice as wide as high."""
    if len(shape) == 1:
        return 2.0
    side_by_side = 1 if len(shape) == 2 or shape[0] in (1, 3) else shape[0]
    return side_by_side * shape[-1] / shape[-2]


def _scale(shape: tuple[int, ...], vmin: float, vmax: float) -> str:
    """Says what the shades mean, unless they are the usual black 0 and white 1."""
    shades = f"dark {vmin:.3g} to bright {vmax:.3g}".replace("-", "−")
    if len(shape) == 1:
        return f"strips: {shape[0]} features, left to right, {shades}"
    return "" if (vmin, vmax) == (0, 1) else shades


def _inches(labels: Sequence[str]) -> float:
    """The room that row labels of 9 points need."""
    lines = (line for label in map(for_figure, labels) for line in label.split("\n"))
    return min(0.1 + 0.075 * max(map(len, lines), default=0), WIDTH / 2)


def _draw(ax: Axes, image: np.ndarray, row: int, column: int, aspect: float, frame: float) -> None:
    """Puts `image` into its place, with a frame of `frame` points if that is not zero."""
    left, top = column * (aspect + _GAP), row * (1 + _GAP)
    palette = "cividis" if len(image) == 1 else "gray"
    extent = (left, left + aspect, top + 1, top)
    ax.imshow(image, palette, vmin=0, vmax=1, extent=extent, aspect="auto")
    if frame:
        edge = Rectangle((left, top), aspect, 1, fill=False, lw=frame, ec=PALETTE["vermillion"])
        ax.add_patch(edge).set_clip_on(False)


def _label(ax: Axes, rows: Sequence[str], columns: Sequence[str], aspect: float) -> None:
    def drawn(names: Sequence[str]) -> list[str]:
        return list(map(for_figure, names))

    ax.set_xticks([(i + 0.5) * aspect + i * _GAP for i in range(len(columns))], drawn(columns))
    ax.set_yticks([(i + 0.5) + i * _GAP for i in range(len(rows))], drawn(rows))
    ax.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False, pad=3)
    ax.spines[:].set_visible(False)


def _sheet(width: float, height: float, left: float, above: float) -> Axes:
    """Axes of exactly `width` by `height` inches on a page of fixed width."""
    below, total = 0.1, above + height + 0.1
    ax = new_axes(WIDTH, total)
    ax.figure.figure.set_layout_engine("none")  # the room for everything is known beforehand
    ax.set_position((left / WIDTH, below / total, width / WIDTH, height / total))
    return ax


def _head(figure: Figure, title: str, lines: list[str]) -> None:
    left, total = 0.1 / WIDTH, figure.get_figheight()
    y = 1 - 0.08 / total
    figure.suptitle(
        for_figure(title), x=left, y=y, ha="left", fontsize=11.5, fontweight="bold", color=INK
    )
    text = "\n".join(map(for_figure, lines))
    figure.text(left, y - 0.23 / total, text, ha="left", va="top", fontsize=9, color=MUTED)


def plot_tiles(
    tiles: Real[np.ndarray, "N ..."],
    shape: tuple[int, ...],
    *,
    columns: int,
    title: str,
    subtitle: Sequence[str] = (),
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    framed: Sequence[int] = (),
    vmin: float = 0.0,
    vmax: float = 1.0,
) -> Figure:
    """Draws `tiles` (N events of `shape`) row by row in one axes, `columns` to a row.

    Arguments:
        subtitle: Remarks, joined by semicolons; empty ones are left out.
        framed: The numbers of the tiles that get a frame.

    Raises:
        ValueError: If there is no tile, `columns` is not positive, or a tile does not fit `shape`.

    Example:
        >>> figure = plot_tiles(np.zeros((6, 8, 8)), (8, 8), columns=3, title="Black")
        >>> len(figure.axes[0].images)
        6
    """
    if len(tiles) == 0 or columns < 1:
        raise ValueError(
            f"`tiles` and `columns` must be at least 1, got {len(tiles)} tiles, {columns} columns."
        )
    images = [as_image(tile, shape, vmin, vmax) for tile in tiles]
    rows, aspect, left = math.ceil(len(tiles) / columns), _aspect(shape), _inches(row_labels)
    pitch = min(1.05 * max(1.0, aspect), (WIDTH - left - 0.1) / columns)  # inches a column
    unit = pitch / (aspect + _GAP)  # inches a tile is high
    lines = wrap("; ".join(filter(None, [*subtitle, _scale(shape, vmin, vmax)])))
    above = 0.42 + 0.17 * len(lines) + (0.22 if column_labels else 0)
    ax = _sheet(columns * pitch, rows * (1 + _GAP) * unit, left, above)
    for i, image in enumerate(images):
        _draw(ax, image, *divmod(i, columns), aspect, min(2.2, 3.5 * unit) * (i in framed))
    ax.set(xlim=(0, columns * (aspect + _GAP)), ylim=(rows * (1 + _GAP), 0))
    _label(ax, row_labels, column_labels, aspect)
    _head(ax.figure.figure, title, lines)
    return ax.figure.figure
