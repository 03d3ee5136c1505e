import csv
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discretevae.data import DataError, Examples, read_file

CELL = st.floats(width=32, allow_nan=False, allow_infinity=False)
TABLE = st.integers(1, 5).flatmap(
    lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1, max_size=9)
)


def read(folder: Path, text: str | bytes) -> tuple[Examples, tuple[str, ...] | None]:
    path = folder / "table.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_file(path)


@given(TABLE, st.booleans())
def test_csv_is_what_the_csv_module_wrote(
    tmp_path_factory: pytest.TempPathFactory, table: list[list[float]], header: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "written.csv"
    with path.open("w", newline="") as file:
        names = [[f"column {i}" for i in range(len(table[0]))]] if header else []
        csv.writer(file).writerows([*names, *table])
    assert np.array_equal(read_file(path)[0].x.numpy(), np.array(table, np.float32))


@pytest.mark.parametrize(
    ("text", "x", "labels", "classes"),
    [
        ("1,2\n3,4\n", [[1, 2], [3, 4]], None, None),
        ("a,b\r\n1,2\r\n\r\n3,4", [[1, 2], [3, 4]], None, None),
        ("\ufeffa,b\n1,2\n", [[1, 2]], None, None),
        ("label,p0,p1\n7,0,255\n3,1,2\n", [[0, 255], [1, 2]], [7, 3], None),
        ("0,1,Label\n5,6,1.0\n7,8,0.0\n", [[5, 6], [7, 8]], [1, 0], None),
        (
            'a,labels\n1,"dog, wet"\n2,cat\n3, cat\n',
            [[1], [2], [3]],
            [1, 0, 0],
            ("cat", "dog, wet"),
        ),
    ],
)
def test_headers_and_labels(
    tmp_path: Path, text: str, x: list, labels: list | None, classes: tuple[str, ...] | None
) -> None:
    examples, names = read(tmp_path, text)
    assert examples.x.tolist() == x
    assert (None if examples.labels is None else examples.labels.tolist()) == labels
    assert names == classes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must hold data, got an empty file"),
        ("\n\n", "at least one row"),
        ("a,b\n", "at least one row"),
        ("a,label\n", "at least one row"),
        ("label\n1\n", "at least one row of one value"),
        ("a,b\n1,2\n3,x\n", "line 3, column 'b': must be a number, got 'x'"),
        ("1,2\n3,\n", "line 2, column 2: must be a number, got ''"),
        ("1,2\noops,4\n", "line 2, column 1: must be a number, got 'oops'"),
        ("1.0,oops\n3,4\n", "line 1, column 2: must be a number, got 'oops'"),
        ("a;b\n1;2\n", "line 2, column 'a;b': must be a number, got '1;2'"),
        ("1,2\n3,4,5\n", "line 2: must have 2 cells, got 3"),
        ("a,b\n1,2,3\n", "line 2: must have 2 cells, got 3"),
        ("a,label\n1,2\n3\n", "line 3: must have 2 cells, got 1"),
        (",a\n0,2\n", "column 1 must have a name"),
        ("a,label,labels\n1,2,3\n", "at most one column of labels, got 2"),
        ("a,label\n1,0\n2,\n", "column 'label': must be complete"),
        ("a,label\n1,0.5\n2,1\n", "labels must be whole numbers"),
        ("1,2\n3,nan\n", "1 NaN or infinite, the first in row 1"),
        ("1,2\n3,1e300\n", "1 NaN or infinite, the first in row 1"),
        (b"\x89PNG\r\n\x1a\n\xff\xfe", "must be a table as text in UTF-8"),
        (b"1,2\n\xff,3\n", "must be a table as text in UTF-8"),
        (b"1,2\n\0,3\n", "must be a"),
        ("a,b\n1," + "9" * 200_000 + "x\n", "must be a"),
    ],
)  # fmt: skip
def test_bad_csv_is_refused(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path, text)
    assert str(tmp_path / "table.csv") in str(caught.value)
    assert "\n" not in str(caught.value)


class TestParquet:
    """Whole files written by pyarrow, and what is no such file."""

    @pytest.fixture
    def pa(self) -> object:
        pytest.importorskip("pyarrow.parquet", reason="needs discretevae[tables]")
        import pyarrow

        return pyarrow

    def write(self, pa, folder: Path, **columns: object) -> Path:  # noqa: ANN001
        pa.parquet.write_table(pa.table(columns), folder / "table.parquet")
        return folder / "table.parquet"

    def test_numbers_of_any_type(self, pa, tmp_path: Path) -> None:  # noqa: ANN001
        path = self.write(pa, tmp_path, a=[1.5, 2.5], b=[3, 4], c=[True, False], label=["u", "t"],
                          __index_level_0__=[8, 9])  # fmt: skip
        examples, classes = read_file(path)
        assert examples.x.tolist() == [[1.5, 3, 1], [2.5, 4, 0]]
        assert examples.labels is not None
        assert (examples.labels.tolist(), classes) == ([1, 0], ("t", "u"))

    def test_levels_stay_levels(self, pa, tmp_path: Path) -> None:  # noqa: ANN001
        column = pa.array([0, 255], pa.uint8())
        examples, _ = read_file(self.write(pa, tmp_path, a=column, b=column))
        assert examples.values().tolist() == [[0, 0], [1, 1]]

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            ({"a": [1, None]}, "column 'a': must be complete, got 1 empty"),
            ({"a": ["x", "y"]}, "column 'a': must hold numbers, got type string"),
            ({"a": [[1], [2]]}, "column 'a': must hold numbers, got type list"),
            ({"a": [1.0, float("nan")]}, "1 NaN or infinite, the first in row 1"),
            ({"label": [1, 2]}, "at least one row of one value"),
            ({"a": [1, 2], "label": [None, 1]}, "labels must be whole numbers"),
            ({"a": []}, "must h"),
        ],
    )
    def test_bad_columns_are_refused(
        self,
        pa,  # noqa: ANN001
        tmp_path: Path,
        columns: dict[str, list],
        message: str,
    ) -> None:
        with pytest.raises(DataError, match=message):
            read_file(self.write(pa, tmp_path, **columns))

    @pytest.mark.parametrize("keep", [3, 100, -5])
    def test_a_truncated_file_is_refused(self, pa, tmp_path: Path, keep: int) -> None:  # noqa: ANN001
        path = self.write(pa, tmp_path, a=list(range(100)))
        path.write_bytes(path.read_bytes()[:keep])
        with pytest.raises(DataError, match="whole Parquet file"):
            read_file(path)

    def test_without_pyarrow_the_extra_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        (tmp_path / "table.parquet").write_bytes(b"PAR1")
        with pytest.raises(DataError, match=r"install discretevae\[tables\]"):
            read_file(tmp_path / "table.parquet")
