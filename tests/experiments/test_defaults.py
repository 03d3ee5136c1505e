"""The model that data get: said by `inspect`, built by `train`."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from discretevae.cli.main import main
from discretevae.experiments.defaults import defaults_for
from discretevae.experiments.recipe import Recipe
from discretevae.experiments.resolve import resolve_with_data
from discretevae.training.defaults import by_rule


@pytest.mark.parametrize(
    ("likelihood", "shape", "rows", "expected"),
    [
        ("columns", (12,), 10**6, (4, 8, "columns")),
        ("tokens", (30,), 500, (4, 8, "gru")),
        ("bernoulli", (60,), 5_000, (4, 8, "tutorial")),
        ("bernoulli", (1, 8, 8), 1_797, (4, 8, "tutorial")),
        ("bernoulli", (1, 28, 28), 70_000, (16, 8, "image")),
        ("bernoulli", (1, 28, 28), 300, (4, 8, "image")),
        ("continuous-bernoulli", (3, 48, 48), 300, (4, 8, "image")),
        ("continuous-bernoulli", (1, 8, 8), 1_500, (16, 8, "tutorial")),
        ("gaussian", (1, 8, 8), 1_500, (16, 8, "tutorial")),
        ("gaussian", (5_000,), 200, (4, 8, "report-mlp")),
        ("bernoulli", (3, 28, 5), 2_000, (4, 8, "tutorial")),
    ],
)
def test_the_rule(
    likelihood: str, shape: tuple[int, ...], rows: int, expected: tuple[int, int, str]
) -> None:
    assert defaults_for(likelihood, shape, rows) == expected


def test_photographs_get_a_likelihood_of_bytes() -> None:
    found, data = resolve_with_data(Recipe(data="photos", limit=40))
    assert (found.likelihood, found.binarize, found.network) == (
        *("discretised-logistic", "none", "image"),
    )
    assert data.train.shape == (3, 32, 32)
    given, _ = resolve_with_data(Recipe(data="photos", limit=40, likelihood="levels"))
    assert given.likelihood == "levels"
    asked, bits = resolve_with_data(Recipe(data="photos", limit=40, binarize="fresh"))
    assert (asked.likelihood, bits.binarizer.name) == ("bernoulli", "fresh")


def test_a_recipe_is_completed_by_the_data_and_what_is_given_stays() -> None:
    found, data = resolve_with_data(Recipe(limit=60))
    assert (found.num_latents, found.num_categories, found.network) == (4, 8, "tutorial")
    assert by_rule(found, len(data.train)) == found
    assert found.epochs is not None
    asked = Recipe(limit=60, num_latents=3, network="report-mlp", epochs=2, optimizer="adam")
    found, _ = resolve_with_data(asked)
    assert (found.num_latents, found.num_categories, found.network) == (3, 8, "report-mlp")
    assert (found.epochs, found.optimizer, found.learning_rate) == (2, "adam", 1e-3)


def test_inspect_says_what_train_builds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 16, 16), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    main(["inspect", str(tmp_path / "images.npy")])
    expected = "model: 4 latents of 8 categories, network image"
    assert expected in capsys.readouterr().out
    few = ["--epochs", "1", "--importance-samples", "0", "--output", str(tmp_path / "run")]
    main(["train", str(tmp_path / "images.npy"), *few])
    told = capsys.readouterr()
    assert expected in told.err
    assert "The code is worth" in told.out
    stored = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert (stored["num_latents"], stored["network"], stored["optimizer"]) == (4, "image", "muon")
    assert (stored["batch_size"], stored["patience"], stored["measured_every"]) == (100, 10, 1)
    assert "no_code" in json.loads((tmp_path / "run" / "metrics.json").read_text())["test"]
    page = (tmp_path / "run" / "report.html").read_text()
    assert "The code is worth" in page
