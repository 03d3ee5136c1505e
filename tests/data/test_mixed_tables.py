import csv
import math
import sys
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from discretevae.data import DataError, load
from discretevae.data.mixed_tables import (
    MISSING,
    MixedTable,
    learn_columns,
    load_table,
    read_rows,
    table_rows,
)
from discretevae.schema.columns import BinaryColumn, CategoricalColumn, NumericColumn

NAN = math.nan
WINE = """ash, hue,grape,strong,cask
2.5,1,A,no,7
?,3,B,yes,12
3.5,NA,,no,7
1.5,2,C,null,3
"""
COLUMNS = (
    NumericColumn("ash", 2.5, math.sqrt(2 / 3)),
    NumericColumn("hue", 2.0, math.sqrt(2 / 3)),
    CategoricalColumn("grape", ("A", "B", "C")),
    BinaryColumn("strong", ("no", "yes")),
    CategoricalColumn("cask", ("3", "7", "12")),
)
ROWS = [[2.5, 1, 0, 0, 1], [NAN, 3, 1, 1, 2], [3.5, NAN, NAN, 0, 1], [1.5, 2, 2, NAN, 0]]


def write(folder: Path, text: str | bytes, name: str = "wine.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def whole(data: Path | pandas.DataFrame, **options: object) -> MixedTable:
    """All rows to train on, in the order of the file."""
    columns = learn_columns(data, **options)
    table = load_table(data, validation=0, test=0, **options)
    assert table.columns == columns
    examples, classes, unseen = read_rows(data, columns)
    assert not unseen
    rows = {tuple(map(str, row)) for row in examples.x.tolist()}
    assert {tuple(map(str, row)) for row in table.splits.train.x.tolist()} == rows
    assert table.splits.classes == classes
    return MixedTable(table.splits.__class__("all", examples, examples, examples, classes), columns)


def same(x: torch.Tensor, rows: list[list[float]]) -> bool:
    return x.dtype == torch.float32 and np.array_equal(x.numpy(), np.float32(rows), equal_nan=True)


def test_a_file_of_text(tmp_path: Path) -> None:
    splits, columns = whole(write(tmp_path, WINE), categorical=["cask"])
    assert columns == COLUMNS
    assert same(splits.train.x, ROWS)
    assert splits.train.labels is None


def test_a_parquet_file_and_a_data_frame_say_the_same(tmp_path: Path) -> None:
    frame = pandas.read_csv(write(tmp_path, WINE), skipinitialspace=True, na_values="?")
    frame.to_parquet(tmp_path / "wine.parquet")
    for data in (frame, tmp_path / "wine.parquet"):
        splits, columns = whole(data, categorical=["cask"])
        assert columns == COLUMNS
        assert same(splits.train.x, ROWS)


@pytest.mark.parametrize(
    ("cells", "column", "values"),
    [
        (["0", "1", "1", ""], BinaryColumn("a", ("0", "1")), [0, 1, 1, NAN]),
        (["1.0", "2", "1", "2.0"], BinaryColumn("a", ("1", "2")), [0, 1, 0, 1]),
        (["-0.5", "1e1", "-.5"], BinaryColumn("a", ("-0.5", "10")), [0, 1, 0]),
        (["True", "False", "?"], BinaryColumn("a", ("False", "True")), [1, 0, NAN]),
        (["b", "a", " b "], BinaryColumn("a", ("a", "b")), [1, 0, 1]),
        (["x", "x", "NaN"], CategoricalColumn("a", ("x",)), [0, 0, NAN]),
        (["1,5", "2,5", "3,5"], CategoricalColumn("a", ("1,5", "2,5", "3,5")), [0, 1, 2]),
        (["1_0", "2_0", "3_0"], CategoricalColumn("a", ("1_0", "2_0", "3_0")), [0, 1, 2]),
        (["5", "5", "n/a"], NumericColumn("a", 5.0, 1.0), [5, 5, NAN]),
        (["0.1"] * 3, NumericColumn("a", float(np.float32(0.1)), 1.0), [0.1] * 3),
        (["1", "2", "6"], NumericColumn("a", 3.0, math.sqrt(14 / 3)), [1, 2, 6]),
    ],
)  # fmt: skip
def test_kinds_of_columns(
    tmp_path: Path, cells: list[str], column: object, values: list[float]
) -> None:
    path = tmp_path / "table.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["a", "b"], *([cell, 1.5] for cell in cells)])
    splits, columns = whole(path)
    assert columns[0] == column
    assert same(splits.train.x[:, :1], [[value] for value in values])


def test_options_overrule_what_the_cells_look_like(tmp_path: Path) -> None:
    path = write(tmp_path, "zip,dose,n\n007,0,10\n12,5,9\n7,5,10\n")
    columns = whole(path, categorical=["zip", "n"], numeric=["dose"]).columns
    assert columns[0] == CategoricalColumn("zip", ("007", "7", "12"))
    assert isinstance(columns[1], NumericColumn)
    assert columns[2] == BinaryColumn("n", ("9", "10"))


def test_types_of_a_data_frame() -> None:
    frame = pandas.DataFrame(
        {
            "flag": [True, True, True],
            "maybe": pandas.array([True, None, False], dtype="boolean"),
            "code": ["007", "12", None],
            "size": pandas.Categorical([3, 1, 2]),
            "count": pandas.array([4, None, 7], dtype="Int64"),
            "half": np.array([0.25, 0.5, 1.5], np.float32),
            7: [1, 2, 3],
        }
    )
    splits, columns = whole(frame, numeric=["count"])
    assert columns[:4] == (
        BinaryColumn("flag", ("False", "True")),
        BinaryColumn("maybe", ("False", "True")),
        BinaryColumn("code", ("007", "12")),
        CategoricalColumn("size", ("1", "2", "3")),
    )
    assert [column.name for column in columns[4:]] == ["count", "half", "7"]
    assert all(isinstance(column, NumericColumn) for column in columns[4:])
    expected = [[1, 1, 0, 2, 4, 0.25, 1], [1, NAN, 1, 0, NAN, 0.5, 2], [1, 0, NAN, 1, 7, 1.5, 3]]
    assert same(splits.train.x, expected)


@pytest.mark.parametrize(
    ("text", "labels", "classes"),
    [
        ("a,label\nx,3\ny,1\nx,2\n", [3, 1, 2], None),
        ("Labels,a\nred,x\nblue,y\nred,x\n", [1, 0, 1], ("blue", "red")),
    ],
)
def test_labels_are_no_column(
    tmp_path: Path, text: str, labels: list[int], classes: tuple[str, ...] | None
) -> None:
    splits, columns = whole(write(tmp_path, text))
    assert [column.name for column in columns] == ["a"]
    assert splits.train.labels is not None
    assert splits.train.labels.tolist() == labels
    assert splits.classes == classes


def test_the_split_is_that_of_all_data(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b\n" + "".join(f"{i**2},{i % 7}\n" for i in range(50)))
    for seed in (0, 3):
        mixed = load_table(path, seed=seed, validation=0.2, test=0.3).splits
        plain = load(path, seed=seed, validation=0.2, test=0.3)
        assert mixed.name == plain.name == "wine"
        for part in ("train", "validation", "test"):
            assert torch.equal(getattr(mixed, part).x, getattr(plain, part).x)
        assert mixed.originals is not None
        assert torch.equal(mixed.originals.x, mixed.test.x)


def test_columns_know_the_training_rows_alone(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b\n" + "".join(f"{i**2},{'xy'[i % 2]}\n" for i in range(50)))
    splits, columns = load_table(path, validation=0.2, test=0.3)
    values = splits.train.x[:, 0].double()
    assert columns[0].mean == pytest.approx(values.mean().item())
    assert columns[0].scale == pytest.approx(values.std(correction=0).item())
    assert abs(columns[0].mean - np.mean(np.arange(50) ** 2)) > 1


def held_out(folder: Path, cell: str, last: str = "") -> tuple[Path, int]:
    """A file whose one odd cell lies outside the training rows of seed 0; its line."""
    order = load_table(write(folder, "a,b\n" + "1,2\n2,3\n3,4\n" * 10), test=0.3).splits
    assert len(order.test) == 9
    numbers = write(folder, "a\n" + "".join(f"{i}\n" for i in range(30)))
    row = int(load_table(numbers, test=0.3).splits.test.x[0, 0])
    lines = [f"{'xyz'[i % 3]},{i}" for i in range(30)]
    lines[row] = f"{cell},{row}{last}"
    return write(folder, "a,b\n" + "\n".join(lines) + "\n"), row + 2


def test_a_category_that_training_has_not_seen_is_refused(tmp_path: Path) -> None:
    path, line = held_out(tmp_path, "w")
    message = f"line {line}: must be a category of the training rows, 'x', 'y', 'z', got 'w'"
    with pytest.raises(DataError, match=f"wine.csv, column 'a', {message}"):
        load_table(path, test=0.3)


def test_text_where_training_has_numbers_is_refused(tmp_path: Path) -> None:
    path, line = held_out(tmp_path, "x", "b")
    with pytest.raises(DataError, match=f"column 'b', line {line}: must be a number, got '.*b'"):
        load_table(path, test=0.3)


def test_a_column_without_training_cells_is_refused(tmp_path: Path) -> None:
    text = "a\n" + "".join(f"{i}\n" for i in range(30))
    row = int(load_table(write(tmp_path, text), test=0.3).splits.test.x[0, 0])
    path = write(tmp_path, "a,b\n" + "".join(f"{i},{5 if i == row else ''}\n" for i in range(30)))
    message = "column 'b': must have a cell in the training rows, got missing ones only"
    with pytest.raises(DataError, match=message):
        load_table(path, test=0.3)


def test_new_rows_are_read_by_known_columns(tmp_path: Path) -> None:
    path = write(tmp_path, "id,cask,strong,ash,grape,hue\nq,12,?,1,B,4\nr,7.0,yes,,,\n")
    examples, classes, unseen = read_rows(path, COLUMNS)
    assert same(examples.x, [[1, 4, 1, NAN, 2], [NAN, NAN, NAN, 1, 1]])
    assert classes is None
    assert unseen == {}


def test_unseen_categories_are_refused_or_counted(tmp_path: Path) -> None:
    path = write(tmp_path, "ash,hue,grape,strong,cask\n1,4,D,yes,7\n1,4,E,no,8\n1,4,A,never,7\n")
    with pytest.raises(DataError, match=r"column 'grape', line 2: .* 'A', 'B', 'C', got 'D'"):
        read_rows(path, COLUMNS)
    examples, _, unseen = read_rows(path, COLUMNS, unseen_as_missing=True)
    assert unseen == {"grape": 2, "strong": 1, "cask": 1}
    assert same(examples.x, [[1, 4, NAN, 1, 1], [1, 4, NAN, 0, NAN], [1, 4, 0, NAN, 1]])
    frame = pandas.read_csv(path)
    with pytest.raises(DataError, match=r"`data`, column 'grape', row 0 \(counted from 0\)"):
        read_rows(frame, COLUMNS)


def test_a_column_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "ash,hues\n1,2\n")
    with pytest.raises(DataError, match=r"`columns` must be one of .* got 'hue'. Did you mean hue"):
        read_rows(path, COLUMNS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must hold data, got an empty file"),
        ("\n\n", "must hold at least one row of one cell"),
        ("a,b\n", "must hold at least one row of one cell"),
        ("a,b\n1,2\n3\n", "line 3: must have 2 cells, got 1"),
        ("a,b\n1,2\n\n3,4,5\n", "line 4: must have 2 cells, got 3"),
        ("a,\n1,2\n", "column 2 must have a name, got none"),
        ("a, a\n1,2\n", "column names must differ, got 2 of 'a'"),
        ("a;b\n1;2\n", "must have commas between its cells, got 'a;b'"),
        ("label\n1\n", "must have a column beside the labels"),
        ("a,label,labels\n1,2,3\n", "at most one column of labels, got 2"),
        ("a,label\n1,x\n2,?\n", "column 'label', line 3: must be complete, got none"),
        ("a,label\n1,0.5\n2,1\n", "labels must be whole numbers"),
        ("a,b\n1,2\n3,4\n5,x4\n", "column 'b', line 4: must be a number as others .* got 'x4'"),
        ("a,b\nx,2\n1,4\n2,4\n", "column 'a', line 2: must be a number as others .* got 'x'"),
        ("a\n1\n2\ninf\n", "column 'a', line 4: must be finite in float32, got inf"),
        ("a\n1\n2\n-1e39\n", "column 'a', line 4: must be finite in float32, got -1e39"),
        ("a,b\n?,1\nNA,2\n", "column 'a': must have a cell in the training rows"),
        (
            "a\n1700000000\n1700000001\n1700000002\n",
            "'a': must vary by more than the rounding of float32, got .* around 1.7e.09 ± 0.816",
        ),
        (b"\x89PNG\r\n\x1a\n\xff\xfe", "must be a table as text in UTF-8"),
    ],
)  # fmt: skip
def test_bad_files_are_refused(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(DataError, match=message) as caught:
        load_table(path, validation=0, test=0)
    assert "wine.csv" in str(caught.value)


def test_bad_sources_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no/such.csv does not exist"):
        load_table("no/such.csv")
    np.save(tmp_path / "a.npy", np.eye(3))
    with pytest.raises(DataError, match=r"must end in .csv or .parquet, got .npy"):
        load_table(tmp_path / "a.npy")
    with pytest.raises(DataError, match="must be a whole Parquet file, got one damaged"):
        load_table(write(tmp_path, b"PAR1 and no more", "a.parquet"))
    with pytest.raises(DataError, match="`data` must be a path or a data frame, got list"):
        load_table([[1, 2]])  # type: ignore[arg-type]
    frame = pandas.DataFrame({"day": pandas.to_datetime(["2020-01-01", "2020-01-02"])})
    with pytest.raises(DataError, match=r"'day', row 0 .*: must be a number, text or a boolean"):
        load_table(frame, validation=0, test=0)
    with pytest.raises(DataError, match="`data` must hold at least one row of one cell"):
        load_table(pandas.DataFrame({"a": []}))
    with pytest.raises(DataError, match="names must differ, got 2 of 'a'"):
        load_table(pandas.DataFrame([[1, 2]], columns=["a", "a"]))


def test_without_pyarrow_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r"install discretevae\[tables\]"):
        load_table(write(tmp_path, b"PAR1", "a.parquet"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"categorical": ["grap"]}, "`categorical` must be one of .* Did you mean grape?"),
        ({"numeric": ["hues"]}, "`numeric` must be one of .* Did you mean hue?"),
        ({"numeric": ["hue"], "categorical": ["hue"]}, "not in `categorical`, got hue"),
        ({"numeric": ["grape"]}, "column 'grape', line 2: must be a number"),
        ({"test": 1.0}, "`test` must be a fraction"),
    ],
)
def test_options_that_do_not_fit_are_refused(tmp_path: Path, options: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_table(write(tmp_path, WINE), **{"validation": 0, "test": 0, **options})


def test_numbers_taken_for_two_categories_say_how_to_be_numbers(tmp_path: Path) -> None:
    columns = learn_columns(write(tmp_path, "a\n30\n50\n30\n"))
    with pytest.raises(DataError, match=r"'30', '50', got '40'; if .* numbers, name it `numeric`"):
        read_rows(write(tmp_path, "a\n40\n"), columns)


@pytest.mark.parametrize("cell", [*MISSING, *map(str.upper, MISSING), " ? ", "NaN"])
def test_signs_of_a_missing_cell(tmp_path: Path, cell: str) -> None:
    path = write(tmp_path, f"a,b\n{cell},x\n2,y\n3,y\n4,{cell}\n")
    splits, _ = whole(path)
    assert splits.train.x.isnan().nonzero().tolist() == [[0, 0], [3, 1]]


NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False)
TEXT = st.text("abcxyz ,\"'é", min_size=1).filter(
    lambda t: t.strip() == t and t.lower() not in MISSING
)


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.none() | NUMBERS, st.none() | TEXT), min_size=3, max_size=9).filter(
        lambda rows: all(len({r[i] for r in rows} - {None}) > 2 for i in (0, 1))
    )
)
def test_what_was_read_can_be_written_and_read_again(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float | None, str | None]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "mixed.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["a", "b"], *rows])
    columns = learn_columns(path)
    x = read_rows(path, columns).examples.x
    written = table_rows(x, columns)
    assert [row[1] for row in written] == [row[1] for row in rows]
    expected = np.array([NAN if row[0] is None else row[0] for row in rows], np.float32)
    found = np.array([NAN if row[0] is None else row[0] for row in written], np.float32)
    assert np.array_equal(expected, found, equal_nan=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["a", "b"], *written])
    again = read_rows(path, columns).examples.x
    assert np.array_equal(again.numpy(), x.numpy(), equal_nan=True)


def test_cells_are_written_as_they_were_read(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b,c\n0.1,7,x\n2,1,\n,3,y\n4,7,x\n")
    columns = learn_columns(path)
    cells = table_rows(read_rows(path, columns).examples.x, columns)
    assert cells == [[0.1, 7, "x"], [2, 1, None], [None, 3, "y"], [4, 7, "x"]]
    assert all(type(row[1]) is int for row in cells)
