"""The commands for tables, on one of known structure with gaps."""

import csv
import json
import math
import random
from pathlib import Path

import pytest

from discretevae.cli.main import main

Cells = list[dict[str, str]]


def rows(count: int, seed: int) -> list[list[str]]:
    """Cooks are old and smoke; smiths are young and do not: every cell tells the others."""
    draws = random.Random(seed)
    found = []
    for _ in range(count):
        cook = draws.random() < 0.5
        age = draws.gauss(60 if cook else 30, 2)
        found.append([f"{age:.2f}", "cook" if cook else "smith", "yes" if cook else "no"])
    return found


def write(path: Path, cells: list[list[str]]) -> str:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["age", "job", "smoker"], *cells])
    return str(path)


def read(path: Path) -> Cells:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    data = write(folder / "train.csv", rows(400, seed=0))
    words = "--likelihood columns --num-latents 1 --num-categories 4 --widths 16 --epochs 60"
    more = "--hidden-cells 0.3 --optimizer adam --learning-rate 1e-2 --importance-samples 2"
    main(["train", data, *words.split(), *more.split(), "--output", str(folder / "run")])
    return folder / "run"


def test_gaps_are_filled_with_what_the_rest_tells(run: Path, tmp_path: Path) -> None:
    whole = rows(60, seed=1)
    holed = [[*row] for row in whole]
    for i, row in enumerate(holed):
        row[i % 3] = ""
    main(["impute", str(run), write(tmp_path / "x.csv", holed), "-o", str(tmp_path / "y.csv")])
    for i, (filled, truth) in enumerate(zip(read(tmp_path / "y.csv"), whole, strict=True)):
        if i % 3 == 0:
            assert abs(float(filled["age"]) - float(truth[0])) < 10
        assert (filled["job"], filled["smoker"]) == (truth[1], truth[2])
        if i % 3:
            assert float(filled["age"]) == pytest.approx(float(truth[0]), abs=1e-4)


def test_a_strange_cell_has_the_highest_score(run: Path, tmp_path: Path) -> None:
    cells = rows(20, seed=2)
    cells[7] = ["60.0", "cook", "no"]
    main(["score", str(run), write(tmp_path / "x.csv", cells), "-o", str(tmp_path / "s.csv")])
    scores = read(tmp_path / "s.csv")
    strangest = max(range(20), key=lambda i: float(scores[i]["total (nats)"]))
    assert strangest == 7
    assert float(scores[7]["smoker (nats)"]) > float(scores[7]["age (nats)"])


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([["60", "cook"]], "must have 3 cells, got 2"),
        ([["60", "cook", "no", "7"]], "must have 3 cells, got 4"),
    ],
)
def test_rows_of_another_kind_are_refused(
    run: Path, cells: list[list[str]], message: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["impute", str(run), write(tmp_path / "x.csv", cells), "-o", str(tmp_path / "y.csv")])
    assert exit_.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "y.csv").exists()


def test_other_models_do_not_impute(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    data = write(tmp_path / "x.csv", rows(3, seed=0))
    with pytest.raises(SystemExit):
        main(["impute", str(run_folder), data])
    assert "`RUN` must be of a table (columns), got bernoulli" in capsys.readouterr().err


def test_samples_and_reconstructions_are_rows(run: Path, tmp_path: Path) -> None:
    main(["sample", str(run), "--count", "5", "-o", str(tmp_path / "s.csv")])
    assert len(read(tmp_path / "s.csv")) == 5
    main(["reconstruct", str(run), "--count", "3", "-o", str(tmp_path / "r.csv")])
    assert {row["job"] for row in read(tmp_path / "r.csv")} <= {"cook", "smith"}


def test_images_are_scored_by_their_bound_and_its_bits(tmp_path: Path) -> None:
    """The mean is that of `evaluate`, to what the draws of the codes leave: there are none."""
    run = tmp_path / "run"
    words = "--model vq --network residual --down 4 --codebook 8 --prior uniform --epochs 1"
    main(["train", "digits", "--limit", "40", *words.split(), "--output", str(run)])
    figures = json.loads((run / "metrics.json").read_text())["test"]
    main(["score", str(run), "digits", "-o", str(tmp_path / "s.csv")])
    found = read(tmp_path / "s.csv")
    bits = [float(row["bits per dimension"]) for row in found]
    nats = [float(row["−ELBO (nats)"]) for row in found]
    assert bits == pytest.approx([n / math.log(2) / 64 for n in nats])
    if "bits_per_dimension" in figures:
        assert sum(bits) / len(bits) == pytest.approx(figures["bits_per_dimension"]["value"], 0.05)
