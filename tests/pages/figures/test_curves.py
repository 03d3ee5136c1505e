import numpy as np
import pytest
from matplotlib.axes import Axes

from discretevae.pages.figures import new_axes, plot_elbo_curves

EPOCHS = np.arange(1, 161)
RISING = -124 - 20 * np.exp(-EPOCHS / 20.0)


def labels(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def remark(ax: Axes) -> str:
    return " ".join(" ".join(text.get_text() for text in ax.texts).split())


def test_shows_the_values() -> None:
    ax = plot_elbo_curves([1, 2, 3], {"train ELBO": [-3, -2, -1], "validation ELBO": [-4, -3, -2]})
    np.testing.assert_array_equal(ax.lines[1].get_xydata(), [[1, -4], [2, -3], [3, -2]])
    assert labels(ax) == ["train ELBO", "validation ELBO"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "nats per example")
    assert remark(ax) == ""


def test_passes_over_missing_epochs() -> None:
    ax = plot_elbo_curves([1, 2, 3], {"ELBO": [-3, np.nan, -1]})
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), [[1, -3], [3, -1]])


def test_first_epochs_do_not_squash_the_rest() -> None:
    curve = RISING.copy()
    curve[:2] = -5000, -800
    ax = plot_elbo_curves(EPOCHS, {"train ELBO": curve, "validation ELBO": RISING - 1})
    low, high = ax.get_ylim()
    assert low > -160
    assert high > -124
    assert "cut below the axis: train ELBO (−5000 in epoch 1)" in remark(ax)


def test_a_spike_does_not_squash_the_rest() -> None:
    curve = RISING.copy()
    curve[100] = 3000
    ax = plot_elbo_curves(EPOCHS, {"objective": curve})
    assert ax.get_ylim()[1] < 0
    assert "cut above the axis: objective (3000 in epoch 101)" in remark(ax)


def test_nothing_is_cut_without_need() -> None:
    ax = plot_elbo_curves(EPOCHS, {"train ELBO": RISING})
    low, high = ax.get_ylim()
    assert low < RISING.min()
    assert high > RISING.max()
    assert remark(ax) == ""


@pytest.mark.parametrize("curve", [[-20.0], [0.0], [np.nan], [np.inf]])
def test_one_epoch(curve: list[float]) -> None:
    ax = plot_elbo_curves([1], {"ELBO": curve})
    ax.figure.canvas.draw()
    low, high = ax.get_ylim()
    assert low < high
    assert labels(ax) == ["ELBO" if np.isfinite(curve[0]) else "ELBO (no values)"]


def test_many_curves_and_axes_of_the_caller() -> None:
    ax = new_axes()
    curves = {f"run {i}": RISING + i for i in range(9)}
    assert plot_elbo_curves(EPOCHS, curves, ax) is ax
    assert len(ax.lines) == 9


@pytest.mark.parametrize(
    ("epochs", "curves", "message"),
    [
        ([], {"a": []}, "must hold at least one epoch and one curve, got 0 and 1"),
        ([1], {}, "must hold at least one epoch and one curve, got 1 and 0"),
        ([1, 2], {"a": [1.0]}, r"`curves\['a'\]` must have one value for each of the 2 epochs"),
    ],
)
def test_refuses(epochs: list[float], curves: dict[str, list[float]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plot_elbo_curves(epochs, curves)
