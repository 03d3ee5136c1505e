"""Every configuration file, run by the command in its smallest form."""

import csv
import random
from pathlib import Path

import pytest

from discretevae.cli.main import main
from discretevae.models import from_pretrained

CONFIGS = Path(__file__).parent.parent / "configs"
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
    few = ["--labelled", "10"] if name == "semi-supervised" else []
    return ["digits", "--limit", "60", *few]


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_configuration_trains_and_reports(path: Path, tmp_path: Path) -> None:
    data = data_for(path.stem, tmp_path)
    few = ["--epochs", "1", "--importance-samples", "2", "--output", str(tmp_path / "run")]
    main(["train", "--config", str(path), *data, *few])
    model = from_pretrained(tmp_path / "run" / "model")
    assert sum(p.numel() for p in model.parameters()) > 0
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000
    main(["evaluate", str(tmp_path / "run"), "--importance-samples", "0"])


def test_there_is_one_for_every_model() -> None:
    texts = "\n".join(path.read_text(encoding="utf-8") for path in CONFIGS.glob("*.yaml"))
    for option in (
        "model: hierarchical",
        "model: joint",
        "model: semi-supervised",
        "model: gaussian",
        "condition: labels",
        "prior: learned",
        "prior: autoregressive",
        "prior: boltzmann",
        "likelihood: tokens",
        "likelihood: columns",
    ):
        assert option in texts
