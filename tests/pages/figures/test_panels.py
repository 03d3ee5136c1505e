import numpy as np
import pytest
from matplotlib.lines import Line2D

from discretevae.pages.figures.panels import legend_below, new_panels, title_panels


@pytest.mark.parametrize(
    ("count", "columns", "size"), [(1, 3, (6.8, 2)), (3, 3, (6.8, 2)), (5, 2, (6.8, 6))]
)
def test_rows_are_as_high_as_asked(count: int, columns: int, size: tuple[float, float]) -> None:
    axes = new_panels(count, 2.0, columns)
    assert len(axes) == len(axes[0].figure.axes) == count
    np.testing.assert_allclose(axes[0].figure.get_size_inches(), size)


def test_titles_are_as_narrow_as_their_axes() -> None:
    names = ["CNN", "a convolutional network with many layers", "W" * 40]
    axes = dict(zip(names, new_panels(3, 2.5), strict=True))
    title_panels(axes)
    axes["CNN"].figure.canvas.draw()
    for name, ax in axes.items():
        box = ax._left_title.get_window_extent()
        assert box.width <= ax.bbox.width + 1
        assert box.y1 <= ax.figure.bbox.y1
        assert "".join(ax.get_title(loc="left").split()) == "".join(name.split())


@pytest.mark.parametrize("words", [1, 8, 30])
@pytest.mark.parametrize("count", [1, 4, 9])
def test_the_legend_stays_inside_below_all_panels(count: int, words: int) -> None:
    axes = new_panels(2, 6.5)
    lines = [Line2D([], [], label=f"curve {i} " + "word " * words) for i in range(count)]
    legend_below(axes[0].figure.figure, lines, "a remark " * 30)
    figure = axes[0].figure
    figure.canvas.draw()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert figure.bbox.x0 <= box.x0
    assert box.x1 <= figure.bbox.x1
    assert figure.bbox.y0 <= box.y0
    assert box.y1 <= min(ax.get_tightbbox().y0 for ax in axes)
    assert len(legend.get_texts()) == count


@pytest.mark.parametrize("sizes", [(0, 3), (2, 0)])
def test_refuses_no_panel(sizes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"must be at least 1, got {sizes[0]} panels"):
        new_panels(sizes[0], 2.0, sizes[1])


def test_refuses_no_height() -> None:
    with pytest.raises(ValueError, match="`height` must be positive"):
        new_panels(2, 0.0)
