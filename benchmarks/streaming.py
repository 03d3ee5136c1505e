"""Trains from disk and from memory side by side, and writes results/streaming.json and its page.

Speed: MNIST as a file, epochs of the command's default model, in turns. Memory: a file of MNIST
many times over, trained on for an epoch in a process of its own.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import torch

from discretevae.data import Splits, Stream, in_memory, load
from discretevae.data.streams import WINDOW
from discretevae.models import DiscreteVAE
from discretevae.runs import versions
from discretevae.training import TrainingOptions, train

RESULTS = Path(__file__).parent.parent / "results"
GROUP = 2**12
"""Rows of a row group."""
PEAK = """
import resource, sys, torch
from discretevae.data import load
from discretevae.models import DiscreteVAE
from discretevae.training import TrainingOptions, train
options = TrainingOptions(epochs=1, batch_size=1000, patience=0, progress_bar=False)
kind, path = sys.argv[1:]
data = load(path, binarize="fresh", validation=0.001, test=0.001, stream=kind == "stream")
train(DiscreteVAE(data.shape), data, options)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def write_parquet(path: Path, x: np.ndarray) -> None:
    columns = {f"pixel {i}": column for i, column in enumerate(x.reshape(len(x), -1).T)}
    pyarrow.parquet.write_table(pa.table(columns), path, row_group_size=GROUP)


def seconds_an_epoch(data: Splits) -> float:
    """Of the second epoch: the first also warms up."""
    torch.manual_seed(0)
    options = TrainingOptions(epochs=2, patience=0, progress_bar=False)
    history = train(DiscreteVAE(data.shape), data, options)
    return history[1]["seconds"] - history[0]["seconds"]


def seconds_read(data: Splits) -> float:
    """Of going through all training examples without training."""
    assert isinstance(data.train, Stream)
    started = time.perf_counter()
    for _ in data.train.shuffled(100, torch.Generator()):
        pass
    return time.perf_counter() - started


def peak(kind: str, path: Path) -> int:
    """Bytes of a process that trains an epoch."""
    command = [sys.executable, "-W", "ignore", "-c", PEAK, kind, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--gigabytes", type=float, default=3.0)
    given = parser.parse_args()
    images = in_memory(load("mnist").train).x[:, 0].numpy()
    record: dict[str, Any] = {"versions": versions(), "cores": os.cpu_count(), "window": WINDOW}
    with tempfile.TemporaryDirectory() as folder:
        npy, parquet = Path(folder) / "x.npy", Path(folder) / "x.parquet"
        np.save(npy, images)
        write_parquet(parquet, images)
        ways = {
            "memory": load(npy, binarize="fresh"),
            ".npy on disk": load(npy, binarize="fresh", stream=True),
            ".parquet on disk": load(parquet, binarize="fresh", stream=True),
        }
        found: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(given.turns):
            for name, data in ways.items():
                found[name].append(seconds_an_epoch(data))
                print(turn, name, round(found[name][-1], 2), flush=True)
        record["seconds_an_epoch"] = found
        record["seconds_read"] = {
            name: seconds_read(data) for name, data in ways.items() if name != "memory"
        }
        large = Path(folder) / "large.npy"
        rows = int(given.gigabytes * 2**30) // images[0].size
        file = np.lib.format.open_memmap(large, "w+", np.uint8, (rows, *images[0].shape))
        for start in range(0, rows, len(images)):
            file[start : start + len(images)] = images[: rows - start]
        del file
        record["file_bytes"] = large.stat().st_size
        record["peak_bytes"] = {
            "a small file on disk": peak("stream", npy),
            "the large file on disk": peak("stream", large),
            "the large file in memory": peak("memory", large),
        }
        print(record["peak_bytes"])
    (RESULTS / "streaming.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    (RESULTS / "streaming.md").write_text(_page(record), encoding="utf-8")


def _page(record: dict[str, Any]) -> str:
    memory = record["seconds_an_epoch"]["memory"]
    lines = []
    for name, seconds in record["seconds_an_epoch"].items():
        ratios = [m / s for m, s in zip(memory, seconds, strict=True)]
        read = record["seconds_read"].get(name)
        lines.append(
            f"| {name} | {statistics.median(seconds):.2f} | {statistics.median(ratios):.2f} "
            f"({min(ratios):.2f} to {max(ratios):.2f}) | {'–' if read is None else f'{read:.2f}'} |"
        )
    peaks = [f"| {name} | {size / 2**20:,.0f} |" for name, size in record["peak_bytes"].items()]
    machine, torch_version = record["versions"]["machine"], record["versions"]["torch"]
    return (
        "\n\n".join(
            [
                "# Training from disk",
                f"`python benchmarks/streaming.py`; {machine}, {record['cores']} cores, torch "
                f"{torch_version}. Epochs of MNIST images (the training part of 54,000), batches of 100, "
                "the tutorial's network, a fresh Bernoulli draw of every pixel; ways take turns, so that "
                "is alike for all. Speed: epochs a second against those from memory, the median and "
                "the range over turns.",
                "| training examples | s/epoch | speed | s to read alone |\n|---|---|---|---|\n"
                + "\n".join(lines),
                f"Memory of a process, all in all, that trains an epoch on a file of "
                f"{record['file_bytes'] / 2**20:,.0f} MiB; the window is "
                f"{record['window'] / 2**20:.0f} MiB, and at most four of them are in memory:",
                "| training examples | peak, MiB |\n|---|---|\n" + "\n".join(peaks),
            ]
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
