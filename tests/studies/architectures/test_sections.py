from pathlib import Path

import pytest

from discretevae.pages.report import ReportFigure
from discretevae.studies.architectures.sections import Section, Table, as_markdown


def test_a_row_with_a_cell_too_few_is_refused() -> None:
    with pytest.raises(ValueError, match="`rows` must have 2 cells each"):
        Table(("a", "b"), [("1", "2"), ("3",)])


def test_markdown_links_pictures_from_its_folder() -> None:
    figure = ReportFigure("Curves", "By epoch.", Path("results/study/curves.png"))
    text = as_markdown([Section("Bounds", figures=[figure])], Path("results"))
    assert "**Curves.** By epoch." in text
    assert "![Curves](study/curves.png)" in text


def test_the_note_of_a_table_stands_below_it() -> None:
    lines = as_markdown([Section("S", tables=[Table(("a",), [("1",)], "A note.")])], Path())
    assert lines.splitlines()[-4:] == ["|---|", "| 1 |", "", "A note."]
