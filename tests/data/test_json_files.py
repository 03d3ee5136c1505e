"""JSON in its usual forms is the table that pandas wrote."""

import json
from pathlib import Path

import numpy as np
import pandas
import pytest

from discretevae.data import DataError
from discretevae.data.formats.json_files import read_json
from discretevae.data.formats.raw import RawTable

FRAME = pandas.DataFrame({"n": [1, 2, 3], "x": [0.5, np.nan, 2.5], "job": ["a", "b", "c"]})


def cells(table: object) -> dict[str, list[object]]:
    assert isinstance(table, RawTable)
    return {name: column.cells() for name, column in table.columns.items()}


@pytest.mark.parametrize("orient", ["records", "columns", "index", "split", "table"])
def test_what_pandas_writes_is_read(tmp_path: Path, orient: str) -> None:
    FRAME.to_json(tmp_path / "t.json", orient=orient)
    found = cells(read_json(tmp_path / "t.json"))
    found.pop("index", None)
    assert found == {"n": [1, 2, 3], "x": [0.5, None, 2.5], "job": ["a", "b", "c"]}


@pytest.mark.parametrize("name", ["t.jsonl", "t.json", "t.jsonl.gz"])
def test_a_record_a_line(tmp_path: Path, name: str) -> None:
    FRAME.to_json(tmp_path / name, orient="records", lines=True)
    assert cells(read_json(tmp_path / name))["x"] == [0.5, None, 2.5]


def test_records_in_records_and_lists_are_kept(tmp_path: Path) -> None:
    rows = [{"user": {"age": i, "of": {"x": "y"}}, "tags": [i]} for i in range(3)]
    (tmp_path / "t.json").write_text(json.dumps({"count": 3, "results": rows}))
    table = read_json(tmp_path / "t.json")
    assert cells(table) == {
        "user.age": [0, 1, 2], "user.of.x": ["y"] * 3, "tags": [[0], [1], [2]]
    }  # fmt: skip
    assert isinstance(table, RawTable)
    assert table.nested == {"tags"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"a": [1,', "line 1: must be JSON"),
        ("5", "got something else"),
        ("[]", "got something else"),
        ('{"rate": 0.1}', "got an object"),
        ('{"a": 1}\n{"b"\n', "line 2: must be JSON"),
        ("[[1, 2], [3]]", "rows of one length"),
        ("[" * 10**5, "must"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "t.json").write_text(content)
    with pytest.raises(DataError, match=said):
        read_json(tmp_path / "t.json")
