import numpy as np
import pytest

from discretevae.pages.figures import as_image


@pytest.mark.parametrize(
    ("shape", "image"),
    [
        ((5,), (1, 5)),
        ((4, 3), (4, 3)),
        ((1, 4, 3), (4, 3)),
        ((3, 4, 5), (4, 5, 3)),
        ((2, 4, 3), (4, 6)),
    ],
)
def test_shapes(shape: tuple[int, ...], image: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).random(shape)
    assert as_image(x, shape).shape == image
    np.testing.assert_array_equal(as_image(x.ravel(), shape), as_image(x, shape))


def test_channels_are_colours() -> None:
    x = np.random.default_rng(0).random((3, 4, 5))
    np.testing.assert_array_equal(as_image(x, (3, 4, 5))[2, 4], x[:, 2, 4])


def test_values_are_scaled_and_clipped() -> None:
    x = np.array([-9.0, -2.0, 0.0, 2.0, 9.0, np.nan])
    expected = [[0, 0, 0.5, 1, 1, np.nan]]
    np.testing.assert_array_equal(as_image(x, (6,), vmin=-2, vmax=2), expected)


def test_integers_are_drawn() -> None:
    np.testing.assert_array_equal(as_image(np.array([0, 255]), (2,), vmax=255), [[0, 1]])


@pytest.mark.parametrize(
    ("x", "shape", "limits", "message"),
    [
        (np.zeros(4), (5,), (0, 1), r"`x` must have the shape \(5,\), got \(4,\)"),
        (np.zeros(4), (1, 1, 2, 2), (0, 1), r"`shape` must be .*, got \(1, 1, 2, 2\)"),
        (np.zeros(4), (4,), (1, 1), r"`vmax` must exceed `vmin` = 1, got 1"),
    ],
)
def test_refuses(
    x: np.ndarray, shape: tuple[int, ...], limits: tuple[float, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        as_image(x, shape, *limits)
