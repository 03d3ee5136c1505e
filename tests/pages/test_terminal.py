"""No figure of a table is cut, however narrow the terminal is."""

import pytest

from discretevae.pages.terminal import print_table, table_of


@pytest.mark.parametrize("columns", [20, 40, 80])
def test_no_figure_is_cut(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    table = table_of("Bounds")
    table.add_column("name", no_wrap=True)
    for name in ("train", "validation", "test"):
        table.add_column(name, no_wrap=True, justify="right")
    table.add_column("what it is")
    table.add_row("exact log likelihood", "−123.45 ± 0.12", "−1.2 ± 0.3", "−7", "words that wrap")
    print_table(table)
    out = capsys.readouterr().out
    assert "…" not in out
    for figure in ("exact log likelihood", "−123.45 ± 0.12", "−1.2 ± 0.3", "−7"):
        assert figure in out


def test_words_wrap_where_they_fit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    table = table_of("[Names]")
    table.add_column("name", no_wrap=True)
    table.add_column("what")
    table.add_row("reinmax", "a sentence that is longer than the line that it is printed on")
    print_table(table)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 40
