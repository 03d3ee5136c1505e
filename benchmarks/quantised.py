"""Models of grids of codes side by side: distortion, rate and bound; writes results/quantised.md.

Every model has the same data, the same number of passes and about as many codes to choose from at
each position; the prior over its grids is fitted afterwards and counted in the bound. A run is a
folder of `discretevae train`: one that is finished is not trained again.

    python benchmarks/quantised.py [--data mnist] [--epochs 10] [--runs runs/quantised]
"""

import argparse
import csv
import json
from pathlib import Path
from typing import Any

from discretevae.cli.main import main as discretevae
from discretevae.experiments.folder import versions
from discretevae.files import write_text

RESULTS = Path(__file__).parent.parent / "results"
GRID = ("--down", "8", "--batch-size", "200", "--learning-rate", "2e-3", "--validation", "0.02")
CODES = (*GRID, "--codebook", "64")
CASES: dict[str, tuple[str, ...]] = {
    "vq": ("--model", "vq", *CODES),
    "fsq": ("--model", "fsq", *CODES),
    "residual, 2 of 16": ("--model", "vq", *GRID, "--codebook", "16", "--num-quantisers", "2"),
    "two-level": ("--model", "two-level", *CODES),
    "sq": ("--model", "sq", *CODES, "--prior", "uniform", "--weight-average", "0.99"),
    "categorical, ReinMax": (
        *("--model", "gumbel-vq", *CODES, "--estimator", "reinmax", "--temperature", "1.3"),
        *("--prior", "uniform", "--beta", "0.2:1:3000", "--weight-average", "0.99"),
    ),
}
"""Name → options of its training."""
DRAWN = ("sq", "categorical, ReinMax")
"""Whose prior is fitted before the last sixth of the passes and then trained along."""
OPTIONS = ("limit", "likelihood")
"""Of training, that are passed on."""


def trained(name: str, options: tuple[str, ...], given: argparse.Namespace) -> dict[str, Any]:
    """Trains what is not yet trained, and reads its figures."""
    folder = given.runs / f"{given.data}-{name.replace(', ', '-').replace(' ', '-')}"
    if not (folder / "metrics.json").exists():
        length = (*passes(name, given.epochs), "--patience", "0", "--importance-samples", "0")
        more = [word for name in OPTIONS for word in words(name, given)]
        output = ("--output", str(folder), "--overwrite", "--seed", str(given.seed))
        discretevae(["train", given.data, *options, *length, *more, *output])
    metrics = json.loads((folder / "metrics.json").read_text())["test"]
    with (folder / "metrics.csv").open(newline="") as file:
        seconds = float(list(csv.DictReader(file))[-1]["seconds"])
    return {"name": name, "options": list(options), "seconds": seconds, "test": metrics}


def passes(name: str, epochs: int) -> tuple[str, ...]:
    """How many passes a training takes, and what is trained in them."""
    if name not in DRAWN:
        return ("--epochs", str(epochs))
    last = {"epochs": epochs // 6, "prior": "pixelcnn", "learning_rate": 1e-3}
    return ("--epochs", str(epochs - epochs // 6), "--phases", json.dumps([last]))


def words(name: str, given: argparse.Namespace) -> tuple[str, ...]:
    """An option of training, where it was given."""
    value = getattr(given, name)
    return () if value is None else (f"--{name}", str(value))


def figure(entry: dict[str, Any] | None, sign: float = 1.0, digits: int = 2) -> str:
    """A value with its standard error."""
    if entry is None:
        return "–"
    error = "" if entry["se"] is None else f" ± {entry['se']:.{digits}f}"
    return f"{sign * entry['value']:.{digits}f}{error}".replace("-", "−")


def section(data: str, run: dict[str, Any]) -> list[str]:
    """What was measured on one set of data."""
    lines = [
        f"## {data}",
        "",
        f"`{run['command']}`, seed {run['seed']}, torch {run['versions']['torch']}.",
        "",
        "| model | distortion | rate | bound | bits/dim | used codes | perplexity | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for case in sorted(run["cases"], key=lambda one: -one["test"]["elbo"]["value"]):
        test = case["test"]
        lines.append(
            f"| {case['name']} | {figure(test['reconstruction'], -1)} | {figure(test['kl'])} | "
            f"{figure(test['elbo'])} | {figure(test.get('bits_per_dimension'), 1, 4)} | "
            f"{figure(test.get('used_codes'))} | {figure(test.get('perplexity'), 1, 1)} | "
            f"{case['seconds']:.0f} |"
        )
    none = run["cases"][0]["test"].get("no_code")
    return [*lines, "", f"Without a code: {figure(none)}.", ""]


def page(record: dict[str, Any]) -> str:
    """The page of results."""
    lines = [
        "# Models of grids of codes",
        "",
        "Nats per test example with standard errors. −bound is distortion, −log p(x|z), and rate: "
        "−log p(z) under the prior over the grids, which is fitted after training; of drawn codes "
        "the KL, whose prior is trained along in the last sixth of the passes, and whose "
        "perplexity is the mean over positions. Seconds are of the model's "
        "training, without the prior's; two cores, shared, one thread, no GPU. One seed: no "
        "ranking is claimed.",
        "",
        *(line for data, run in record.items() for line in section(data, run)),
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--likelihood")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--runs", type=Path, default=Path("runs/quantised"))
    parser.add_argument("--output", type=Path, default=RESULTS)
    given = parser.parse_args()
    found = [trained(name, CASES[name], given) for name in given.only]
    path = given.output / "quantised.json"
    record = json.loads(path.read_text()) if path.exists() else {}
    more = "".join(f" {word}" for name in OPTIONS for word in words(name, given))
    record[given.data] = {
        "command": "python benchmarks/quantised.py "
        f"--data {given.data} --epochs {given.epochs}{more}",
        "seed": given.seed,
        "versions": versions(),
        "cases": found,
    }
    write_text(path, json.dumps(record, indent=1) + "\n")
    write_text(given.output / "quantised.md", page(record))


if __name__ == "__main__":
    main()
