"""Every configuration file, run by the command in its smallest form."""

import csv
import json
import random
from dataclasses import asdict
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from discretevae.cli.main import main
from discretevae.cli.study import study_recipe
from discretevae.data import Examples, Splits
from discretevae.experiments.recipe import Recipe
from discretevae.experiments.resolve import resolve_recipe
from discretevae.latents.quantisers import QUANTISERS
from discretevae.models import from_pretrained
from discretevae.studies.architectures import run as study_run

ROOT = Path(__file__).parent.parent
CONFIGS = ROOT / "configs"
RECORDS = CONFIGS / "records"
MEASURED = ("test", "test_curve", "importance_samples", "seed", "output")
"""Options that say what is measured, under which seed, and where; not what is trained. `test` is a
fraction of data that bring no test set."""
WORDS = ("to", "be", "or", "not", "that", "is", "the", "question")


def sentences(path: Path) -> str:
    draws = random.Random(0)
    lines = [" ".join(draws.choices(WORDS, k=draws.randint(1, 5))) for _ in range(80)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)


def table(path: Path) -> str:
    draws = random.Random(0)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["age", "job", "smoker", "height"])
        for _ in range(80):
            job, smoker = draws.choice(["cook", "smith", "baker", ""]), draws.choice(["no", "yes"])
            rows.writerow([draws.gauss(50, 9), job, smoker, draws.choice(["", draws.random()])])
    return str(path)


def data_for(name: str, folder: Path) -> list[str]:
    if name == "text":
        return [sentences(folder / "lines.txt"), "--limit", "40", "--widths", "16"]
    if name == "table":
        return [table(folder / "table.csv"), "--limit", "40", "--widths", "8"]
    if name.endswith("photos"):
        return ["photos", "--limit", "40"]
    few = ["--labelled", "10"] if name == "semi-supervised" else []
    return ["digits", "--limit", "60", *few]


ALIKE = (
    "bsq",
    "clusters",
    "diveq",
    "fsq",
    "grouped-vq",
    "learned-prior",
    "lfq",
    "local",
    "local-photos",
    "photos",
    "residual-vq",
    "simvq",
)
"""Those that differ from others in quantiser, prior or data alone, of which there are tests."""


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[pytest.mark.audit] if path.stem in ALIKE else [], id=path.stem)
        for path in sorted(CONFIGS.glob("*.yaml"))
    ],
)
def test_every_configuration_trains_and_reports(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("discretevae.training.prior.MOST_PASSES", 2)
    data = data_for(path.stem, tmp_path)
    few = ["--epochs", "1", "--importance-samples", "2", "--output", str(tmp_path / "run")]
    main(["train", "--config", str(path), *data, *few])
    model = from_pretrained(tmp_path / "run" / "model")
    assert sum(p.numel() for p in model.parameters()) > 0
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000
    main(["evaluate", str(tmp_path / "run"), "--importance-samples", "0"])


@pytest.mark.parametrize(
    "name",
    [
        "factorised",
        pytest.param("local", marks=pytest.mark.audit),
        pytest.param("local-30x16", marks=pytest.mark.audit),
    ],
)
def test_a_record_loads_and_trains_in_its_phases(name: str, tmp_path: Path) -> None:
    """As it stands it is resolved; with an epoch for each of its phases it is run."""
    options = yaml.safe_load((RECORDS / f"{name}.yaml").read_text(encoding="utf-8"))
    recipe = resolve_recipe(Recipe(**options))
    epochs = [part.epochs for part in recipe.training().parts()]
    assert epochs == [options["epochs"], *(phase["epochs"] for phase in options["phases"])]
    short = {**options, "data": "digits", "limit": 40, "epochs": 1, "importance_samples": 2}
    short["phases"] = [{**phase, "epochs": 1} for phase in options["phases"]]
    config = tmp_path / "short.yaml"
    config.write_text(yaml.safe_dump(short), encoding="utf-8")
    main(["train", "--config", str(config), "--output", str(tmp_path / "run")])
    with (tmp_path / "run" / "metrics.csv").open(newline="") as file:
        phases = [int(row["phase"]) for row in csv.DictReader(file)]
    assert phases == [*range(1, 2 + len(options["phases"]))]
    model = from_pretrained(tmp_path / "run" / "model")
    assert model.prior.kind == "autoregressive"
    assert model.architecture().get("blocks") == options.get("posterior_blocks")
    text = (RECORDS / f"{name}.yaml").read_text(encoding="utf-8")
    assert ("No page of results/ rests on this file." in text) == ("results/local.md" not in text)


def test_there_is_one_for_every_model() -> None:
    texts = "\n".join(path.read_text(encoding="utf-8") for path in CONFIGS.glob("*.yaml"))
    for option in (
        "model: hierarchical",
        "model: joint",
        "model: semi-supervised",
        "model: gaussian",
        *(f"model: {name}" for name in QUANTISERS),
        "model: two-level",
        "model: sq",
        "model: gumbel-vq",
        "condition: labels",
        "prior: learned",
        "prior: autoregressive",
        "prior: boltzmann",
        "likelihood: tokens",
        "likelihood: columns",
    ):
        assert option in texts


def trained_as(recipe: Recipe) -> dict[str, Any]:
    """What decides the weights, the seed apart."""
    resolved = asdict(resolve_recipe(recipe))
    resolved["inference"] = resolved["inference"] or "top-down"  # which is the default
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in resolved.items()
        if name not in MEASURED
    }


def of_file(name: str) -> dict[str, Any]:
    options = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8"))
    options.pop("output", None)
    return trained_as(Recipe(**options))


def test_the_clusters_are_those_of_the_study(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The plan of `discretevae study mnist --num-latents 30 --precision bf16-mixed`, whose runs
    results/study.md shows, over images as many as MNIST's."""

    def blank(count: int) -> Examples:
        return Examples(torch.zeros(count, 1, 1, 2, dtype=torch.uint8), torch.arange(count) % 10)

    parts = blank(54_000), blank(6_000), blank(10_000)
    monkeypatch.setattr(study_run, "load_data", lambda recipe: Splits("mnist", *parts))
    monkeypatch.setattr(study_run, "_likelihoods", lambda given, data: study_run.PIXELS)
    recipe = study_recipe(data="mnist", precision="bf16-mixed")
    work = study_run.Work(recipe, tmp_path, seeds=5, contrastive=0.0)
    (experiment,) = work.plan.clusters([7])
    assert of_file("clusters") == trained_as(experiment.recipe)


@pytest.mark.parametrize(
    ("name", "run"),
    [
        ("discrete", "plain"),
        ("hierarchy", "hierarchy"),
        ("conditional", "conditional"),
        ("semi-supervised", "semi-supervised 0"),
    ],
)
def test_the_family_is_that_of_its_page(name: str, run: str) -> None:
    """results/models.md is written by benchmarks/models.py."""
    spec = spec_from_file_location("models_benchmark", ROOT / "benchmarks" / "models.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert of_file(name) == trained_as(Recipe(**module.experiments()[run]))


def test_photographs_without_loss_are_those_of_their_page() -> None:
    """results/photos.json says the options of its runs in words, and a seed that is not held."""
    record = json.loads((ROOT / "results" / "photos.json").read_text(encoding="utf-8"))
    said = dict(part.split() for part in record["options"]["photos-vq"].split(", "))
    file = yaml.safe_load((CONFIGS / "local-photos.yaml").read_text(encoding="utf-8"))
    assert file.pop("data") == "photos"
    assert file.pop("patience") == 0
    assert {name: str(value) for name, value in file.items()}.items() <= said.items()


def test_a_file_says_whether_a_page_rests_on_it() -> None:
    """Those that are held to a page's runs above name it; all others say that none does."""
    held = {"clusters", "discrete", "hierarchy", "conditional", "semi-supervised", "local-photos"}
    pages = tuple(f"results/{name}.md" for name in ("models", "study", "photos"))
    for path in CONFIGS.glob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        assert any(page in text for page in pages) == (path.stem in held)
        assert ("No page of results/ rests on this file." in text) == (path.stem not in held)
