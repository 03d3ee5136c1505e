from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes

from discretevae.pages.figures import new_axes, plot_comparison
from discretevae.pages.figures.comparison import _LINE, _spread, mean_run
from discretevae.pages.figures.style import DPI

Run = tuple[np.ndarray, np.ndarray]


def rising(end: float, per_epoch: float = 1.0, seed: int = 0) -> Run:
    rng = np.random.default_rng(seed)
    seconds = np.cumsum(per_epoch * rng.uniform(0.8, 1.2, 50))
    return seconds, end - 20 * np.exp(-np.arange(50) / 8) + 0.1 * rng.normal(size=50)


def many(count: int) -> dict[str, list[Run]]:
    return {
        f"estimator-{i}": [rising(-100 - 0.3 * i, 1 + i % 3, seed) for seed in range(3)]
        for i in range(count)
    }


def remark(ax: Axes) -> str:
    """What stands below the title."""
    return " ".join(
        " ".join(text.get_text() for text in ax.texts if "est" not in text.get_text()).split()
    )


def test_the_mean_covers_what_all_seeds_cover() -> None:
    first = np.array([0.0, 1.0, 3.0]), np.array([0.0, 2.0, 4.0])
    second = np.array([0.5, 2.0, 9.0]), np.array([1.0, 4.0, 4.0])
    times, mean = mean_run([first, second])
    np.testing.assert_array_equal(times, [0.5, 1, 2, 3])
    np.testing.assert_allclose(mean, [1, 2, 3.5, 4])
    fine = np.linspace(0.5, 3, 999)  # nothing is lost between the knots
    truth = (np.interp(fine, *first) + np.interp(fine, *second)) / 2
    np.testing.assert_allclose(np.interp(fine, times, mean), truth)


def test_shows_seeds_and_mean() -> None:
    runs = [rising(-100, seed=0), rising(-101, seed=1)]
    ax = plot_comparison({"rloo": runs})
    thin, other, thick, end = ax.lines[:4]
    for line, run in zip((thin, other), runs, strict=True):
        np.testing.assert_array_equal(line.get_xydata(), np.stack(run, 1))
    np.testing.assert_array_equal(thick.get_xydata(), np.stack(mean_run(runs), 1))
    np.testing.assert_array_equal(end.get_xydata()[0], thick.get_xydata()[-1])
    assert thick.get_linewidth() > 2 * thin.get_linewidth()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("wall-clock seconds", "nats per example")


@pytest.mark.parametrize("height", [4.4, 1.8])
def test_ten_estimators_are_told_apart(height: float) -> None:
    ax = plot_comparison(many(10), new_axes(height=height))
    means = [line for line in ax.lines if line.get_label().startswith("estimator")]
    looks = {(line.get_color(), str(line._unscaled_dash_pattern)) for line in means}
    assert len(means) == len(looks) == 10
    ax.figure.canvas.figure.set_dpi(DPI)
    ax.figure.canvas.draw()
    names = [text for text in ax.texts if text.get_text().startswith("estimator")]
    boxes = sorted((text.get_window_extent() for text in names), key=lambda box: box.y0)
    assert len(boxes) == 10
    assert all(a.y1 <= b.y0 + 1 for a, b in pairwise(boxes))
    assert all(box.x0 > ax.bbox.x1 and box.x1 <= ax.figure.bbox.x1 for box in boxes)


def test_names_stand_in_the_order_of_the_ends() -> None:
    ax = plot_comparison({"west": [rising(-103)], "best": [rising(-99)], "rest": [rising(-101)]})
    names = sorted(
        (t for t in ax.texts if "est" in t.get_text()), key=lambda t: t.get_position()[1]
    )
    assert [text.get_text() for text in names] == ["west", "rest", "best"]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 300), min_size=1, max_size=10))
def test_spread_names_keep_order_distance_and_bounds(ends: list[float]) -> None:
    wanted = np.sort(ends)
    places = _spread(wanted, 300.0)
    assert (np.diff(places) >= _LINE - 1e-6).all()
    assert places.min() >= 0
    assert places.max() <= 300
    if (np.diff(wanted) >= _LINE).all():
        np.testing.assert_allclose(places, wanted, atol=1e-9)


def test_first_values_do_not_squash_the_rest() -> None:
    seconds, elbo = rising(-100)
    elbo[:2] = -5000, -600
    ax = plot_comparison({"best": [(seconds, elbo)], "rest": [rising(-101)]})
    assert ax.get_ylim()[0] > -130
    assert "as far as −5000" in " ".join(text.get_text() for text in ax.texts)


def test_a_hopeless_estimator_does_not_squash_the_rest() -> None:
    ax = plot_comparison({**many(6), "worst": [rising(-900)]})
    assert ax.get_ylim()[0] > -150
    assert any(text.get_text().startswith("worst (−") for text in ax.texts)


def test_values_that_are_not_finite_are_passed_over() -> None:
    seconds, elbo = rising(-100)
    broken = np.where(seconds > 20, np.nan, elbo)
    ax = plot_comparison(
        {"rest": [(seconds, elbo), (seconds, broken)], "lost": [(seconds, elbo * np.nan)]}
    )
    thick = next(line for line in ax.lines if line.get_label() == "rest")
    assert thick.get_xdata()[-1] <= 20
    assert "without a value: lost" in remark(ax)


def test_nothing_but_missing_values() -> None:
    ax = plot_comparison({"lost": [(np.array([1.0]), np.array([np.nan]))]})
    ax.figure.canvas.draw()
    assert "without a value: lost" in remark(ax)


def test_runs_that_never_overlap_have_no_mean() -> None:
    early, late = np.array([0.0, 1.0]), np.array([2.0, 3.0])
    ax = plot_comparison({"rest": [(early, early - 9), (late, late - 9)]})
    ax.figure.canvas.draw()
    assert any(text.get_text().startswith("rest") for text in ax.texts)


def test_draws_where_told() -> None:
    ax = new_axes()
    assert plot_comparison(many(1), ax) is ax


TWO = np.array([1.0, 2.0])


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        ({}, "`curves` must hold 1 to 10 estimators, got 0"),
        (
            {str(i): [(TWO, TWO)] for i in range(11)},
            "`curves` must hold 1 to 10 estimators, got 11",
        ),
        ({"a": []}, r"`curves\['a'\]` must hold at least one run, got none"),
        ({"a": [(TWO, TWO[:1])]}, r"`curves\['a'\]` must hold pairs .* \(2,\) and \(1,\)"),
        (
            {"a": [(TWO[::-1], TWO)]},
            r"`curves\['a'\]` must have seconds that increase, got 1\.0 after 2\.0",
        ),
    ],
)
def test_refuses(curves: dict[str, list[Run]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plot_comparison(curves)
