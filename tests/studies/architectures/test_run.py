"""A study in its smallest form, of digits: every part of it, continued, and without labels."""

import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from discretevae.cli.main import main
from discretevae.cli.study import study_recipe
from discretevae.data import load
from discretevae.evaluation import cluster_metrics, embeddings
from discretevae.models import from_pretrained
from discretevae.studies.architectures import run as study_run

SMALL = [
    "--limit", "60", "--epochs", "1", "--num-latents", "3", "--num-categories", "4",
    "--seeds", "2", "--importance-samples", "5",
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _short() -> None:
    """Clusters of a few steps: what they find does not matter here."""
    patch = pytest.MonkeyPatch()
    patch.setattr(study_run, "CLUSTERING_STEPS", 1)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study") / "digits"
    main(["study", "digits", *SMALL, "--contrastive", "1", "--output", str(folder)])
    return folder


@pytest.fixture
def found(folder: Path) -> dict:
    return json.loads((folder / "study.json").read_text())


def test_every_model_has_its_bounds(found: dict) -> None:
    networks, codes = ("MLP", "CNN", "image network"), ("categorical", "Gaussian")
    titles = [f"{network}, {code}" for network in networks for code in codes]
    contrasted = [f"{network}, categorical, contrastive" for network in networks[:2]]
    assert [m["title"] for m in found["models"]] == [*titles, *titles, *contrasted]
    for model in found["models"]:
        assert math.isfinite(model["elbo"])
        assert model["elbo_se"] > 0
        assert model["log_likelihood"]["value"] >= model["elbo"] - 4 * model["elbo_se"]


def test_one_code_says_no_more_than_log_k(found: dict) -> None:
    """And the exact gradient's surrogate is the true bound itself."""
    for model in found["one_code"]:
        assert 0 <= model["kl"] <= math.log(4) + 1e-6
    exact = next(m for m in found["one_code"] if m["title"] == "MLP, exact")
    assert exact["surrogate"] == pytest.approx(exact["elbo"], abs=4 * exact["elbo_se"])


def test_the_codes_are_scored_by_each_representation(found: dict) -> None:
    notes = found["codes"]["grey/report-mlp-categorical"]
    assert list(notes["clustering"]) == ["codes", "probabilities", "UMAP"]
    for scores in notes["clustering"].values():
        assert all(len(values) == 2 for values in scores.values())
    assert set(notes["probes"]) == {"codes", "probabilities"}
    assert list(found["codes"]["grey/image-gaussian"]["clustering"]) == ["mean", "UMAP"]


def test_the_scores_of_the_categories_are_those_of_the_saved_model(
    folder: Path, found: dict
) -> None:
    data = load("digits", binarize="none", validation=0.1, test=0.2, seed=1, limit=60)
    model = from_pretrained(folder / "clusters" / "seed-1" / "model")
    codes = model.encode(data.test.values())[:, 0].numpy()
    expected = cluster_metrics(data.test.labels.numpy(), codes)
    assert {k: found["clusters"][1][k] for k in expected} == pytest.approx(expected)


def test_the_page_holds_everything(folder: Path) -> None:
    page = (folder / "study.html").read_text()
    for title in ("Bounds", "One latent, honestly", "What the codes know"):
        assert f"<h2>{title}</h2>" in page
    assert page.count("data:image/png;base64,") == len(list((folder / "figures").iterdir()))
    assert "http" not in page.partition("</head>")[2]


def test_said_again_it_repeats_nothing(
    folder: Path, found: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a run that was lost is done again, to the same figures."""

    def never(*_: object) -> np.ndarray:
        raise AssertionError("embedded again")

    monkeypatch.setattr(embeddings, "_embed", never)
    lost = folder / "one-code" / "report-mlp-exact"
    shutil.rmtree(lost)
    main(["study", "digits", *SMALL, "--contrastive", "1", "--output", str(folder)])
    again = json.loads((folder / "study.json").read_text())
    for entry in (*again["one_code"], *found["one_code"]):
        entry.pop("seconds_per_epoch")
    assert again["one_code"] == found["one_code"]
    assert again["codes"] == found["codes"]
    assert lost.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "2"], "`epochs` must stay as the study in .* has it (1), got 2"),
        (["--seeds", "1"], "`seeds` must be at least 2"),
        (["--contrastive", "-1"], "`contrastive` must"),
    ],
)
def test_other_options_are_refused_in_one_line(
    folder: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["study", "digits", *SMALL, "--contrastive", "1", "--output", str(folder), *arguments]
    with pytest.raises(SystemExit) as exit_:
        main(given)
    assert exit_.value.code == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert re.search(message.replace("(", r"\(").replace(")", r"\)"), line)


def test_a_folder_of_something_else_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(SystemExit):
        main(["study", "digits", *SMALL, "--output", str(tmp_path)])
    assert "must be a new or empty folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_too_few_examples_are_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "rows.npy", np.eye(20, 3, dtype=np.float32))
    with pytest.raises(SystemExit):
        main(["study", str(tmp_path / "rows.npy"), "--output", str(tmp_path / "study")])
    assert "at least 10 test examples for a study, got 4" in capsys.readouterr().err
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--contrastive", "-1", "`contrastive` must be at least 0"),
        ("--num-latents", "0", "`num_latents` must be at least 1"),
        ("--epochs", "0", "`epochs` must be at least 1"),
        ("--batch-size", "0", "`batch_size` must be at least 1"),
        ("--num-categories", "1", "at least 2, got 40 and 1"),
        ("--likelihood", "poisson", "`likelihood` must be one of"),
    ],
)
def test_mistakes_show_before_anything_is_written(
    option: str, value: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "study"
    with pytest.raises(SystemExit) as exit_:
        main(["study", "digits", "--limit", "60", option, value, "--output", str(output)])
    assert exit_.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not output.exists()


def test_images_beyond_0_and_1_are_not_augmented(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(60, 1, 8, 8)).astype(np.float32)
    np.save(tmp_path / "images.npy", x)
    recipe = study_recipe(data=str(tmp_path / "images.npy"))
    work = study_run.Work(recipe, tmp_path / "study", seeds=2, contrastive=1.0)
    experiments = work.plan.experiments(3, range(2))
    assert [len(experiments[group]) for group in ("models", "one_code", "clusters")] == [6, 4, 0]
    assert "no images with values from 0 to 1" in " ".join(work.skipped())


def test_umap_installed_later_is_made_up_for(
    folder: Path, found: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And taken away again its scores are not shown."""
    recipe = study_recipe(data="digits", limit=60, num_categories=4)
    work = study_run.Work(recipe, folder, seeds=2, contrastive=1.0, protocol={"epochs": 1})
    experiment = next(iter(work.plan.architectures(3)))
    monkeypatch.setattr("discretevae.studies.architectures.analysis.umap_installed", lambda: False)
    assert "UMAP" not in work.codes(experiment)["clustering"]
    monkeypatch.undo()
    assert work.codes(experiment) == found["codes"][experiment.name]


def test_labels_of_one_class_have_no_probe(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(80, 6)).astype(np.float32)
    np.savez(tmp_path / "rows.npz", x=x, y=np.zeros(80, np.int64))
    output = tmp_path / "study"
    main(["study", str(tmp_path / "rows.npz"), *SMALL, "--output", str(output)])
    found = json.loads((output / "study.json").read_text())
    assert all(notes["probes"] == {} for notes in found["codes"].values())


def test_a_table_without_labels_skips_what_needs_them_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor has it convolutions; and without umap-learn the rest is done."""
    rows = np.random.default_rng(0).normal(size=(80, 6)).astype(np.float32)
    np.save(tmp_path / "rows.npy", rows)
    for module in ("run", "analysis", "drawings"):
        monkeypatch.setattr(
            f"discretevae.studies.architectures.{module}.umap_installed", lambda: False
        )
    output = tmp_path / "study"
    main(["study", str(tmp_path / "rows.npy"), *SMALL, "--output", str(output)])
    found = json.loads((output / "study.json").read_text())
    assert [m["title"] for m in found["models"]] == ["MLP, categorical", "MLP, Gaussian"]
    assert found["clusters"] == []
    skipped = " ".join(found["skipped"])
    for reason in ("no labels", "no images", 'pip install "discretevae[analysis]"'):
        assert reason in skipped
    page = (output / "study.html").read_text()
    assert "the data have no labels" in page
