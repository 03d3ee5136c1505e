import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.text import Text

from discretevae.pages.figures import PALETTE, new_axes, plot_bias_variance
from discretevae.pages.figures.points import label_points, stretch_axis, zero_if_rounding
from discretevae.pages.figures.style import DPI


def names(count: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list("aegilmnorstux-"), rng.integers(3, 18))) for _ in range(count)]


def boxes(ax: Axes, chosen: list[str]) -> np.ndarray:
    """Where the names stand, in pixels, without their leader lines."""
    ax.figure.canvas.draw()
    texts = [text for text in ax.texts if text.get_text() in chosen]
    assert len(texts) == len(chosen)
    return np.array([Text.get_window_extent(text).extents for text in texts])


def overlaps(found: np.ndarray) -> int:
    a, b = found[:, None], found[None]
    both = ((a[..., :2] < b[..., 2:]) & (b[..., :2] < a[..., 2:])).all(-1)
    return int(np.triu(both, 1).sum())


def check_labels(ax: Axes, chosen: list[str]) -> None:
    """No name overlaps another or leaves the axes in the saved file."""
    ax.figure.canvas.figure.set_dpi(DPI)
    found, frame = boxes(ax, chosen), ax.bbox.extents
    assert overlaps(found) == 0
    assert (found[:, :2] >= frame[:2] - 1).all()
    assert (found[:, 2:] <= frame[2:] + 1).all()


def remark(ax: Axes) -> str:
    return " ".join(ax.texts[0].get_text().split())


def clustered(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Variances over four decades and biases, a third of them near to each other."""
    rng = np.random.default_rng(seed)
    variance, unbiased = 10.0 ** rng.uniform(-2, 2, count), rng.random(count) < 0.6
    bias = np.where(unbiased, 0.01, 0.4) * rng.random(count)
    third = count // 3
    variance[:third], bias[:third] = 1 + 0.05 * rng.random((2, third))
    return bias, variance, unbiased


@pytest.mark.parametrize(("count", "seed"), [(24, 1), (24, 2), (28, 3)])
def test_names_neither_overlap_nor_leave_the_axes(count: int, seed: int) -> None:
    bias, variance, unbiased = clustered(count, seed)
    chosen = names(count, seed)
    ax = plot_bias_variance(chosen, bias, 0.8 * bias, 1.2 * bias, variance, unbiased)
    check_labels(ax, chosen)


def test_names_side_by_side_would_be_caught() -> None:
    bias, variance, _ = clustered(24, 1)
    ax = new_axes()
    ax.set(xscale="log", xlim=(0.01, 200), ylim=(0, 0.5))
    for name, x, y in zip(names(24), variance, bias, strict=True):
        ax.text(x, y, name, in_layout=False)
    assert overlaps(boxes(ax, names(24))) > 0


def test_equal_points_keep_their_names_apart() -> None:
    same = np.full(10, 0.2)
    chosen = names(10)
    check_labels(plot_bias_variance(chosen, same, same, same, same, same > 0), chosen)


def test_the_places_are_the_same_at_every_call() -> None:
    points = np.random.default_rng(0).random((12, 2))
    first, second = new_axes(), new_axes()
    for ax in (first, second):
        label_points(ax, names(12), points, np.zeros((0, 4)))
    np.testing.assert_array_equal(boxes(first, names(12)), boxes(second, names(12)))


def test_a_lone_name_needs_no_leader() -> None:
    ax = plot_bias_variance(
        ["rloo", "far"], [0.1, 0.9], [0.1, 0.9], [0.1, 0.9], [1, 100], [True, False]
    )
    assert [text.arrow_patch for text in ax.texts[1:]] == [None, None]


def test_shows_points_and_intervals_by_claim() -> None:
    claim = [True, False, True]
    ax = plot_bias_variance(
        ["a", "b", "c"], [0.02, 0.3, 0.01], [-0.01, 0.2, 0], [0.05, 0.4, 0.02], [3, 0.5, 1], claim
    )
    unbiased, biased = ax.lines
    np.testing.assert_array_equal(unbiased.get_xydata(), [[3, 0.02], [1, 0.01]])
    np.testing.assert_array_equal(biased.get_xydata(), [[0.5, 0.3]])
    assert unbiased.get_marker() != biased.get_marker()
    assert to_hex(unbiased.get_color()) == PALETTE["blue"].lower()
    bars = [segment for bar in ax.collections for segment in bar.get_segments()]
    expected = [[[3, 0], [3, 0.05]], [[1, 0], [1, 0.02]], [[0.5, 0.2], [0.5, 0.4]]]
    np.testing.assert_array_equal(bars, expected)  # an interval from below zero starts at zero
    assert ax.get_ylim()[0] == 0
    assert ax.get_xscale() == "log"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["unbiased", "biased"]


@pytest.mark.parametrize("zero", [0.0, 1e-31])
def test_zero_variance_lies_on_the_left_edge(zero: float) -> None:
    ax = plot_bias_variance(
        ["exact", "rloo", "arm"], [0, 0.1, 0.1], [0, 0, 0], [0, 0.2, 0.2], [zero, 1, 2], [True] * 3
    )
    assert "variance zero, on the left edge: exact" in remark(ax)
    ax.figure.canvas.draw()
    x, _ = ax.transData.transform(ax.lines[0].get_xydata()[0])
    assert x == pytest.approx(ax.bbox.x0)
    assert ax.get_xticklabels()[0].get_text() in ("0", "$\\mathdefault{0}$")
    check_labels(ax, ["exact", "rloo", "arm"])


def test_only_zero_variance() -> None:
    ax = plot_bias_variance(["a", "b"], [0, 0], [0, 0], [0, 0], [0, 0], [True, True])
    assert "on the left edge: a, b" in remark(ax)
    check_labels(ax, ["a", "b"])


def test_missing_values_are_named_not_drawn() -> None:
    nan = np.nan
    bias, low, high = [nan, 0.1, 0.2, 0.3], [nan, 0.1, nan, 0.2], [nan, 0.1, nan, 0.4]
    ax = plot_bias_variance(["a", "b", "c", "d"], bias, low, high, [1, np.inf, 2, 3], [True] * 4)
    assert "not drawn, without a value: a, b" in remark(ax)
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), [[2, 0.2], [3, 0.3]])


def test_nothing_to_draw() -> None:
    ax = plot_bias_variance(["a"], [np.nan], [np.nan], [np.nan], [1.0], [True])
    ax.figure.canvas.draw()
    assert "not drawn, without a value: a" in remark(ax)


def test_ticks_of_small_biases_keep_their_digits() -> None:
    bias = [0.001, 0.004, 0.5]
    ax = plot_bias_variance(["a", "b", "c"], bias, bias, bias, [1, 2, 3], [True, True, False])
    ax.figure.canvas.draw()
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["0 %", *(f"{x:g} %" for x in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50))]


def test_draws_where_told() -> None:
    ax = new_axes()
    assert plot_bias_variance(["a"], [0.1], [0], [0.2], [1], [True], ax) is ax


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(1e-8, 1e8), min_size=1, max_size=9), st.booleans())
def test_every_value_lies_on_its_axis_in_order(positive: list[float], zero: bool) -> None:
    values = np.sort(np.array([0.0, *positive] if zero else positive))
    ax = new_axes()
    stretch_axis(ax, "x", values)
    share = ax.transAxes.inverted().transform(
        ax.transData.transform(np.stack([values, np.zeros(len(values))], 1))
    )[:, 0]
    assert (np.diff(share) >= 0).all()
    assert share[0] == pytest.approx(0, abs=1e-9) if zero else share[0] > 0
    assert share[-1] < 1
    assert len(ax.get_xticks()) <= 24


def test_small_is_zero_only_beside_what_is_large() -> None:
    np.testing.assert_array_equal(zero_if_rounding(np.array([1e-30, 2e-30]), 1e-12), [1e-30, 2e-30])
    np.testing.assert_array_equal(
        zero_if_rounding(np.array([1e-9, np.nan, 1]), 1e-12)[[0, 2]], [1e-9, 1]
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"names": []}, "`names` must hold at least one estimator, got none"),
        ({"bias": [0.1]}, r"`bias` must have one value for each of the 2 names, got .* \(1,\)"),
        ({"bias_low": [0, 0, 0]}, r"`bias_low` must have one value for each of the 2 names"),
        ({"bias_high": []}, r"`bias_high` must have one value for each of the 2 names"),
        (
            {"variance": np.ones((1, 2))},
            r"`variance` must have one value .* got the shape \(1, 2\)",
        ),
        ({"unbiased": [True]}, "`unbiased` must have one value for each of the 2 names"),
        ({"variance": [1, -2]}, r"`variance` must be non-negative, got -2\.0"),
        ({"bias": [0.1, 0.5]}, r"`bias` must lie between .* got 0\.5 outside \[0\.0, 0\.2\] for b"),
    ],
)
def test_refuses(change: dict, message: str) -> None:
    arguments = {
        "names": ["a", "b"],
        "bias": [0.1, 0.1],
        "bias_low": [0, 0],
        "bias_high": [0.2, 0.2],
        "variance": [1, 2],
        "unbiased": [True, False],
    }
    for wanted in change:
        assert wanted in arguments
    with pytest.raises(ValueError, match=message):
        plot_bias_variance(**{**arguments, **change})
