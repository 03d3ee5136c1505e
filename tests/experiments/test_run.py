from dataclasses import replace
from pathlib import Path

import pytest

from discretevae.experiments import run as experiments
from discretevae.experiments.build_data import load_data
from discretevae.experiments.folder import Run
from discretevae.experiments.recipe import Recipe
from discretevae.experiments.resolve import resolve_recipe, resolve_with_data
from discretevae.experiments.run import build, run_experiment


@pytest.fixture
def recipe() -> Recipe:
    return resolve_recipe(Recipe(limit=40, epochs=2, batch_size=20, importance_samples=0))


def test_what_is_finished_is_not_done_again(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, run = load_data(recipe), Run(tmp_path / "run")
    run_experiment(recipe, data, run)
    written = run.metrics.read_text()
    monkeypatch.delattr(experiments, "prepare")
    run_experiment(recipe, data, run)
    assert run.metrics.read_text() == written


def test_what_was_interrupted_goes_on_to_the_same_figures(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After training, before the evaluation: the model is neither lost nor trained further."""
    data = load_data(recipe)
    whole, broken = Run(tmp_path / "whole"), Run(tmp_path / "broken")
    run_experiment(recipe, data, whole)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(experiments, "evaluate", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_experiment(recipe, data, broken)
    monkeypatch.undo()
    run_experiment(recipe, data, broken)
    assert broken.metrics.read_text() == whole.metrics.read_text()


def test_parts_that_do_not_go_together_are_refused(recipe: Recipe) -> None:
    data = load_data(recipe)
    parts = {name: getattr(data, name) for name in ("train", "validation", "test")}
    vectors = {name: replace(part, x=part.x.flatten(1)) for name, part in parts.items()}
    with pytest.raises(ValueError, match="`shape` must be"):
        build(replace(recipe, network="cnn"), replace(data, **vectors))


@pytest.mark.parametrize("gradient", [None, "rotation"])
def test_groups_share_the_numbers_of_a_vector(gradient: str | None) -> None:
    asked = Recipe(
        data="digits", limit=40, model="vq", codebook=4, code_size=6, groups=3, gradient=gradient
    )
    model = build(*resolve_with_data(asked)).model
    assert [quantiser.dim for quantiser in model.quantisers] == [2, 2, 2]
    assert {quantiser.gradient for quantiser in model.quantisers} == {
        gradient or "straight-through"
    }
    assert model.grids == [(2, 2)] * 3
