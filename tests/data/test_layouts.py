"""How the lines of a file are laid out."""

import pytest

from discretevae.data.formats.layouts import Layout, find_layout
from discretevae.data.formats.raw import Dialect
from discretevae.data.reading import ReadingOptions

NAMES = ["a", "b", "c"]
ROWS = [[str(i), str(i * 3 % 7), "xy"[i % 2]] for i in range(20)]


def layout(*lines: list[str]) -> Layout:
    return find_layout(list(enumerate(lines, 1)), ReadingOptions(), Dialect())


@pytest.mark.parametrize(
    ("above", "first"),
    [([], 1), ([["A title"]], 2), ([["A title"], ["of 2024"]], 3), ([["# one"], ["# two"]], 3)],
)
def test_the_first_row_is_below_titles_comments_and_names(above: list, first: int) -> None:
    found = layout(*above, NAMES, *ROWS)
    assert (found.names, found.first, found.header) == (NAMES, first, True)


def test_rows_that_end_with_a_delimiter_have_no_cell_more() -> None:
    found = layout(NAMES, *([*row, ""] for row in ROWS))
    assert found.trailing
    assert found.row(["1", "2", "x", ""]) == ["1", "2", "x"]


def test_rows_that_lack_their_last_cells_are_filled_up() -> None:
    found = layout(NAMES, *(row if i % 3 else row[:2] for i, row in enumerate(ROWS)))
    assert found.short
    assert found.row(["1", "2"]) == ["1", "2", ""]


def test_the_names_are_known_again() -> None:
    found = layout(NAMES, *ROWS)
    assert found.names_again([" a", "b", "c "])
    assert not found.names_again(["a", "b", "d"])
