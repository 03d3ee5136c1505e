"""Which first line names the columns."""

import pytest

from discretevae.data.formats.headers import find_header
from discretevae.data.reading import ReadingOptions

ROWS = [[str(i * 7 % 13), f"{i}.5", "ab"[i % 2]] for i in range(20)]


def header(first: list[str], rows: list[list[str]] = ROWS, said: str = "auto") -> list[str] | None:
    lines = [(number, cells) for number, cells in enumerate([first, *rows], 1)]
    names, has, _ = find_header(lines, ReadingOptions(header=said))
    return names if has else None


@pytest.mark.parametrize("first", [["age", "pay", "kind"], ["age", "pay", "a"]])
def test_texts_above_numbers_are_names(first: list[str]) -> None:
    assert header(first) == first


def test_one_row_more_is_no_header_unless_it_is_said() -> None:
    assert header(ROWS[3]) is None
    assert header(ROWS[3], said="yes") == ROWS[3]
    assert header(["age", "pay", "kind"], said="no") is None


def test_years_in_a_row_are_names() -> None:
    rows = [[str(i), str(i * 3 % 7), str(i * 5 % 11)] for i in range(20)]
    assert header(["1999", "2000", "2001"], rows) == ["1999", "2000", "2001"]
    assert header(["1999", "17", "2001"], rows) is None


def test_rows_with_names_of_their_own_have_one_cell_more() -> None:
    rows = [[f"row {i}", *ROWS[i]] for i in range(20)]
    assert header(["age", "pay", "kind"], rows) == ["", "age", "pay", "kind"]
