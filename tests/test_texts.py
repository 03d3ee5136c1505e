"""Any text is shown as text: by a terminal, by Markdown, by matplotlib, by a spreadsheet."""

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from discretevae.pages.writing import as_csv
from discretevae.texts import for_csv, for_figure, for_markdown, from_csv, say, visible

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
SIGNS = st.text("$\\{}^_%[](){}|<>!*`~#:/@.=+-'\t\r\n\x1b\u202ea1", max_size=20)


@given(st.one_of(TEXTS, SIGNS))
@example("\x1b[31mred\x07\r\n\x9b2J\u2028\u202e")
def test_nothing_that_is_said_moves_the_cursor(text: str) -> None:
    shown = visible(text)
    assert all(ord(sign) >= 32 and sign not in "\x7f\u2028\u2029\u202e" for sign in shown)
    assert not any("\x80" <= sign <= "\x9f" for sign in shown)


@pytest.mark.parametrize("text", ["naïve ☃", "数据 مرحبا", "👩\u200d🔬", "a b", "Ŝ\u0323"])
def test_all_that_can_be_read_stays(text: str) -> None:
    assert visible(text) == text


def test_a_line_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    say("one\ndiscretevae: two\x1b[1A", error=True)
    out, err = capsys.readouterr()
    assert (out, err) == ("", "one\\ndiscretevae: two\\x1b[1A\n")


@given(st.one_of(TEXTS, SIGNS))
@example("=1").via("a formula")
@example("''=1").via("what was marked twice")
def test_a_table_is_read_as_it_was_written(text: str) -> None:
    assert from_csv(for_csv(text)) == text
    ((cell,),) = list(csv.reader(io.StringIO(as_csv((text,), []), newline="")))
    assert from_csv(cell) == text


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "=", "-x"]
)
def test_a_spreadsheet_runs_no_cell(cell: str) -> None:
    assert for_csv(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["-1", "+1.5e-3", "-nan", "-inf", ".5", "1=1", "a@b", "-.5E+7"])
def test_numbers_and_words_stay(cell: str) -> None:
    assert for_csv(cell) == cell


@pytest.mark.filterwarnings("ignore:Glyph:UserWarning")
@given(st.one_of(TEXTS, SIGNS))
@example(r"$\frac{$")
@example(r"$\undefined$ $x^{$")
@example("\\$a$\\")
def test_a_figure_draws_every_name(text: str) -> None:
    figure = Figure()
    FigureCanvasAgg(figure)
    figure.text(0, 0, for_figure(text))
    figure.draw_without_rendering()


def test_without_the_mark_a_name_is_taken_for_a_formula() -> None:
    figure = Figure()
    FigureCanvasAgg(figure)
    figure.text(0, 0, r"$\frac{$")
    with pytest.raises(ValueError, match="frac"):
        figure.draw_without_rendering()


@pytest.mark.parametrize(
    "text",
    ["[free](http://x.example)", "![p](data:x)", "<img src=x>", "**bold**", "`code`", "~~gone~~",
     "a | b", "# head", "&lt;b&gt;", "<!-- comment -->", "_soft_", "https://x.example/y",
     "www.x.example", "me@x.example", "$x^2$", "two\nlines\n# head"],
)  # fmt: skip
def test_markdown_shows_signs_as_signs(text: str) -> None:
    markdown_it = pytest.importorskip("markdown_it", reason="markdown-it is not installed")
    reader = markdown_it.MarkdownIt("gfm-like", {"linkify": False, "html": True})
    tokens = reader.parse(f"About {for_markdown(text)} all is known.")
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    children = tokens[1].children or []
    assert {child.type for child in children} <= {"text", "text_special"}
    assert "".join(child.content for child in children) == f"About {visible(text)} all is known."
