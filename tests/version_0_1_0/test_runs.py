"""Runs that version 0.1.0 left evaluate to the same figures and go on: `make.py` wrote them."""

import csv
import io
import json
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from matplotlib.figure import Figure
from PIL import Image

import discretevae

RELATIVE, ABSOLUTE = 1e-4, 1e-4
"""Of figures that need no draw, and of all rounding."""
SPREADS = 6.0
"""Of figures with draws, in standard deviations over other draws, which 16 of them gave.

With 15 degrees of freedom a difference, which has √2 of that, lies beyond in 1 of 1,400 cases; two
spreads of the same size are no promise, so that a change of the draws may need one look here.
"""

RECOUNTED = ("hierarchical-nvil", "table", "text")
"""Runs whose bits are now for each dimension that was observed, not for all."""
REORDERED = {"text"}
"""Sentences of like length go together now: a further epoch has other batches."""
FORGOTTEN = {"semi-supervised", "text"}
"""Runs whose α or free bits no saved model holds: what is trained differs, no true bound does."""

HERE = Path(__file__).parent
TRAINED, DATA = HERE / "trained", HERE / "data"
NAMES = sorted(path.name for path in TRAINED.iterdir())


@pytest.fixture(autouse=True)
def blank_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws no pixels: they take most of the time, and other tests look at pictures."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")

    def save(figure: Figure, to: Any, *_: Any, **__: Any) -> None:
        if hasattr(to, "write"):
            to.write(buffer.getvalue())
        else:
            Path(to).write_bytes(buffer.getvalue())

    monkeypatch.setattr(Figure, "savefig", save)


def command() -> Callable[[list[str]], None]:
    """The entry point of the command line, wherever it lives."""
    try:
        return import_module("discretevae.cli.main").main
    except ModuleNotFoundError:
        return import_module("discretevae.cli").main


def copy_of(name: str, to: Path) -> Path:
    """A run that may be written to, with its data where its options say."""
    run = to / name
    shutil.copytree(TRAINED / name, run)
    config = run / "config.yaml"
    options = yaml.safe_load(config.read_text(encoding="utf-8"))
    if (DATA / options["data"]).exists():
        options["data"] = str(DATA / options["data"])
    config.write_text(yaml.safe_dump(options, sort_keys=False), encoding="utf-8")
    return run


def expected(name: str) -> dict[str, Any]:
    return json.loads((TRAINED / name / "expected.json").read_text(encoding="utf-8"))


def history(run: Path) -> list[dict[str, float]]:
    with (run / "metrics.csv").open(newline="", encoding="utf-8") as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


def unlike(found: dict[str, Any], said: dict[str, dict[str, Any]]) -> list[str]:
    """Names the figures that are not what they were, within what draws explain."""
    return [name for name, figure in said.items() if not alike(found[name], figure)]


def alike(found: Any, said: dict[str, Any]) -> bool:
    if isinstance(said["value"], list):
        each = zip(found, said["value"], said["spread"], strict=True)
        return all(alike(a, {"value": b, "spread": spread}) for a, b, spread in each)
    rounding = ABSOLUTE + RELATIVE * abs(said["value"])
    return abs(found - said["value"]) <= rounding + SPREADS * said["spread"]


@pytest.mark.parametrize("name", NAMES)
def test_a_run_evaluates_to_the_same_figures_and_goes_on(name: str, tmp_path: Path) -> None:
    run, said = copy_of(name, tmp_path), expected(name)

    command()(["evaluate", str(run)])
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert metrics.keys() == said["evaluated"].keys()
    for split, figures in said["evaluated"].items():
        found = {key: figure["value"] for key, figure in metrics[split].items()}
        if name in FORGOTTEN:
            figures.pop("objective_gap")
        if name in RECOUNTED:
            figures.pop("bits_per_dimension")
        assert unlike(found, figures) == [], split

    before = history(run)
    command()(["train", "--resume", str(run), "--epochs", "3"])
    rows = history(run)
    assert rows[:2] == before
    assert len(rows) == 3
    if name in REORDERED:
        said["resumed"].pop("train_objective")
        rows[-1].pop("train_objective")
    assert unlike(rows[-1], said["resumed"]) == []
    assert discretevae.from_pretrained(run / "model").kind == kind_of(TRAINED / name)


def kind_of(run: Path) -> str:
    return json.loads((run / "model" / "config.json").read_text(encoding="utf-8"))["model"]


def test_there_is_a_run_of_every_kind_of_model() -> None:
    assert {kind_of(TRAINED / name) for name in NAMES} == {
        *("DiscreteVAE", "GaussianVAE", "HierarchicalVAE", "JointVAE", "SemiSupervisedVAE")
    }


def test_what_an_estimator_learned_is_part_of_what_goes_on(tmp_path: Path) -> None:
    run = copy_of("discrete-relax-learned", tmp_path)
    path = run / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    learned = of_the_estimator(checkpoint)
    for value in learned:
        value += 1.0  # as nothing would have that started anew
    torch.save(checkpoint, path)
    command()(["train", "--resume", str(run), "--epochs", "3"])
    after = of_the_estimator(torch.load(path, weights_only=True))
    near = [(a - b).abs() < 0.5 for a, b in zip(after, learned, strict=True)]
    assert (
        float(torch.cat([part.flatten() for part in near]).float().mean()) > 0.3
    )  # the moments of its steps have moved


def of_the_estimator(checkpoint: dict[str, Any]) -> list[torch.Tensor]:
    state = checkpoint["state_dict"]
    return [v for k, v in state.items() if "estimator" in k and v.is_floating_point()]
