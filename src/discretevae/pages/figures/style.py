"""The common look of all figures: palette, empty axes, titles and safe saving."""

import os
import textwrap
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from discretevae.files import atomic_path
from discretevae.texts import for_figure

__all__ = ["DPI", "INK", "MUTED", "PALETTE", "WIDTH", "new_axes", "save", "set_titles", "wrap"]

PALETTE = {
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "black": "#000000",
}
"""The colours of Okabe and Ito that stay legible as lines on white, most distinct first."""

INK, MUTED = "#1A1A1A", "#595959"
WIDTH = 6.8  # inches: fonts of 9 to 11 points stay readable at the width of a page
DPI = 160


def new_axes(width: float = WIDTH, height: float = 4.0) -> Axes:
    """Makes empty axes on a figure of its own, `width` by `height` inches.

    Raises:
        ValueError: If a side is not positive.

    Example:
        >>> new_axes(height=3.0).get_figure().get_size_inches()
        array([6.8, 3. ])
    """
    for name, side in (("width", width), ("height", height)):
        if not side > 0:
            raise ValueError(f"`{name}` must be positive (inches), got {side}.")
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    ax = figure.add_subplot()
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=9, colors=INK)
    return ax


def wrap(text: str, width: float = WIDTH) -> list[str]:
    """Breaks text of 9 points into lines that fit in `width` inches.

    Example:
        >>> len(wrap("a word and another " * 10, width=6.8))
        2
    """
    letter = 0.55 * 9 / 72  # inches: letters are a little more than half as wide as high
    return textwrap.wrap(text, max(20, int(width / letter)))


def set_titles(ax: Axes, title: str, subtitle: str = "") -> None:
    """Writes a title on the left of `ax` and, below it, a smaller line that says more.

    Example:
        >>> ax = new_axes()
        >>> set_titles(ax, "Samples", "from the prior")
        >>> ax.get_title(loc="left")
        'Samples'
    """
    lines = wrap(subtitle, 0.85 * ax.figure.bbox.width / ax.figure.dpi)
    pad = 8 + 13 * len(lines)
    ax.set_title(
        for_figure(title), loc="left", fontsize=11.5, fontweight="bold", color=INK, pad=pad
    )
    remark = ax.annotate(
        "\n".join(map(for_figure, lines)),
        xy=(0, 1),
        xytext=(0, 6),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=9,
        color=MUTED,
        va="bottom",
    )
    remark.set_in_layout(False)  # the title's padding has made the room for it


def save(drawing: Figure | Axes, path: str | os.PathLike[str]) -> Path:
    """Saves a figure, or the figure of some axes, as PNG; `path` is whole or untouched.

    Raises:
        ValueError: If `path` does not end in .png.

    Example:
        >>> import tempfile
        >>> save(new_axes(), Path(tempfile.mkdtemp()) / "empty.png").name
        'empty.png'
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"`path` must end in .png, got {str(path)!r}.")
    figure: Figure = drawing.figure.canvas.figure
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI)
    return path
