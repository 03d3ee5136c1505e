"""What `estimator="auto"` rests on: RLOO and ReinMax for the same seconds, `results/`.

Trains 784-512-256 on MNIST (fresh binarisation, Adam, cosine, batch 100) with D latents of 8
categories, each estimator for about the same time, and reports the true test ELBO.

    python benchmarks/estimator_choice.py [--seconds 40] [--output results]
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch

import discretevae as dv
from discretevae.data import Splits
from discretevae.estimators import RLOO, Estimator, ReinMax

SIZES = (4, 8)


def run(estimator: Estimator, num_latents: int, data: Splits, seconds: float) -> dict[str, Any]:
    """Times one epoch, then trains for as many as fit into the seconds."""
    history = _train(estimator, num_latents, data, 1)[0]
    epochs = max(1, round(seconds / history[-1]["seconds"]))
    history, model = _train(estimator, num_latents, data, epochs)
    test = dv.evaluate(model, data, samples=0)["test"]["elbo"]
    return {"epochs": epochs, "seconds": history[-1]["seconds"], "test_elbo": test}


def _train(
    estimator: Estimator, num_latents: int, data: Splits, epochs: int
) -> tuple[list[dict[str, float]], dv.DiscreteVAE]:
    torch.manual_seed(0)
    model = dv.DiscreteVAE(data.shape, num_latents, 8, "tutorial", estimator=estimator)
    options = dv.TrainingOptions(epochs=epochs, patience=0, progress_bar=False)
    return dv.train(model, data, options), model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--output", type=Path, default=Path("results"))
    arguments = parser.parse_args()
    data = dv.load_data("mnist", binarize="fresh", validation=0.0)
    record = {
        str(num_latents): {
            name: run(estimator, num_latents, data, arguments.seconds)
            for name, estimator in (("rloo", RLOO()), ("reinmax", ReinMax()))
        }
        for num_latents in SIZES
    }
    (arguments.output / "estimator_choice.json").write_text(json.dumps(record, indent=1) + "\n")
    lines = [
        '# RLOO or ReinMax: what `estimator="auto"` rests on',
        "",
        "MNIST, fresh binarisation, 784-512-256, D latents of 8 categories, Adam 1e-3 falling to "
        "zero along a cosine, batch 100, seed 0; each estimator trained for about "
        f"{arguments.seconds:g} seconds. True test ELBO in nats per example, ± its standard error.",
        "",
        "| D | RLOO, 4 samples | epochs | ReinMax | epochs |",
        "|---|---|---|---|---|",
    ]
    for num_latents, found in record.items():
        cells = [
            f"{r['test_elbo']['value']:.1f} ± {r['test_elbo']['se']:.1f} | {r['epochs']}".replace(
                "-", "−"
            )
            for r in found.values()
        ]
        lines.append(f"| {num_latents} | {' | '.join(cells)} |")
    lines += [
        "",
        f"Command: `python benchmarks/estimator_choice.py --seconds {arguments.seconds:g}`, torch "
        f"{torch.__version__}, {torch.get_num_threads()} threads. One seed: differences of a nat "
        "or two mean nothing.",
        "",
    ]
    (arguments.output / "estimator_choice.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
