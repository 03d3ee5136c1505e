import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.text import Text

from discretevae.pages.figures import new_axes, plot_error_seconds
from discretevae.pages.figures.error_seconds import pareto_front
from discretevae.pages.figures.style import DPI


def remark(ax: Axes) -> str:
    return " ".join(ax.texts[0].get_text().split())


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), max_size=12))
def test_the_front_is_what_nothing_beats(points: list[tuple[int, int]]) -> None:
    seconds, error = np.array(points, float).reshape(-1, 2).T

    def beaten(s: int, e: int) -> bool:
        return any(t <= s and f <= e and (t, f) != (s, e) for t, f in points)

    front = sorted({point for point in points if not beaten(*point)})
    found = pareto_front(seconds, error)
    np.testing.assert_array_equal(found, np.array(front, float).reshape(-1, 2))


def test_shows_points_and_the_front() -> None:
    ax = plot_error_seconds(["a", "b", "c"], [2, 3, 0.5], [1, 2, 4], [True, True, False])
    front, unbiased, biased = ax.lines
    np.testing.assert_array_equal(unbiased.get_xydata(), [[1, 2], [2, 3]])
    np.testing.assert_array_equal(biased.get_xydata(), [[4, 0.5]])
    right, top = ax.get_xlim()[1], ax.get_ylim()[1]
    np.testing.assert_array_equal(front.get_xydata(), [[1, top], [1, 2], [4, 0.5], [right, 0.5]])
    assert front.get_drawstyle() == "steps-post"
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["Pareto front", "unbiased", "biased"]


@pytest.mark.parametrize("seed", [0, 1])
def test_names_neither_overlap_nor_leave_the_axes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = ["".join(rng.choice(list("aeilnorst-"), rng.integers(3, 18))) for _ in range(24)]
    error, seconds = 10.0 ** rng.uniform([[-2], [-4]], [[1], [0]], (2, 24))
    error[:6], seconds[:6] = 1 + 0.05 * rng.random((2, 6))
    error[6] = 0
    ax = plot_error_seconds(names, error, seconds, rng.random(24) < 0.6)
    ax.figure.canvas.figure.set_dpi(DPI)
    ax.figure.canvas.draw()
    boxes = np.array([Text.get_window_extent(text).extents for text in ax.texts[1:]])
    assert len(boxes) == 24
    assert (boxes[:, :2] >= ax.bbox.extents[:2] - 1).all()
    assert (boxes[:, 2:] <= ax.bbox.extents[2:] + 1).all()
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            assert (a[2:] <= b[:2]).any() or (b[2:] <= a[:2]).any()


def test_zero_error_lies_on_the_bottom_edge() -> None:
    ax = plot_error_seconds(["exact", "rloo"], [1e-16, 2], [1, 0.1], [True, True])
    assert "error zero, on the bottom edge: exact" in remark(ax)
    ax.figure.canvas.draw()
    _, y = ax.transData.transform(ax.lines[1].get_xydata()[0])
    assert y == pytest.approx(ax.bbox.y0)


def test_missing_values_are_named_not_drawn() -> None:
    nan = np.nan
    ax = plot_error_seconds(["a", "b", "c"], [nan, 1, 2], [1, nan, 2], [True, True, False])
    assert "not drawn, without a value: a, b" in remark(ax)
    assert len(ax.texts) == 2
    plot_error_seconds(["a"], [nan], [1], [True]).figure.canvas.draw()


def test_draws_where_told() -> None:
    ax = new_axes()
    assert plot_error_seconds(["a"], [0.1], [1], [True], ax) is ax


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"names": []}, "`names` must hold at least one estimator, got none"),
        ({"error": [1]}, r"`error` must have one value for each of the 2 names, .* \(1,\)"),
        ({"seconds": [1, 2, 3]}, r"`seconds` must have one value for each of the 2 names"),
        ({"unbiased": []}, r"`unbiased` must have one value for each of the 2 names"),
        ({"error": [1, -2]}, r"`error` must be non-negative, got -2\.0"),
        ({"seconds": [1, 0]}, r"`seconds` must be positive, got 0\.0"),
    ],
)
def test_refuses(change: dict, message: str) -> None:
    valid = {"names": ["a", "b"], "error": [1, 2], "seconds": [1, 2], "unbiased": [True, False]}
    with pytest.raises(ValueError, match=message):
        plot_error_seconds(**{**valid, **change})
