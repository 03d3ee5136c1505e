"""Estimators trained against each other: budgets, intervals, interruptions."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from discretevae.cli.main import main
from discretevae.experiments import run as experiments
from discretevae.experiments.folder import Run
from discretevae.experiments.recipe import Recipe
from discretevae.studies.laboratory import compare
from discretevae.studies.laboratory.compare import Comparison, MeanOfSeeds, compare_contenders
from discretevae.training import Prepared


@pytest.fixture
def recipe() -> Recipe:
    """A run of seconds."""
    return Recipe(
        limit=60,
        batch_size=20,
        epochs=2,
        network="mlp",
        widths=[8],
        num_latents=2,
        num_categories=3,
        importance_samples=4,
        accelerator="cpu",
    )


def without_seconds(found: Comparison) -> list[tuple[object, ...]]:
    return [(r.name, r.train_elbo, r.test_elbo, r.log_likelihood) for r in found.rows]


def test_rows_are_the_means_of_the_runs(recipe: Recipe, tmp_path: Path) -> None:
    found = compare_contenders(recipe, ["rloo", "exact"], [0, 1], tmp_path / "c")
    row = found.rows[1]
    values = []
    for seed in (0, 1):
        record = json.loads(Run(tmp_path / "c" / "exact" / f"seed-{seed}").metrics.read_text())
        values.append(record["test"]["elbo"]["value"])
    assert (row.name, row.epochs, row.seeds) == ("exact", 2, 2)
    assert row.test_elbo is not None
    assert row.test_elbo.mean == pytest.approx(sum(values) / 2)
    # Student's quantile at 97.5 % with one degree of freedom is 12.706.
    half = 12.706 * abs(values[0] - values[1]) / math.sqrt(2) / math.sqrt(2)
    assert row.test_elbo.half_width == pytest.approx(half, rel=1e-3)
    seconds, elbo = found.curves["rloo"][0]
    assert len(seconds) == len(elbo) == 2
    assert found.curve_split == "validation"
    record = json.loads((tmp_path / "c" / "comparison.json").read_text())
    assert record["rows"][1]["test_elbo"]["mean"] == row.test_elbo.mean


def test_a_run_of_a_comparison_is_a_run_like_any_other(recipe: Recipe, tmp_path: Path) -> None:
    compare_contenders(recipe, ["rloo"], [0, 1], tmp_path / "c")
    second = Run(tmp_path / "c" / "rloo" / "seed-1")
    assert (second.options()["seed"], second.options()["patience"]) == (1, 0)
    words = ["--seed", "1", "--epochs", "2", "--patience", "0", "--estimator", "rloo"]
    small = ["--limit", "60", "--batch-size", "20", "--network", "mlp", "--widths", "8"]
    sizes = ["--num-latents", "2", "--num-categories", "3", "--importance-samples", "4"]
    alone = Run(tmp_path / "alone")
    main(["train", "digits", *small, *sizes, *words, "--output", str(alone.folder)])
    assert json.loads(second.metrics.read_text()) == json.loads(alone.metrics.read_text())


def test_the_same_call_goes_on_after_an_interruption(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, seeds = ["rloo", "reinmax"], [0, 1]
    whole = compare_contenders(recipe, names, seeds, tmp_path / "whole")
    evaluate, trained = experiments.evaluate, []

    def interrupted(*arguments: Any) -> Any:
        if len(trained) == 1:
            raise KeyboardInterrupt
        trained.append(arguments)
        return evaluate(*arguments)

    monkeypatch.setattr(experiments, "evaluate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compare_contenders(recipe, names, seeds, tmp_path / "c")
    monkeypatch.undo()
    finished = Run(tmp_path / "c" / "rloo" / "seed-0").metrics
    written = finished.stat().st_mtime_ns
    found = compare_contenders(recipe, names, seeds, tmp_path / "c")
    assert without_seconds(found) == without_seconds(whole)
    assert finished.stat().st_mtime_ns == written


def test_seeds_and_estimators_may_be_added(recipe: Recipe, tmp_path: Path) -> None:
    compare_contenders(recipe, ["rloo"], [0], tmp_path / "c")
    found = compare_contenders(recipe, ["rloo", "reinmax"], [0, 1], tmp_path / "c")
    assert [(row.name, row.seeds) for row in found.rows] == [("rloo", 2), ("reinmax", 2)]


def test_a_budget_of_seconds_becomes_epochs_once(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def history(*_: Any, **__: Any) -> list[dict[str, float]]:
        return [{"seconds": 5.0}, {"seconds": 5.5}, {"seconds": 6.0}]

    monkeypatch.setattr(Prepared, "fit", history)
    resolved = compare._settings(recipe, "rloo")
    assert compare._epochs(resolved, compare.load_data(resolved), 2.0) == 4
    monkeypatch.undo()
    first = compare_contenders(recipe, ["rloo"], [0], tmp_path / "c", seconds=0.05)
    again = compare_contenders(recipe, ["rloo"], [0, 1], tmp_path / "c", seconds=0.05)
    assert again.rows[0].epochs == first.rows[0].epochs


def test_one_seed_has_no_interval(recipe: Recipe, tmp_path: Path) -> None:
    few = replace(recipe, importance_samples=0)
    found = compare_contenders(few, ["rloo"], [7], tmp_path / "c")
    row = found.rows[0]
    assert isinstance(row.test_elbo, MeanOfSeeds)
    assert row.test_elbo.half_width is None
    assert row.log_likelihood is None


@pytest.mark.parametrize(
    ("contenders", "seeds", "seconds", "message"),
    [
        (["reinmx"], [0], None, r"got 'reinmx' \(did you mean 'reinmax'\?\)"),
        (["rloo", "rloo"], [0], None, "`contenders` must name each once, got rloo, rloo"),
        ([], [0], None, "`contenders` must name at least one"),
        (["rloo"], [], None, "`seeds` must name at least one"),
        (["rloo"], [0], 0.0, "`seconds` must be positive, got 0.0"),
        (["rloo", "arm"], [0], None, "`num_categories` must be 2"),
        (["vq:rloo"], [0], None, "`estimator` must go with --model"),
    ],
)
def test_refusals_leave_nothing_behind(
    recipe: Recipe,
    tmp_path: Path,
    contenders: list[str],
    seeds: list[int],
    seconds: float | None,
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        compare_contenders(recipe, contenders, seeds, tmp_path / "c", seconds)
    assert not (tmp_path / "c").exists()


def test_another_comparison_is_not_mixed_in(recipe: Recipe, tmp_path: Path) -> None:
    compare_contenders(recipe, ["rloo"], [0], tmp_path / "c")
    with pytest.raises(ValueError, match=r"`learning_rate` must stay as .* \(None\), got 0.1"):
        compare_contenders(replace(recipe, learning_rate=0.1), ["rloo"], [0], tmp_path / "c")
    (tmp_path / "c" / "plan.json").write_text("{")
    with pytest.raises(ValueError, match="must hold a comparison's plan"):
        compare_contenders(recipe, ["rloo"], [0], tmp_path / "c")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "thesis.tex").write_text("")
    with pytest.raises(ValueError, match="which holds something else"):
        compare_contenders(recipe, ["rloo"], [0], tmp_path / "d")


def test_models_of_grids_are_compared_by_distortion_rate_and_usage(tmp_path: Path) -> None:
    recipe = Recipe(data="digits", limit=60, epochs=1, batch_size=20, codebook=16, down=4)
    names = ["vq", "vq:rotation", "gumbel-vq:reinmax"]
    few = replace(recipe, importance_samples=0, prior="uniform")
    found = compare_contenders(few, names, [0, 1], tmp_path / "c")
    assert [row.name for row in found.rows] == names
    means = [
        {name: value["mean"] for name, value in row.items() if isinstance(value, dict)}
        for row in found.as_dict()["rows"]
    ]
    for row in means:
        assert row["test_elbo"] == pytest.approx(-row["distortion"] - row["rate"], abs=1e-3)
    assert means[0]["rate"] == pytest.approx(4 * math.log(16), abs=1e-4)  # 2 × 2 codes, all alike
    assert 0 < means[0]["used_codes"] <= 1
    assert 0 <= means[0]["collisions"] <= 1
    folders = {path.name for path in (tmp_path / "c").iterdir() if path.is_dir()}
    assert folders == {"vq", "vq-rotation", "gumbel-vq-reinmax"}
