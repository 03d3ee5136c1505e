"""The README is true: its example runs, its table names every estimator."""

import os
import re
from pathlib import Path

import pytest

from discretevae.estimators import ESTIMATORS
from discretevae.estimators.multisample import MULTISAMPLE_ESTIMATORS

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")

EXAMPLES = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_the_python_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = EXAMPLES[0]
    assert len([line for line in example.splitlines() if line.strip()]) <= 10
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})
    assert sorted(os.listdir("my-model")) == ["config.json", "model.safetensors"]


def test_the_search_runs_in_its_smallest_form(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = EXAMPLES[1:]
    assert "epochs=30" in example
    exec(compile(example.replace("epochs=30", "epochs=1"), "README.md", "exec"), {})
    assert "categoricalvae__num_latents" in capsys.readouterr().out


def test_the_table_names_every_estimator() -> None:
    assert set(re.findall(r"^\| `([a-z-]+)` \|", README, flags=re.MULTILINE)) == {
        *ESTIMATORS,
        *MULTISAMPLE_ESTIMATORS,
    }


def test_every_picture_is_there() -> None:
    for path in re.findall(r"!\[.*?\]\((.*?)\)", README, flags=re.DOTALL):
        assert (Path(__file__).parent.parent / path).is_file(), path
