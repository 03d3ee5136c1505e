"""A format of files from outside is one entry in a table."""

import json
from pathlib import Path

import pytest

from discretevae.cli.main import main
from discretevae.data import FILE_FORMATS, ReadingOptions, load
from discretevae.data.formats.raw import RawColumn, RawTable


def read_json_lines(path: Path, reading: ReadingOptions) -> RawTable:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    columns = {name: RawColumn.of(name, [row.get(name) for row in rows]) for name in rows[0]}
    return RawTable(str(path), path.stem, columns, typed=True)


def test_a_format_is_one_function_and_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "people.jsonl"
    rows = [{"age": 20 + i % 40, "job": ("cook", "nurse", "pilot")[i % 3]} for i in range(60)]
    rows[7]["age"] = None  # type: ignore[assignment]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setitem(FILE_FORMATS, ".jsonl", read_json_lines)

    data = load(path)
    assert data.shape == (2,)
    assert data.schema is not None
    assert data.schema.likelihood == "columns"

    run = str(tmp_path / "run")
    main(["train", str(path), "--epochs", "1", "--importance-samples", "2", "--output", run])
    main(["impute", run, str(path), "--output", str(tmp_path / "whole.csv")])
    main(["encode", run, str(path), "--output", str(tmp_path / "codes.csv")])
    assert len((tmp_path / "codes.csv").read_text().splitlines()) == 61
    assert "1 of 120 cells filled" in capsys.readouterr().out
