"""Lines of units below the names of columns are no rows."""

from pathlib import Path

import pytest

from discretevae.data.formats.delimited import read_delimited
from discretevae.data.reading import ReadingOptions

ROWS = "".join(f"s{i},{i * 7 % 30},{i * 3 % 11}.5\n" for i in range(30))


def read(folder: Path, below: str, header: str = "auto") -> tuple[int, str]:
    (folder / "t.csv").write_text(f"who,height,speed\n{below}{ROWS}")
    table = read_delimited(folder / "t.csv", ReadingOptions(header=header))
    assert list(table.columns) == ["who", "height", "speed"]
    return table.rows, "; ".join(map(str, table.notes))


@pytest.mark.parametrize(
    "below", [",cm,m/s\n", ",cm,(m/s)\n", '"",[cm],m s-1\n', ",cm,\n", ",mean,max\n", ",m²,µg/m³\n"]
)
def test_units_are_left_out_and_said(tmp_path: Path, below: str) -> None:
    rows, said = read(tmp_path, below)
    assert rows == 30
    assert "1 line of units or the like below the names left out (--header yes)" in said


def test_two_lines_of_them_are_two(tmp_path: Path) -> None:
    assert read(tmp_path, ",cm,m/s\n,Avg,Smp\n")[0] == 30


def test_the_user_overrules(tmp_path: Path) -> None:
    assert read(tmp_path, ",cm,m/s\n", "yes") == (31, "")


@pytest.mark.parametrize(
    "below",
    [
        "x,NA,NA\n",  # a row whose numbers are not known
        "x,unknown,-\n",
        "x,refused,3\n",
        "x,error,error\n",  # of somebody
        ",<0.1,<0.2\n",  # what nobody could measure
        ",,\n",
        "s3,cm,m/s\n",  # of somebody who comes again
    ],
)
def test_a_row_of_gaps_is_a_row(tmp_path: Path, below: str) -> None:
    assert read(tmp_path, below) == (31, "")


def test_a_table_of_texts_has_none(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("size,kind\nM,kg\n" + "L,lb\nS,oz\nXL,t\n" * 9)
    assert read_delimited(tmp_path / "t.csv").rows == 28
