from itertools import pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure

from discretevae.pages.figures import as_image, plot_model_reconstructions

LONG = "a convolutional encoder, straight-through Gumbel-Softmax, 32 latents of 10"


def uniform(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape)


def rows(figure: Figure) -> list[str]:
    return [" ".join(label.get_text().split()) for label in figure.axes[0].get_yticklabels()]


def subtitle(figure: Figure) -> str:
    return " ".join(figure.texts[-1].get_text().split())


def check_labels(figure: Figure) -> None:
    """The names stand left of the tiles, inside the figure and below one another."""
    figure.canvas.draw()
    boxes = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
    for box in boxes:
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.axes[0].bbox.x0
        assert figure.bbox.y0 <= box.y0
    assert all(below.y1 <= above.y0 + 1 for above, below in pairwise(boxes))
    assert boxes[0].y1 < figure.texts[-1].get_window_extent().y0


@pytest.mark.parametrize("shape", [(6,), (5, 4), (1, 5, 4), (3, 5, 4), (2, 5, 4)])
def test_shows_the_inputs_then_every_model(shape: tuple[int, ...]) -> None:
    x = uniform(3, 4, *shape)
    figure = plot_model_reconstructions(x[0], {"MLP": x[1], "CNN": x[2]}, shape)
    assert rows(figure) == ["input", "MLP", "CNN"]
    images = figure.axes[0].images
    for image, truth in zip(images, x.reshape(12, *shape), strict=True):
        np.testing.assert_array_equal(image.get_array(), as_image(truth, shape))
    tops = [image.get_extent()[3] for image in images]
    assert len(set(tops)) == 3
    assert len(set(tops[:4])) == 1
    assert figure.get_suptitle() == "Inputs and their reconstructions"
    check_labels(figure)


@pytest.mark.parametrize("shape", [(20,), (7, 7), (2, 7, 7)])
@pytest.mark.parametrize("count", [1, 8, 30])
@pytest.mark.parametrize("name", ["MLP", "Gumbel-Softmax, straight-through", LONG, "W" * 45])
def test_names_fit(shape: tuple[int, ...], count: int, name: str) -> None:
    x = uniform(count, *shape)
    figure = plot_model_reconstructions(x, {name: x, "CNN": x}, shape)
    assert rows(figure)[1].replace(" ", "") == name.replace(" ", "")
    check_labels(figure)
    assert min(label.get_fontsize() for label in figure.axes[0].get_yticklabels()) > 5


def test_says_what_it_leaves_out() -> None:
    x = uniform(40, 4, 4)
    figure = plot_model_reconstructions(x, {"MLP": x}, (4, 4))
    assert len(figure.axes[0].images) == 2 * 16
    assert "the first 16 of 40 examples" in subtitle(figure)
    assert "first" not in subtitle(plot_model_reconstructions(x[:9], {"MLP": x[:9]}, (4, 4)))


def test_long_names_leave_fewer_examples() -> None:
    x = uniform(40, 4, 4)
    figure = plot_model_reconstructions(x, {LONG: x}, (4, 4))
    assert len(figure.axes[0].images) == 2 * 8
    assert "the first 8 of 40 examples" in subtitle(figure)


def test_a_range_and_a_title_of_its_own() -> None:
    x = uniform(2, 3, 3)
    figure = plot_model_reconstructions(x, {"a": x}, (3, 3), title="Mine", vmin=-1.5, vmax=2)
    assert figure.get_suptitle() == "Mine"
    assert "dark −1.5 to bright 2" in subtitle(figure)
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), (x[0] + 1.5) / 3.5)


X = np.zeros((4, 2, 2))


@pytest.mark.parametrize(
    ("inputs", "outputs", "shape", "message"),
    [
        (X, {}, (2, 2), "`outputs` must hold at least one model, got none"),
        (
            X,
            {"a": X, "b": X[:, :1]},
            (2, 2),
            r"`outputs\['b'\]` must have the shape of `inputs`, \(4, 2, 2\), got \(4, 1, 2\)",
        ),
        (X[:0], {"a": X[:0]}, (2, 2), "`tiles` and `columns` must be at least 1, got 0"),
        (X, {"a": X}, (3, 2), r"`x` must have the shape \(3, 2\), got \(2, 2\)"),
    ],
)
def test_refuses(
    inputs: np.ndarray, outputs: dict[str, np.ndarray], shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        plot_model_reconstructions(inputs, outputs, shape)
