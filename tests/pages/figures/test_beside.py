from itertools import combinations

import numpy as np
import pytest
from matplotlib.figure import Figure

from discretevae.pages.figures import plot_curves_beside
from discretevae.pages.figures.style import DPI

EPOCHS = np.arange(1, 61)


def rising(end: float) -> np.ndarray:
    return end - (200 + end) * np.exp(-(EPOCHS - 1) / 8)


def panel(end: float) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    return EPOCHS, {"train ELBO": rising(end), "validation ELBO": rising(end - 3)}


def titles(figure: Figure) -> list[str]:
    return [ax.get_title(loc="left") for ax in figure.axes]


def labels(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def remark(figure: Figure) -> str:
    return " ".join(figure.legends[0].get_title().get_text().split())


def check_room(figure: Figure) -> None:
    """Panels with their titles and the legend lie inside the figure and apart."""
    figure.set_dpi(DPI)
    figure.canvas.draw()
    assert len(figure.legends) == 1
    assert all(ax.get_legend() is None for ax in figure.axes)
    boxes = [ax.get_tightbbox().extents for ax in figure.axes]
    boxes.append(figure.legends[0].get_window_extent().extents)
    for box in boxes:
        assert (box[:2] >= figure.bbox.extents[:2] - 1).all()
        assert (box[2:] <= figure.bbox.extents[2:] + 1).all()
    for a, b in combinations(boxes, 2):
        assert not ((a[:2] + 1 < b[2:]) & (b[:2] + 1 < a[2:])).all()


def test_shows_the_values_on_one_scale() -> None:
    figure = plot_curves_beside({"MLP": panel(-105), "CNN": panel(-90)})
    assert titles(figure) == ["MLP", "CNN"]
    for ax, end in zip(figure.axes, (-105, -90), strict=True):
        for line, expected in zip(ax.lines, panel(end)[1].values(), strict=True):
            np.testing.assert_array_equal(line.get_xydata(), np.stack([EPOCHS, expected], 1))
    left, right = (ax.get_ylim() for ax in figure.axes)
    assert left == right
    assert left[0] < -200
    assert left[1] > -90
    assert labels(figure) == ["train ELBO", "validation ELBO"]
    assert figure.axes[0].get_ylabel() == "nats per example"
    assert remark(figure) == ""
    check_room(figure)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("name", ["{}", "a network with a long name, number {}, of many"])
def test_nothing_overlaps(count: int, name: str) -> None:
    figure = plot_curves_beside({name.format(i): panel(-100 - i) for i in range(count)})
    assert [" ".join(t.split()) for t in titles(figure)] == [name.format(i) for i in range(count)]
    assert len({ax.get_ylim() for ax in figure.axes}) == 1
    check_room(figure)


def test_the_scales_are_as_high_as_each_other() -> None:
    figure = plot_curves_beside({"MLP": panel(-105), "a very long name of a network": panel(-90)})
    figure.canvas.draw()
    first, second = (ax.bbox for ax in figure.axes)
    assert (first.y0, first.y1) == pytest.approx((second.y0, second.y1))


def test_first_epochs_do_not_squash_the_rest() -> None:
    epochs, curves = panel(-100)
    curves["train ELBO"][:2] = -5000, -900
    figure = plot_curves_beside({"MLP": panel(-105), "CNN": (epochs, curves)})
    assert figure.axes[0].get_ylim()[0] > -230
    assert remark(figure) == "CNN, cut below the axis: train ELBO (−5000 in epoch 1)"
    check_room(figure)


def test_what_another_panel_has_room_for_is_not_cut() -> None:
    epochs, curves = panel(-100)
    curves["train ELBO"][0] = -900
    low = (epochs, {"train ELBO": np.linspace(-1000, -500, 60)})
    figure = plot_curves_beside({"MLP": low, "CNN": (epochs, curves)})
    assert figure.axes[1].get_ylim()[0] < -1000
    assert remark(figure) == ""


def test_a_curve_looks_the_same_in_all_panels() -> None:
    only = (EPOCHS, {"objective": rising(-90), "validation ELBO": rising(-95)})
    figure = plot_curves_beside({"MLP": panel(-105), "CNN": only})
    assert labels(figure) == ["train ELBO", "validation ELBO", "objective"]
    for left, right in zip(*(ax.lines for ax in figure.axes), strict=True):
        assert (left.get_color(), left.get_linestyle()) == (
            right.get_color(),
            right.get_linestyle(),
        )
    assert [len(line.get_xdata()) for line in figure.axes[1].lines] == [0, 60, 60]
    handles = figure.legends[0].legend_handles
    assert handles[2].get_color() == figure.axes[1].lines[2].get_color()


def test_a_panel_without_values_is_named() -> None:
    lost = (EPOCHS, {"train ELBO": np.full(60, np.nan)})
    figure = plot_curves_beside({"lost": lost, "CNN": panel(-90)})
    assert remark(figure) == "lost, no values"
    assert figure.axes[0].get_ylim()[1] < -80
    assert len(figure.axes[0].get_yticks()) > 2
    assert labels(figure) == ["train ELBO", "validation ELBO"]
    check_room(figure)


@pytest.mark.parametrize("value", [-120.0, np.nan])
def test_one_epoch(value: float) -> None:
    curves = {"train ELBO": [value]}
    figure = plot_curves_beside({"MLP": ([1], {"train ELBO": [-150.0]}), "CNN": ([1], curves)})
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_xydata(), [[1, -150]])
    check_room(figure)


@pytest.mark.parametrize(
    ("panels", "message"),
    [
        ({}, "`panels` must hold at least one model, got none"),
        ({"a": ([1], {"x": [1.0]}), "b": ([], {"x": []})}, r"`panels\['b'\]` .* got 0 and 1"),
        ({"a": ([1], {"x": [1.0]}), "b": ([1], {})}, r"`panels\['b'\]` .* got 1 and 0"),
        ({"a": ([1, 2], {"x": [1.0]})}, r"`panels\['a'\]` .* `curves\['x'\]` .* the 2 epochs"),
    ],
)
def test_refuses(panels: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plot_curves_beside(panels)
