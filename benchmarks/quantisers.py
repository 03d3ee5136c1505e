"""Quantisers and estimators of codes on a grid side by side; writes results/quantisers.md.

`discretevae compare --models …` on two sets of data, with equal steps and with equal seconds, of
three seeds each; what is trained already is not trained again. The prior over the grid is fitted
and counted, so that the bound is a true one.

    python benchmarks/quantisers.py [--runs runs/quantisers] [--only mnist-steps …]
"""

import argparse
import json
from pathlib import Path
from typing import Any

from discretevae.cli.main import main as discretevae
from discretevae.experiments.folder import versions
from discretevae.files import write_text

RESULTS = Path(__file__).parent.parent / "results"
MODELS = "vq,vq:rotation,diveq,simvq,fsq,lfq,bsq,sq,gumbel-vq,gumbel-vq:reinmax"
ALIKE = (
    *("--models", MODELS, "--codebook", "64", "--down", "8", "--seeds", "3"),
    *("--importance-samples", "0"),
)
MNIST = ("mnist", "--limit", "5000", "--batch-size", "100")
PHOTOS = ("photos", "--limit", "2000", "--batch-size", "50")
COMPARISONS: dict[str, tuple[str, ...]] = {
    "mnist-steps": (*MNIST, "--epochs", "10"),
    "photos-steps": (*PHOTOS, "--epochs", "8"),
    "mnist-seconds": (*MNIST, "--seconds", "20"),
    "photos-seconds": (*PHOTOS, "--seconds", "20"),
}
"""Name → data and budget."""
TITLES = {
    "mnist-steps": "MNIST, equal steps: 500",
    "photos-steps": "Photographs, equal steps: 320",
    "mnist-seconds": "MNIST, equal seconds: about 20",
    "photos-seconds": "Photographs, equal seconds: about 20",
}
COLUMNS = {
    "test ELBO": ("test_elbo", 2),
    "bits/dim": ("bits_per_dimension", 4),
    "distortion": ("distortion", 2),
    "rate": ("rate", 2),
    "used": ("used_codes", 2),
    "perplexity": ("perplexity", 1),
    "collisions": ("collisions", 3),
    "epochs": ("epochs", 0),
    "s": ("seconds", 0),
}
"""Heading → figure, its decimals."""


def compared(name: str, runs: Path) -> dict[str, Any]:
    """Trains what is not yet trained, and reads the comparison."""
    folder = runs / name
    discretevae(["compare", *COMPARISONS[name], *ALIKE, "--output", str(folder)])
    rows = json.loads((folder / "comparison.json").read_text())["rows"]
    command = " ".join(("discretevae compare", *COMPARISONS[name], *ALIKE))
    return {"command": command, "rows": rows, "versions": versions()}


def cell(entry: Any, digits: int) -> str:
    """A mean with half of its interval, or a number."""
    if entry is None:
        return "–"
    if not isinstance(entry, dict):
        return str(entry)
    mean, half = entry["mean"], entry["half_width"]
    error = "" if half is None or not digits else f" ± {half:.{digits}f}"
    return f"{mean:.{digits}f}{error}".replace("-", "−")


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The contenders, best bound first."""
    ordered = sorted(rows, key=lambda row: -row["test_elbo"]["mean"])
    lines = [f"| contender | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
    for row in ordered:
        cells = [cell(row[key], digits) for key, digits in COLUMNS.values()]
        lines.append(f"| {row['name']} | {' | '.join(cells)} |")
    return lines


def page(record: dict[str, Any]) -> str:
    """The page of results."""
    lines = [
        "# Quantisers and estimators compared",
        "",
        "Grids of 4 × 4 codes of 64 by their defaults, three seeds, mean ± half of the 95 % "
        "interval over seeds (with three it is 2.5 standard deviations). Nats per test example, "
        "true bounds: −ELBO is distortion and rate. The rate of a code that is a point is "
        "−log p(z) under the prior over grids, fitted after training; that of a code that is "
        "drawn is the KL from it. Perplexity of drawn codes is the mean over positions, and their "
        "usage is not counted. Short runs on a part of the data: who starts well. Two cores, "
        "shared, one thread, no GPU.",
        "",
    ]
    for name, found in record["comparisons"].items():
        lines += [f"## {TITLES[name]}", "", f"`{found['command']}`", "", *table(found["rows"]), ""]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("runs/quantisers"))
    parser.add_argument("--only", nargs="+", choices=COMPARISONS, default=list(COMPARISONS))
    parser.add_argument("--output", type=Path, default=RESULTS)
    given = parser.parse_args()
    path = given.output / "quantisers.json"
    for name in given.only:
        record = json.loads(path.read_text()) if path.exists() else {}
        comparisons = record.get("comparisons", {}) | {name: compared(name, given.runs)}
        write_text(path, json.dumps({"comparisons": comparisons}, indent=1) + "\n")
        write_text(given.output / "quantisers.md", page({"comparisons": comparisons}))


if __name__ == "__main__":
    main()
