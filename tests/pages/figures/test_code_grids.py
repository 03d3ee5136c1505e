import numpy as np
import pytest

from discretevae.pages.figures import plot_code_grids


def test_a_code_has_one_colour_wherever_it_stands() -> None:
    codes = np.array([[[0, 1], [1, 2]], [[2, 2], [0, 1]]])
    figure = plot_code_grids(np.zeros((2, 1, 4, 4)), [codes], (1, 4, 4), num_codes=3)
    first, second = (np.asarray(image.get_array()) for image in figure.axes[0].images[2:])
    assert first.shape[:2] == (64, 64)
    colour = {k: first[place] for k, place in {0: (0, 0), 1: (0, 63), 2: (63, 63)}.items()}
    assert len({tuple(c) for c in colour.values()}) == 3
    for place, k in (((0, 0), 2), ((0, 63), 2), ((63, 0), 0), ((63, 63), 1)):
        np.testing.assert_array_equal(second[place], colour[k])


def test_a_code_outside_the_book_is_refused() -> None:
    with pytest.raises(ValueError, match=r"codes in \[0, 3\)"):
        plot_code_grids(np.zeros((1, 1, 4, 4)), [np.full((1, 2, 2), 3)], (1, 4, 4), num_codes=3)
