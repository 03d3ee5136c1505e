"""The pictures made of tiles: reconstructions, categories, samples, traversals."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from discretevae.pages.figures import (
    as_image,
    plot_categories,
    plot_reconstructions,
    plot_samples,
    plot_traversals,
)

SHAPES = [(6,), (5, 4), (1, 5, 4), (3, 5, 4), (2, 5, 4)]


def uniform(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape)


def drawn(figure: Figure) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for image in figure.axes[0].images]


def subtitle(figure: Figure) -> str:
    return " ".join(figure.texts[-1].get_text().split())


def columns(figure: Figure) -> list[str]:
    return [label.get_text() for label in figure.axes[0].get_xticklabels()]


def rows(figure: Figure) -> list[str]:
    return [label.get_text() for label in figure.axes[0].get_yticklabels()]


def framed(figure: Figure) -> list[int]:
    """The numbers of the tiles that carry a frame."""
    corners = [tuple(image.get_extent()[::3]) for image in figure.axes[0].images]
    return [corners.index(tuple(patch.get_xy())) for patch in figure.axes[0].patches]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_picture_shows_its_arrays(shape: tuple[int, ...]) -> None:
    x = uniform(4, 3, *shape)
    expected = [as_image(tile, shape) for tile in x.reshape(12, *shape)]
    figures = [
        plot_reconstructions(*x, shape=shape),
        plot_categories(x, np.array([0, 1, 2, 2]), shape),
        plot_traversals(x, np.array([-1.0, 0.0, 1.0]), shape),
        plot_samples(x.reshape(12, *shape), shape),
    ]
    for figure in figures:
        assert len(figure.axes) == 1
        assert figure.get_suptitle()
        for image, truth in zip(drawn(figure), expected, strict=True):
            np.testing.assert_array_equal(image, truth)


def test_tiles_do_not_overlap_and_stay_inside() -> None:
    figure = plot_categories(uniform(9, 7, 6, 6), np.zeros(9, int), (6, 6))
    ax = figure.axes[0]
    spans = np.array([image.get_extent() for image in ax.images])  # left, right, bottom, top
    assert len(np.unique(spans[:, 0])) == 7
    assert len(np.unique(spans[:, 3])) == 9
    assert (np.unique(spans[:, 0])[1:] > np.unique(spans[:, 1])[:-1]).all()
    figure.canvas.draw()
    for text in (*ax.get_yticklabels(), *ax.get_xticklabels(), *figure.texts):
        box = text.get_window_extent()
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
    assert min(t.get_window_extent().y0 for t in figure.texts) > max(
        t.get_window_extent().y1 for t in ax.get_xticklabels()
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_tiles_keep_their_proportions(shape: tuple[int, ...]) -> None:
    figure = plot_samples(uniform(7, *shape), shape)
    left, right, bottom, top = figure.axes[0].images[0].get_extent()
    corners = figure.axes[0].transData.transform([(left, bottom), (right, top)])
    width, height = corners[1] - corners[0]
    image = as_image(uniform(*shape), shape)
    assert width / height == pytest.approx(2 if len(shape) == 1 else image.shape[1] / len(image))


def test_reconstructions_name_their_rows() -> None:
    x = uniform(5, 4, 4)
    names = [" ".join(row.split()) for row in rows(plot_reconstructions(x, 1 - x, x, x, (4, 4)))]
    kinds = ["probabilities", "sample"]
    assert names == [f"{what} {k}" for what in ("input", "reconstruction") for k in kinds]
    names = [" ".join(row.split()) for row in rows(plot_reconstructions(x, x, x, x, (4, 4)))]
    assert names == ["input", "reconstruction mean", "reconstruction sample"]


def test_reconstructions_say_what_they_leave_out() -> None:
    x = uniform(40, 4, 4)
    figure = plot_reconstructions(x, 1 - x, x, x, (4, 4))
    assert len(drawn(figure)) == 4 * 16
    assert "the first 16 of 40 examples" in subtitle(figure)


def test_categories_frame_the_code() -> None:
    figure = plot_categories(uniform(4, 8, 3, 3), np.array([0, 7, 3, 3]), (3, 3))
    assert framed(figure) == [0, 8 + 7, 16 + 3, 24 + 3]
    assert columns(figure) == [str(k) for k in range(8)]
    assert rows(figure) == [f"latent {d}" for d in range(4)]


def test_d_and_k_are_not_swapped() -> None:
    figure = plot_categories(uniform(2, 5, 3, 3), np.array([4, 0]), (3, 3))
    assert len(columns(figure)) == 5
    assert len(rows(figure)) == 2


def test_categories_beyond_sixteen_keep_the_current_one() -> None:
    decoded, code = uniform(30, 20, 3, 3), np.arange(30) % 20
    figure = plot_categories(decoded, code, (3, 3))
    assert len(drawn(figure)) == 16 * 16
    assert columns(figure) == [*map(str, range(15)), "now"]
    assert "the first 16 of 30 latents" in subtitle(figure)
    assert "the first 15 of 20 categories, then the current one" in subtitle(figure)
    for d in range(16):
        np.testing.assert_array_equal(drawn(figure)[16 * d + 15], decoded[d, code[d]])
        assert 16 * d + 15 in framed(figure)
        assert (16 * d + d in framed(figure)) == (code[d] < 16)


def test_large_sheets_are_cut() -> None:
    samples = plot_samples(uniform(300, 3, 3), (3, 3))
    assert len(drawn(samples)) == 256
    assert "the first 256 of 300 samples" in subtitle(samples)
    traversals = plot_traversals(uniform(20, 33, 3, 3), np.linspace(-2, 2, 33), (3, 3))
    assert len(drawn(traversals)) == 256
    assert columns(traversals)[0] == "−2"
    assert columns(traversals)[-1] == "2"
    assert "16 of 33 values" in subtitle(traversals)


def test_a_range_of_its_own_is_stated() -> None:
    figure = plot_samples(uniform(4, 3, 3), (3, 3), vmin=-1.5, vmax=2)
    assert "dark −1.5 to bright 2" in subtitle(figure)
    assert "dark" not in subtitle(plot_samples(uniform(4, 3, 3), (3, 3)))
    assert "9 features" in subtitle(plot_samples(uniform(4, 9), (9,)))


X = np.zeros((4, 3, 2, 2))


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plot_samples(X[0, :0], (2, 2)), "`tiles` and `columns` must be at least 1, got 0"),
        (lambda: plot_samples(X[0], (3, 2)), r"`x` must have the shape \(3, 2\), got \(2, 2\)"),
        (
            lambda: plot_reconstructions(X[0], X[0], X[0], X[0, :, :1], (2, 2)),
            "the four arrays must agree in shape",
        ),
        (
            lambda: plot_reconstructions(*X, shape=(2, 2), row_labels=["a"]),
            "`row_labels` must be four, got 1",
        ),
        (
            lambda: plot_categories(X, np.array([0, 0, 0, 3]), (2, 2)),
            r"`code` must lie in \[0, 3\)",
        ),
        (lambda: plot_categories(X[:0], np.zeros(0, int), (2, 2)), "`decoded` must hold"),
        (lambda: plot_traversals(X[:, :0], np.zeros(0), (2, 2)), "`decoded` must hold"),
    ],
)
def test_refuses(draw: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw()  # type: ignore[operator]
