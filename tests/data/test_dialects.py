"""What stands between cells, and the decimal sign."""

import csv
from pathlib import Path

import numpy as np
import pytest

from discretevae.data.formats.dialects import find_dialect, looks_like_table
from discretevae.data.reading import ReadingOptions

CELLS = np.random.default_rng(0).normal(0, 100, (40, 3)).round(2).tolist()
PATH = Path("t.csv")


@pytest.mark.parametrize(
    ("delimiter", "decimal"),
    [*((sign, ".") for sign in ",;\t| "), *((sign, ",") for sign in ";\t|")],
)
def test_signs_are_those_that_the_file_was_written_with(
    delimiter: str, decimal: str, tmp_path: Path
) -> None:
    with (tmp_path / "t.csv").open("w", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow("abc")
        writer.writerows([str(cell).replace(".", decimal) for cell in row] for row in CELLS)
    lines = (tmp_path / "t.csv").read_text().splitlines(keepends=True)
    found = find_dialect(lines, PATH, ReadingOptions())
    assert (found.delimiter, found.decimal) == (delimiter, decimal)
    said = find_dialect(lines, PATH, ReadingOptions(delimiter="#", decimal="."))
    assert (said.delimiter, said.decimal) == ("#", ".")


def test_prose_is_no_table_and_numbers_are(tmp_path: Path) -> None:
    prose = "She came, he saw, they left again.\nIt rained, and nobody came.\nThe end of it all.\n"
    for content, table in ((prose, False), ("a,b\n1,2\n3,4\n5,6\n", True)):
        (tmp_path / "t.txt").write_text(content)
        assert looks_like_table(tmp_path / "t.txt") == table
