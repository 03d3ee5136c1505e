"""Sentences before and after batches without padding: an epoch, an evaluation, an encoding.

    python benchmarks/sentence_speed.py CHECKOUT [--turns 2] [--lines 1000]

CHECKOUT is the older version. Both train on the same lines with the same options, in turns, on one
thread each; the machine is shared, so that the seconds are those of the processor. "plain" are
lines of tinyshakespeare as they are; of "long", every fiftieth is 4 to 12 lines joined. An epoch is
all that `train` does in one: the steps, and the true ELBO of the training and validation lines.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results"
SAMPLES = 20
"""Importance samples of an evaluation."""
TASKS = ("an epoch", "ELBO", "importance-weighted", "encode")


def work(folder: Path) -> None:
    """Does what each line of the input names: prints seconds of the processor, and a figure."""
    import torch

    from discretevae.data import BINARIZERS, Batches
    from discretevae.data.text import load_text
    from discretevae.evaluation.bounds import evaluate_bounds, evaluate_log_likelihood
    from discretevae.likelihoods.tokens import TokenLikelihood
    from discretevae.models import DiscreteVAE
    from discretevae.networks.text import TextNetwork
    from discretevae.training import TrainingOptions, train

    texts = {
        name: load_text(folder / f"{name}.txt", test=0.4) for name in ("warm", "plain", "long")
    }
    options = TrainingOptions(
        epochs=1, batch_size=100, optimizer="adam", learning_rate=1e-3, decay="constant",
        patience=0, accelerator="cpu", progress_bar=False,
    )  # fmt: skip

    def draws() -> torch.Generator:
        return torch.Generator().manual_seed(0)

    def done(name: str, task: str) -> tuple[float, float]:
        text = texts[name]
        (length,) = text.splits.shape
        torch.manual_seed(0)
        network = TextNetwork(text.vocabulary.size)
        model = DiscreteVAE(
            (length,), 4, 8, network, TokenLikelihood(text.vocabulary, length), "unordered-set"
        )
        batches = Batches(text.splits.test, 1000, BINARIZERS["none"], shuffle=False)
        tasks: dict[str, Callable[[], float]] = {
            "an epoch": lambda: train(model, text.splits, options)[-1]["validation_elbo"],
            "ELBO": lambda: float(evaluate_bounds(model, batches, draws()).elbo.mean()),
            "importance-weighted": lambda: float(
                evaluate_log_likelihood(model, batches, SAMPLES, draws()).mean()
            ),
            "encode": lambda: float(model.encode(text.splits.test.values()).float().mean()),
        }
        start = time.process_time()
        with torch.set_grad_enabled(task == "an epoch"):
            figure = tasks[task]()
        return time.process_time() - start, figure

    for task in TASKS:
        done("warm", task)
    for line in sys.stdin:
        name, task = line.strip().split(": ")
        print(*done(name, task), flush=True)


class Worker:
    """A process of one version."""

    def __init__(self, source: Path, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__, "--work", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"},
        )

    def does(self, name: str, task: str) -> tuple[float, float]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{name}: {task}\n")
        self.process.stdin.flush()
        seconds, figure = map(float, self.process.stdout.readline().split())
        return seconds, figure


def write_lines(folder: Path, count: int) -> dict[str, list[int]]:
    """Writes the files; gives the median, 99 % and the most characters of a line of each."""
    path = Path(os.environ["DISCRETEVAE_DATA"]) / "text" / "tinyshakespeare.txt"
    lines = [line for line in path.read_text().splitlines() if line.strip()]
    draw, long = random.Random(0), lines[:count]
    for place in range(0, count, 50):
        start = draw.randrange(count, len(lines) - 12)
        long[place] = " ".join(lines[start : start + draw.randint(4, 12)])
    lengths = {}
    for name, kept in (("warm", lines[:20]), ("plain", lines[:count]), ("long", long)):
        (folder / f"{name}.txt").write_text("\n".join(kept))
        found = sorted(map(len, kept))
        lengths[name] = [found[len(kept) // 2], found[len(kept) * 99 // 100], found[-1]]
    return lengths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("older", nargs="?", type=Path, help="a checkout of the older version")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--lines", type=int, default=1000)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(given.work)
        return
    record: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        lengths = write_lines(Path(folder), given.lines)
        older, newer = (Worker(top / "src", Path(folder)) for top in (given.older, ROOT))
        for name in ("plain", "long"):
            for task in TASKS:
                pairs = [
                    (older.does(name, task), newer.does(name, task)) for _ in range(given.turns)
                ]
                ratios = sorted(old / new for (old, _), (new, _) in pairs)
                record[f"{name}: {task}"] = {
                    "seconds_before": statistics.median(old for (old, _), _ in pairs),
                    "seconds_now": statistics.median(new for _, (new, _) in pairs),
                    "times_as_fast": statistics.median(ratios),
                    "least_and_most": [ratios[0], ratios[-1]],
                    "figures": [pairs[0][0][1], pairs[0][1][1]],
                }
                print(f"{name}: {task}", json.dumps(record[f"{name}: {task}"]), flush=True)
    found = {"turns": given.turns, "lines": given.lines, "lengths": lengths, "tasks": record}
    (RESULTS / "sentence_speed.json").write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
