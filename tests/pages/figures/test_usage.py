import numpy as np
import pytest

from discretevae.pages.figures import new_axes, plot_usage
from discretevae.pages.figures.usage import DEAD


def shares(num_latents: int, num_categories: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.dirichlet(np.full(num_categories, 0.3), num_latents)


def test_shows_the_array() -> None:
    usage = shares(4, 8)
    ax = plot_usage(usage)
    np.testing.assert_array_equal(ax.images[0].get_array(), usage)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("category", "latent")


def test_marks_the_dead() -> None:
    usage = np.array([[0.5, 0.5, 0.0], [0.2, 0.7995, 0.0005], [0.3, 0.3, 0.4]])
    ax = plot_usage(usage)
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), [[2, 0], [2, 1]])
    assert "2 of 9 categories are dead" in ax.texts[-1].get_text()
    assert ax.images[0].norm.vmin == DEAD  # what lies below takes the colour of the dead


def test_marks_the_even_share_on_the_colour_bar() -> None:
    ax = plot_usage(shares(4, 8))
    bar = ax.figure.axes[1]
    assert 1 / 8 in [line.get_ydata()[0] for line in bar.lines]
    assert bar.get_ylabel() == "share of examples"
    assert "1/8 = 12.5" in ax.texts[-1].get_text()


@pytest.mark.parametrize("size", [(1, 2), (1, 10), (200, 128), (2, 1000), (1000, 2), (3, 1)])
def test_all_sizes(size: tuple[int, int]) -> None:
    ax = plot_usage(shares(*size))
    ax.figure.canvas.draw()
    assert len(ax.get_xticks()) <= 24
    assert len(ax.get_yticks()) <= 24
    assert ax.figure.get_figheight() <= 8


def test_draws_where_told() -> None:
    ax = new_axes()
    assert plot_usage(shares(2, 3), ax) is ax


@pytest.mark.parametrize(
    ("usage", "message"),
    [
        (np.zeros((0, 4)), r"`usage` must hold at least one category, got \(0, 4\)"),
        (np.array([[-0.5, 1.5]]), "`usage` must be non-negative, got -0.5"),
        (np.array([[0.5, np.nan]]), "`usage` must be non-negative, got nan"),
        (np.array([[0.5, 0.5], [0.5, 0.7]]), "rows that sum to one, got 1.2"),
    ],
)
def test_refuses(usage: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plot_usage(usage)
