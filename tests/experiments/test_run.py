from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from discretevae.cli.study import study_options
from discretevae.experiments import run as experiments
from discretevae.experiments.build_data import data_from_options
from discretevae.experiments.folder import Run
from discretevae.experiments.options import resolve_options
from discretevae.experiments.run import build, run_experiment


@pytest.fixture
def options() -> dict[str, Any]:
    given = {"limit": 40, "epochs": 2, "batch_size": 20, "likelihood": "bernoulli"}
    return resolve_options(study_options("digits", **given, importance_samples=0))


def test_what_is_finished_is_not_done_again(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, run = data_from_options(options), Run(tmp_path / "run")
    run_experiment(options, data, run)
    written = run.metrics.read_text()
    monkeypatch.delattr(experiments, "train")
    run_experiment(options, data, run)
    assert run.metrics.read_text() == written


def test_what_was_interrupted_goes_on_to_the_same_figures(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After training, before the evaluation: the model is neither lost nor trained further."""
    data = data_from_options(options)
    whole, broken = Run(tmp_path / "whole"), Run(tmp_path / "broken")
    run_experiment(options, data, whole)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(experiments, "evaluate", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_experiment(options, data, broken)
    monkeypatch.undo()
    run_experiment(options, data, broken)
    assert broken.metrics.read_text() == whole.metrics.read_text()


def test_parts_that_do_not_go_together_are_refused(options: dict[str, Any]) -> None:
    data = data_from_options(options)
    parts = {name: getattr(data, name) for name in ("train", "validation", "test")}
    vectors = {name: replace(part, x=part.x.flatten(1)) for name, part in parts.items()}
    with pytest.raises(ValueError, match="`shape` must be"):
        build({**options, "network": "cnn"}, replace(data, **vectors))
