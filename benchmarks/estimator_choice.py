"""What `estimator="auto"` rests on in training: equal seconds for each estimator, `results/`.

`discretevae compare` on MNIST (fresh binarisation, 784-512-256, Adam 1e-3 falling along a cosine,
batch 100) with D latents of 8 categories. What is trained already is not trained again.

    python benchmarks/estimator_choice.py [--runs runs/estimator-choice] [--output results]
"""

import argparse
import json
import platform
from pathlib import Path
from typing import Any

import torch

from discretevae.cli.main import main as discretevae
from discretevae.files import write_text

SIZES = (4, 8)
COMPARED = (
    *("mnist", "--estimators", "rloo,unordered-set,reinmax", "--seconds", "40", "--seeds", "1"),
    *("--importance-samples", "0"),
)


def compare(num_latents: int, folder: Path) -> dict[str, Any]:
    """Trains what is not yet trained, and reads the comparison."""
    sizes = ("--num-latents", str(num_latents), "--output", str(folder))
    discretevae(["compare", *COMPARED, *sizes])
    return dict(json.loads((folder / "comparison.json").read_text()))


def page(found: dict[int, dict[str, Any]]) -> list[str]:
    """The result as text."""
    lines = [
        '# What `estimator="auto"` rests on',
        "",
        "The laboratory's table ([estimators.md](estimators.md)) for 4 × 8 latents: at the start "
        "`unordered-set` has the variance of `rloo` at the same four evaluations, after two "
        "epochs a seventh of it; the bias of `reinmax` grows from 7 % to 69 % of the gradient.",
        "",
        "In training: MNIST, fresh binarisation, 784-512-256, D latents of 8 categories, Adam "
        "1e-3 falling to zero along a cosine, batch 100. Each estimator has as many epochs as 40 "
        "seconds were estimated to hold from a few timed beforehand; the machine did other work "
        "too, so that the seconds that a run took differ. True test ELBO, nats per example, one "
        "seed: differences of a nat or two mean little.",
        "",
        "| D | estimator | epochs | seconds | test ELBO |",
        "|---|---|---|---|---|",
    ]
    for num_latents, comparison in found.items():
        for row in comparison["rows"]:
            lines.append(
                f"| {num_latents} | `{row['estimator']}` | {row['epochs']} | "
                f"{row['seconds']['mean']:.0f} | −{-row['test_elbo']['mean']:.1f} |"
            )
    return [
        *lines,
        "",
        "Hence `auto`: enumeration up to 256 codes, `unordered-set` up to five latents, `reinmax` "
        "beyond.",
        "",
        f"Command: `python benchmarks/estimator_choice.py` (`discretevae compare "
        f"{' '.join(COMPARED)}` with `--num-latents` 4 and 8), torch {torch.__version__}, one "
        f"thread, {platform.machine()}.",
        "",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs/estimator-choice"))
    parser.add_argument("--output", type=Path, default=Path("results"))
    arguments = parser.parse_args()
    found = {size: compare(size, arguments.runs / str(size)) for size in SIZES}
    write_text(arguments.output / "estimator_choice.json", json.dumps(found, indent=1) + "\n")
    write_text(arguments.output / "estimator_choice.md", "\n".join(page(found)))


if __name__ == "__main__":
    main()
