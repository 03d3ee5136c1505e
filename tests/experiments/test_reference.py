"""A Gaussian VAE beside a run: of the same data, trained once."""

import json
from pathlib import Path

import pytest

from discretevae.cli.main import main
from discretevae.experiments import reference
from discretevae.experiments.build_data import load_data
from discretevae.experiments.folder import Run
from discretevae.experiments.recipe import Recipe
from discretevae.experiments.reference import gaussian_recipe
from discretevae.experiments.resolve import resolve_with_data


@pytest.fixture
def recipe() -> Recipe:
    return Recipe(limit=40, epochs=2, batch_size=20, num_latents=3, widths=[8], network="mlp")


def test_it_shares_data_network_and_training(recipe: Recipe) -> None:
    own, data = resolve_with_data(recipe)
    found = gaussian_recipe(own, data)
    for name in ("data", "limit", "binarize", "likelihood", "network", "widths", "num_latents"):
        assert getattr(found, name) == getattr(own, name)
    for name in ("epochs", "batch_size", "optimizer", "learning_rate", "patience", "seed"):
        assert getattr(found, name) == getattr(own, name)
    assert (found.model, found.num_categories) == ("gaussian", 8)


def test_a_grid_of_codes_has_what_suits_the_data() -> None:
    own, data = resolve_with_data(Recipe(limit=40, epochs=1, model="vq"))
    assert own.num_latents is None
    found = gaussian_recipe(own, data)
    assert (found.num_latents, found.network) == (4, "tutorial")


@pytest.mark.parametrize("options", [{"model": "gaussian"}, {"labelled": 10}])
def test_what_has_none_is_refused(options: dict, recipe: Recipe) -> None:
    with pytest.raises(ValueError, match="`gaussian` must go with a model of other latents"):
        gaussian_recipe(Recipe(**options), load_data(recipe))


def test_a_report_says_first_against_what_the_model_is_good(
    small: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Run(tmp_path / "run")
    main(["train", "digits", *small, "--epochs", "2", "--output", str(run.folder)])
    command = f"discretevae evaluate {run.folder} --gaussian"
    assert f"No Gaussian VAE was trained to compare with; to do so: {command}" in (
        capsys.readouterr().out
    )
    assert command in run.report.read_text(encoding="utf-8")
    main(command.split()[1:])
    told = capsys.readouterr()
    assert "epoch 2/2" in told.err
    lines = told.out.splitlines()
    verdict = next(line for line in lines if line.startswith("On test examples the model is"))
    assert "a Gaussian VAE" in verdict
    beside = [line for line in lines if "that of a Gaussian VAE" in line]
    page = run.report.read_text(encoding="utf-8")
    assert page.index(verdict) < page.index(beside[0])
    test = json.loads(run.metrics.read_text())["test"]
    assert test["over_reference"]["se"] > 0
    monkeypatch.delattr(reference, "build")  # what is there is not trained again
    main(command.split()[1:])
    assert json.loads(run.metrics.read_text())["test"] == test
    main(["evaluate", str(run.folder), "--importance-samples", "0"])
    assert command in capsys.readouterr().out
