"""What training costs with one estimator or network beside another, in one run; `results/`.

Estimators: a step of the tutorial's model (784-512-256, 4 × 8, batch 100). Networks: 500 examples,
30 × 10 latents and ReinMax, in batches of 100 and of 250; the study trains the image network with
100 and the others with 250. Fused Adam, on MNIST-sized data; all take turns, and the medians are
compared.

    python benchmarks/step_speed.py [--rounds 60] [--output results]
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

import discretevae as dv
from discretevae.estimators import RLOO, Estimator, Reinforce, ReinMax, StraightThrough
from discretevae.files import write_text

BURST = 5
"""Steps timed together, so that the clock's own time does not count."""
EXAMPLES = 500
"""That a network sees each time."""
ESTIMATORS: dict[str, Callable[[], Estimator]] = {
    "reinforce": lambda: Reinforce(baseline=-125.0),
    "rloo": RLOO,
    "straight-through": StraightThrough,
    "reinmax": ReinMax,
}
NETWORKS = ("report-mlp", "report-cnn", "image")
BATCHES = (100, 250)
RATIOS = {
    "rloo / reinforce": ("rloo", "reinforce", 2.5),
    "reinmax / straight-through": ("reinmax", "straight-through", 1.15),
    "image / report-cnn, as in the study": ("image, 100", "report-cnn, 250", 3.0),
    "image / report-cnn, batches of 100": ("image, 100", "report-cnn, 100", 3.0),
    "image / report-cnn, batches of 250": ("image, 250", "report-cnn, 250", 3.0),
}
"""What is asked for: the first costs at most so many times the second."""


def stepper(model: dv.DiscreteVAE, batch: int, count: int) -> Callable[[], None]:
    """Makes a function that takes some training steps."""
    optimizer = torch.optim.Adam(model.parameters(), 5e-4, fused=True)
    x = torch.bernoulli(torch.full((batch, *model.shape), 0.13))

    def steps() -> None:
        for _ in range(count):
            optimizer.zero_grad()
            (-model.objective(x)).mean().backward()
            optimizer.step()

    return steps


def steppers() -> dict[str, Callable[[], None]]:
    """Makes one stepper for each estimator and each network."""
    estimators = {
        name: stepper(dv.DiscreteVAE((784,), 4, 8, "tutorial", estimator=make()), 100, BURST)
        for name, make in ESTIMATORS.items()
    }
    networks = {
        f"{name}, {batch}": stepper(
            dv.DiscreteVAE((1, 28, 28), 30, 10, name, estimator="reinmax"), batch, EXAMPLES // batch
        )
        for name in NETWORKS
        for batch in BATCHES
    }
    return estimators | networks


def measure(rounds: int) -> dict[str, float]:
    """Milliseconds of a step, or of 500 examples: medians over rounds taken in turns."""
    taken = steppers()
    times: dict[str, list[float]] = {name: [] for name in taken}
    for _ in range(rounds):
        for name, steps in taken.items():
            start = time.perf_counter()
            steps()
            milliseconds = (time.perf_counter() - start) * 1e3
            times[name].append(milliseconds / BURST if name in ESTIMATORS else milliseconds)
    return {name: statistics.median(seen[2:]) for name, seen in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--output", type=Path, default=Path("results"))
    arguments = parser.parse_args()
    found = measure(arguments.rounds)
    ratios = {name: found[one] / found[other] for name, (one, other, _) in RATIOS.items()}
    for name, (*_, most) in RATIOS.items():
        print(f"{name}: {ratios[name]:.2f} (at most {most})")
    record = {
        "milliseconds": found,
        "ratios": ratios,
        "command": f"python benchmarks/step_speed.py --rounds {arguments.rounds}",
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
    }
    write_text(arguments.output / "step_speed.json", json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
