"""Speed of training on the tutorial's setting, side by side with what everyone writes.

MNIST, fresh binarisation, 784-512-256, 4 × 8, batch 100, REINFORCE with a constant baseline, Adam.
The contestants take turns in one process, a block of steps each, many rounds; what counts is the
median over rounds of the ratio within a round, so that a noisy machine slows all of them alike.

    python benchmarks/training_speed.py [--rounds 15] [--steps 100] [--output results/speed.json]
"""

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.distributions import OneHotCategorical
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

import discretevae as dv
from discretevae.data import Batches, Splits, as_batch
from discretevae.estimators import Reinforce

BATCH = 100
SIZES = (784, 512, 256, 32, 256, 512, 784)
T = TypeVar("T")
Block = Callable[[int], float]
"""Takes a number of steps, gives the seconds they took."""


class Images(Dataset):
    """What torchvision's MNIST and ToTensor do for each example, then a Bernoulli draw."""

    def __init__(self, levels: Tensor, labels: Tensor) -> None:
        self.levels, self.labels = levels.squeeze(1), labels

    def __len__(self) -> int:
        return len(self.levels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self.levels[index].numpy())
        pixels = torch.from_numpy(np.array(image, np.uint8, copy=True))
        x = pixels.view(28, 28, 1).permute(2, 0, 1).contiguous().to(torch.float32).div(255)
        return torch.bernoulli(x).flatten(), int(self.labels[index])


def plain_recipe(data: Splits) -> Block:
    """Probabilities through binary_cross_entropy, default Adam, a DataLoader of PIL images."""
    assert data.train.labels is not None
    encoder = nn.Sequential(*_layers(SIZES[:4]))
    decoder = nn.Sequential(*_layers(SIZES[3:]), nn.Sigmoid())
    optimiser = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=5e-4)
    loader = DataLoader(Images(data.train.x, data.train.labels), batch_size=BATCH, shuffle=True)
    batches = _forever(lambda: iter(loader))

    def step() -> None:
        x, _ = next(batches)
        q = OneHotCategorical(logits=encoder(x).view(-1, 4, 8))
        z = q.sample()
        bce = functional.binary_cross_entropy(decoder(z.flatten(1)), x, reduction="none").sum(-1)
        score = (bce.detach() - 125) * q.log_prob(z).sum(-1)
        loss = (bce + score - q.entropy().sum(-1)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return lambda steps: _time(step, steps)


def hand_written(data: Splits) -> Block:
    """The loop a user would write around this library's model."""
    model = _model()
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-4, fused=True)
    batches = _forever(lambda: iter(Batches(data.train, BATCH, data.binarizer)))

    def step() -> None:
        loss = -model.objective(as_batch(next(batches)).x).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return lambda steps: _time(step, steps)


def trainer(data: Splits) -> Block:
    """The same through `train`: bar, logs, checkpoints; the ELBOs after the epoch not counted."""

    def block(steps: int) -> float:
        part = Splits(
            "mnist",
            data.train.take(slice(0, steps * BATCH)),
            data.validation.take(slice(0, BATCH)),
            data.test.take(slice(0, BATCH)),
            binarizer=data.binarizer,
        )
        options = dv.TrainingOptions(
            epochs=1,
            batch_size=100,
            optimizer="adam",
            patience=0,
            learning_rate=5e-4,
            decay="constant",
        )
        with tempfile.TemporaryDirectory() as folder:  # with all logs, as a run has them
            return dv.train(_model(), part, options, folder)[-1]["seconds"]

    return block


def matrix_products() -> Block:
    """Only the products of forward and backward, on tensors of the same shapes."""
    weights = [torch.randn(a, b) for a, b in pairwise(SIZES)]
    inputs = [torch.randn(BATCH, size) for size in SIZES]

    def step() -> None:
        for x, w in zip(inputs, weights, strict=False):
            _ = x @ w
        for i, (x, w) in enumerate(zip(inputs, weights, strict=False)):
            _ = x.T @ inputs[i + 1]
            if i:
                _ = inputs[i + 1] @ w.T

    return lambda steps: _time(step, steps)


def _model() -> dv.DiscreteVAE:
    return dv.DiscreteVAE(
        (1, 28, 28), 4, 8, "tutorial", estimator=Reinforce(samples=1, baseline=-125.0)
    )


def _layers(sizes: tuple[int, ...]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    return layers[:-1]


def _forever(epoch: Callable[[], Iterator[T]]) -> Iterator[T]:
    while True:
        yield from epoch()


def _time(step: Callable[[], None], steps: int) -> float:
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--output", type=Path, default=None)
    arguments = parser.parse_args()
    data = dv.load_data("mnist", binarize="fresh")
    blocks = {
        "plain recipe": plain_recipe(data),
        "hand-written loop": hand_written(data),
        "trainer": trainer(data),
        "matrix products": matrix_products(),
    }
    seconds: dict[str, list[float]] = {name: [] for name in blocks}
    for number in range(arguments.rounds + 1):
        for name, block in blocks.items():
            taken = block(arguments.steps)
            if number:  # the first round warms up
                seconds[name].append(taken / arguments.steps)
    pairs = [
        ("trainer", "plain recipe"),
        ("hand-written loop", "plain recipe"),
        ("trainer", "matrix products"),
        ("hand-written loop", "matrix products"),
        ("trainer", "hand-written loop"),
    ]
    ratios = {
        f"{a} / {b}": statistics.median(x / y for x, y in zip(seconds[a], seconds[b], strict=True))
        for a, b in pairs
    }
    record = {
        "milliseconds_per_step": {k: 1e3 * statistics.median(v) for k, v in seconds.items()},
        "median_ratio": ratios,
        "rounds": arguments.rounds,
        "steps_per_round": arguments.steps,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "machine": platform.processor() or platform.machine(),
    }
    print(json.dumps(record, indent=2))
    if arguments.output:
        arguments.output.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
