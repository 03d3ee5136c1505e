"""A training step of each model beside the same step of an older checkout, in turns.

    python benchmarks/model_speed.py OLDER_CHECKOUT

Both versions run at once, each in a process of its own that waits while the other works; a turn
times so many steps of either, and a ratio is that of two neighbouring turns.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results"
STEPS = 20
TURNS = 30


def step_of(name: str) -> Callable[[], None]:
    """Makes a model on random bits, and one step of its training: forward, backward, Adam."""
    import torch

    from discretevae import DiscreteVAE, HierarchicalVAE, JointVAE, SemiSupervisedVAE
    from discretevae.networks import MLP

    torch.set_num_threads(1)
    torch.manual_seed(0)
    network, shape, batch = MLP((512, 256)), (784,), 100
    models = {
        "flat, REINFORCE": lambda: DiscreteVAE(shape, 4, 8, network, estimator="reinforce"),
        "flat, ReinMax": lambda: DiscreteVAE(shape, 20, 10, network, estimator="reinmax"),
        "flat, autoregressive prior": lambda: DiscreteVAE(
            shape, 20, 10, network, estimator="reinmax", prior="autoregressive"
        ),
        "flat, exact": lambda: DiscreteVAE(shape, 2, 10, network, estimator="exact"),
        "hierarchical": lambda: HierarchicalVAE(shape, (20, 10), 10, network, estimator="reinmax"),
        "joint": lambda: JointVAE(shape, 4, 8, 4, network, estimator="rloo"),
        "semi-supervised": lambda: SemiSupervisedVAE(shape, 10, 4, 8, network, estimator="reinmax"),
    }
    model = models[name]()
    x = torch.bernoulli(torch.full((batch, *shape), 0.2))
    context = torch.full((batch, 1), -1.0) if name == "semi-supervised" else None
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    generator = torch.Generator().manual_seed(0)

    def step() -> None:
        optimizer.zero_grad()
        (-model.objective(x, generator, context)).mean().backward()
        optimizer.step()

    return step


NAMES = (
    "flat, REINFORCE",
    "flat, ReinMax",
    "flat, autoregressive prior",
    "flat, exact",
    "hierarchical",
    "joint",
    "semi-supervised",
)


def work() -> None:
    """Times so many steps of the model that each line of the input names."""
    steps: dict[str, Callable[[], None]] = {}
    for line in sys.stdin:
        name = line.strip()
        if name not in steps:
            steps[name] = step_of(name)
            for _ in range(3):
                steps[name]()
        start = time.perf_counter()
        for _ in range(STEPS):
            steps[name]()
        print((time.perf_counter() - start) / STEPS, flush=True)


class Worker:
    """A process that times steps of one version."""

    def __init__(self, source: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__, "--work"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"},
        )

    def seconds(self, name: str) -> float:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{name}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("older", nargs="?", type=Path, help="a checkout of the older version")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work()
        return
    older, newer = Worker(given.older / "src"), Worker(ROOT / "src")
    record = {}
    for name in NAMES:
        pairs = [(older.seconds(name), newer.seconds(name)) for _ in range(TURNS)]
        ratios = sorted(new / old for old, new in pairs)
        record[name] = {
            "ms_before": 1000 * statistics.median(old for old, _ in pairs),
            "ms_now": 1000 * statistics.median(new for _, new in pairs),
            "ratio": statistics.median(ratios),
            "quartiles": [ratios[len(ratios) // 4], ratios[3 * len(ratios) // 4]],
        }
        print(name, json.dumps(record[name]), flush=True)
    found = {"steps_a_turn": STEPS, "turns": TURNS, "threads": 1, "models": record}
    (RESULTS / "model_speed.json").write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
