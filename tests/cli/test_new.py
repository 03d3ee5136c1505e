"""A new project runs as it is, and its test catches an estimator that claims too much."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from discretevae.cli.main import main
from discretevae.cli.new import PROJECT


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    folder = tmp_path / "some where" / "mine"
    main(["new", str(folder)])
    out, err = capsys.readouterr()
    assert out.splitlines() == [str(folder / name) for name in PROJECT]
    assert err.startswith("to train: python ")
    return folder


def result_of(project: Path, *only: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *only]
    settings = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        words, capture_output=True, text=True, cwd=project, check=False, env=settings
    )


def test_its_tests_pass_and_catch_what_is_wrong(project: Path) -> None:
    found = result_of(project)
    assert found.returncode == 0, found.stdout
    assert "5 passed" in found.stdout
    path = project / "estimator.py"
    right = path.read_text()
    wrong = right.replace("(value - others).detach()", "(value - value.mean(0)).detach()")
    assert wrong != right  # the sample itself in its baseline: biased by 1 / S
    path.write_text(wrong)
    found = result_of(project, "-k", "quadratic")
    assert found.returncode == 1
    assert "is biased by" in found.stdout


def test_a_folder_that_is_there_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["new", str(tmp_path)])
    assert "must be a new folder" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_nothing_half_written_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("discretevae.cli.new.PROJECT", (*PROJECT, "no such file"))
    with pytest.raises(SystemExit):
        main(["new", str(tmp_path / "mine")])
    assert not list(tmp_path.iterdir())
