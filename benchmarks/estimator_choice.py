"""What `estimator="auto"` rests on: estimators trained for the same seconds, `results/`.

Trains 784-512-256 on MNIST (fresh binarisation, Adam 1e-3 falling along a cosine, batch 100) with
D latents of 8 categories, each estimator for about the same time and with several seeds, and
reports the true test ELBO. Interrupted, the same command goes on.

    python benchmarks/estimator_choice.py [--seconds 25] [--seeds 2] [--output results]
"""

import argparse
import inspect
import json
import platform
from pathlib import Path

import torch

from discretevae.cli import train
from discretevae.files import write_text
from discretevae.laboratory.compare import Comparison, compare_estimators
from discretevae.laboratory.present import draw_comparison

CASES = {
    4: ["rloo", "local-expectation", "reinmax"],
    8: ["rloo", "reinmax"],
}
"""D → the estimators that are compared there: the candidates of the laboratory's table."""


def page(found: dict[int, Comparison], command: str) -> list[str]:
    """The result as text."""
    lines = [
        '# What `estimator="auto"` rests on',
        "",
        "MNIST, fresh binarisation, 784-512-256, D latents of 8 categories, Adam 1e-3 falling to "
        "zero along a cosine, batch 100; every run trained for about the same seconds. True test "
        "ELBO in nats per example, mean over seeds ± half of its 95 % interval.",
        "",
        "| D | estimator | seeds | epochs | seconds | test ELBO |",
        "|---|---|---|---|---|---|",
    ]
    for num_latents, comparison in found.items():
        for row in comparison.rows:
            elbo = row.test_elbo
            assert elbo is not None
            spread = "" if elbo.half_width is None else f" ± {elbo.half_width:.1f}"
            lines.append(
                f"| {num_latents} | `{row.estimator}` | {row.seeds} | {row.epochs} | "
                f"{row.seconds.mean:.0f} | −{-elbo.mean:.1f}{spread} |"
            )
    return [
        *lines,
        "",
        f"Command: `{command}`, torch {torch.__version__}, {torch.get_num_threads()} thread(s), "
        f"{platform.machine()}. Curves: `estimator_choice/`.",
        "",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=25)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--runs", type=Path, default=Path("runs/estimator-choice"))
    parser.add_argument("--output", type=Path, default=Path("results"))
    arguments = parser.parse_args()
    defaults = {p.name: p.default for p in inspect.signature(train).parameters.values()}
    found = {}
    for num_latents, estimators in CASES.items():
        options = {**defaults, "data": "mnist", "num_latents": num_latents}
        options["importance_samples"] = 0
        found[num_latents] = compare_estimators(
            options,
            estimators,
            range(arguments.seeds),
            arguments.runs / str(num_latents),
            arguments.seconds,
        )
        pictures = arguments.output / "estimator_choice"
        pictures.mkdir(parents=True, exist_ok=True)
        draw_comparison(found[num_latents], pictures / f"{num_latents}-latents.png")
        record = {latents: comparison.as_dict() for latents, comparison in found.items()}
        write_text(arguments.output / "estimator_choice.json", json.dumps(record, indent=1) + "\n")
        command = (
            f"python benchmarks/estimator_choice.py --seconds {arguments.seconds:g} "
            f"--seeds {arguments.seeds}"
        )
        write_text(arguments.output / "estimator_choice.md", "\n".join(page(found, command)))


if __name__ == "__main__":
    main()
