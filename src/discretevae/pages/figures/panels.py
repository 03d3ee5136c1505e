"""Several axes on one page, each under a name."""

import math
import textwrap
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from discretevae.pages.figures.style import INK, MUTED, WIDTH, new_axes, wrap
from discretevae.texts import for_figure

__all__ = ["legend_below", "new_panels", "title_panels"]


def new_panels(count: int, height: float, columns: int = 3) -> list[Axes]:
    """Makes `count` empty axes on one figure, row by row, each row `height` inches high.

    Arguments:
        columns: The most that stand side by side.

    Raises:
        ValueError: If `count`, `columns` or `height` is not positive.

    Example:
        >>> axes = new_panels(4, height=2.5)
        >>> axes[0].get_figure().get_size_inches()
        array([6.8, 5. ])
    """
    if count < 1 or columns < 1:
        raise ValueError(
            f"`count` and `columns` must be at least 1, got {count} panels, {columns} columns."
        )
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    figure = new_axes(WIDTH, rows * height).figure.figure
    figure.clear()
    axes = [figure.add_subplot(rows, columns, i + 1) for i in range(count)]
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=9, colors=INK)
    return axes


def title_panels(axes: Mapping[str, Axes], pad: float = 8) -> None:
    """Writes each name above its axes, `pad` points away, on as many lines as its width asks for.

    The figure grows by what further lines of the titles need.

    Example:
        >>> left, right = new_panels(2, height=2.5)
        >>> title_panels({"MLP": left, "CNN": right})
        >>> right.get_title(loc="left")
        'CNN'
    """
    for name, ax in axes.items():
        ax.set_title(
            for_figure(name), loc="left", fontsize=11.5, fontweight="bold", color=INK, pad=pad
        )
    next(iter(axes.values())).figure.canvas.figure.draw_without_rendering()  # settles the widths
    for name, ax in axes.items():
        title, letters = ax._left_title, len(name)  # type: ignore[attr-defined]
        while letters > 4 and title.get_window_extent().width > ax.bbox.width:
            letters -= 1
            title.set_text("\n".join(map(for_figure, textwrap.wrap(name, letters))))
    further = max(ax.get_title(loc="left").count("\n") for ax in axes.values())
    figure = ax.figure.figure
    rows = len({round(ax.get_position(original=True).y0, 6) for ax in axes.values()})
    figure.set_figheight(figure.get_figheight() + rows * further * 1.3 * 11.5 / 72)


def legend_below(figure: Figure, handles: Sequence[Line2D], remark: str = "") -> None:
    """Explains lines below all panels, each under its label, and above them writes a remark.

    Example:
        >>> left, right = new_panels(2, height=2.5)
        >>> legend_below(left.figure, left.plot([1, 2], label="train ELBO"))
        >>> [text.get_text() for text in left.figure.legends[0].get_texts()]
        ['train ELBO']
    """
    for columns in range(min(5, len(handles)), 0, -1):
        legend = figure.legend(
            handles=handles,
            labels=["\n".join(wrap(str(line.get_label()), 0.85 * WIDTH)) for line in handles],
            loc="outside lower left",
            ncols=columns,
            frameon=False,
            fontsize=9,
            labelcolor=INK,
            title="\n".join(map(for_figure, wrap(remark, 0.92 * WIDTH))) or None,
            title_fontproperties={"size": 9},
            alignment="left",
        )
        legend.get_title().set_color(MUTED)
        if columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
            return
        legend.remove()
