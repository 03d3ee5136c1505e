"""Tables as text, cell by cell."""

from pathlib import Path

import pandas
import pytest

from discretevae.data.errors import DataError
from discretevae.data.formats.delimited import read_delimited
from discretevae.data.reading import ReadingOptions


def test_cells_are_those_of_pandas(tmp_path: Path) -> None:
    frame = pandas.DataFrame(
        {"n": range(50), "t": ['say "so"', "two\nlines", "a,b", "", " x "] * 10}
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = read_delimited(tmp_path / "t.csv")
    truth = pandas.read_csv(tmp_path / "t.csv", dtype=str, keep_default_na=False)
    for name in truth:
        assert table.columns[name].cells() == truth[name].tolist()


def test_a_few_odd_lines_are_counted_and_many_are_refused(tmp_path: Path) -> None:
    rows = [f"{i},{i * 3 % 7}" for i in range(300)]
    rows[100] = "1,2,3"
    (tmp_path / "t.csv").write_text("\n".join(["a,b", *rows]))
    table = read_delimited(tmp_path / "t.csv")
    assert table.rows == 299
    said = "1 line with another number of cells left out: line 102 (--strict refuses)"
    assert said in map(str, table.notes)
    with pytest.raises(DataError, match=r"line 102: must have 2 cells, got 3"):
        read_delimited(tmp_path / "t.csv", ReadingOptions(strict=True))
    (tmp_path / "t.csv").write_text("\n".join(["a,b", *rows[95:105]]))
    with pytest.raises(DataError, match=r"line 7: must have 2 cells, got 3"):
        read_delimited(tmp_path / "t.csv")
