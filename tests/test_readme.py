"""The README is true: its example runs, its table names every estimator."""

import importlib.util
import json
import os
import re
from pathlib import Path

import pytest

from discretevae.estimators import ESTIMATORS, functional
from discretevae.estimators.multisample import MULTISAMPLE_ESTIMATORS
from discretevae.priors import PRIORS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")

EXAMPLES = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_the_python_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = EXAMPLES[0]
    assert len([line for line in example.splitlines() if line.strip()]) <= 10
    monkeypatch.chdir(tmp_path)
    call, short = "dv.train(model, data)", "dv.train(model, data, dv.TrainingOptions(epochs=1))"
    assert call in example
    exec(compile(example.replace(call, short), "README.md", "exec"), {})
    assert sorted(os.listdir("my-model")) == ["config.json", "model.safetensors"]


def test_the_quantised_example_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("discretevae.training.prior.MOST_PASSES", 1)
    example = EXAMPLES[1]
    call, short = "dv.train(vq, data)", "dv.train(vq, data, dv.TrainingOptions(epochs=1))"
    assert call in example
    exec(compile(example.replace(call, short), "README.md", "exec"), {})
    assert "torch.Size([4, 1, 8, 8])" in capsys.readouterr().out


def test_the_search_runs_in_its_smallest_form(capsys: pytest.CaptureFixture[str]) -> None:
    example = EXAMPLES[2]
    call, short = 'output="probabilities"', 'output="probabilities", epochs=1'
    assert call in example
    exec(compile(example.replace(call, short), "README.md", "exec"), {})
    assert "categoricalvae__num_latents" in capsys.readouterr().out


def test_the_layer_of_ones_own_network_runs(capsys: pytest.CaptureFixture[str]) -> None:
    example = EXAMPLES[3]
    exec(compile(example, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "tensor([0., 1.]" in printed
    assert "torch.Size([32, 10, 8]) tensor([1., 1., 1., 1., 1.]" in printed


def test_parts_of_ones_own_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (example,) = EXAMPLES[4:]
    try:
        exec(compile(example, "README.md", "exec"), {})
    finally:
        PRIORS.pop("sharp", None)
    assert capsys.readouterr().out == "True\n"


def test_every_function_of_a_network_is_named() -> None:
    section = README.split("## In your own network")[1].split("\n## ")[0]
    assert {name for name in functional.__all__ if f"`{name}`" not in section} == set()


def test_the_tutorials_page_is_what_its_figures_say() -> None:
    """The page as its generator writes it, and the same figures in the table here."""
    spec = importlib.util.spec_from_file_location("tutorial", ROOT / "benchmarks" / "tutorial.py")
    assert spec is not None
    assert spec.loader is not None
    tutorial = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tutorial)
    record = json.loads((ROOT / "results" / "tutorial.json").read_text())
    page = (ROOT / "results" / "tutorial.md").read_text(encoding="utf-8")
    assert page == tutorial.page(record, "python benchmarks/tutorial.py")
    for name, found in record["runs"].items():
        (row,) = [line for line in README.splitlines() if line.startswith(f"| {name} |")]
        for figure in ("elbo", "exact_log_likelihood"):
            value, error = (found["evaluation"]["test"][figure][key] for key in ("value", "se"))
            assert f"−{-value:.2f} ± {error:.2f}" in row
        assert f"{found['history'][-1]['seconds']:.0f} s" in row


def test_the_table_names_every_estimator() -> None:
    assert set(re.findall(r"^\| `([a-z-]+)` \|", README, flags=re.MULTILINE)) == {
        *ESTIMATORS,
        *MULTISAMPLE_ESTIMATORS,
    }


def test_every_picture_is_there() -> None:
    for path in re.findall(r"!\[.*?\]\((.*?)\)", README, flags=re.DOTALL):
        assert (ROOT / path).is_file(), path
