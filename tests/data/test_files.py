import os
from pathlib import Path

import numpy as np
import pytest

from discretevae.data import DataError, read_file


def test_endings_may_be_capital_and_home_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "x.CSV").write_text("1,2\n")
    assert read_file("~/x.CSV")[0].x.tolist() == [[1, 2]]


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    np.save(tmp_path / "faces.npy", np.zeros((2, 2)))
    with pytest.raises(DataError, match=r"face\.npy does not exist\. Did you mean faces\.npy\?"):
        read_file(tmp_path / "face.npy")
    with pytest.raises(DataError, match="does not exist: there is no folder"):
        read_file(tmp_path / "nowhere" / "face.npy")


@pytest.mark.parametrize("name", ["x.txt", "x", "x.npy.gz", ".npy"])
def test_other_endings_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("1,2\n")
    with pytest.raises(DataError, match=r"must end in \.npy, \.npz, \.csv, \.parquet or be"):
        read_file(tmp_path / name)


@pytest.mark.parametrize("ending", ["npy", "npz", "csv", "parquet"])
def test_empty_files_are_refused(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"x.{ending}").touch()
    with pytest.raises(DataError, match="must hold data, got an empty file"):
        read_file(tmp_path / f"x.{ending}")


def test_what_is_neither_file_nor_folder_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.npy")
    with pytest.raises(DataError, match="must be a file or a folder"):
        read_file(tmp_path / "x.npy")


@pytest.mark.parametrize("ending", ["npy", "npz", "csv", "parquet"])
def test_an_unreadable_file_is_one_line(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = tmp_path / f"x.{ending}"
    path.write_bytes(b"1,2\n")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"x\.\w+ (cannot be read: Permission|must be a whole)"):
        read_file(path)
