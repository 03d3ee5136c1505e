"""Trains and encodes from disk beside memory, and writes results/streaming.json and its page.

Speed: epochs of MNIST as a file, of the command's default model, in turns. Encoding: the same file,
beside the bare forward pass over observations in memory. Memory: a file of MNIST many times over,
trained on for an epoch in a process of its own.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import torch

from discretevae.codes import batch_size, encode_file
from discretevae.data import (
    BINARIZERS,
    Splits,
    Stream,
    generator,
    in_memory,
    load,
    open_blocks,
)
from discretevae.data.streams import WINDOW
from discretevae.experiments.folder import versions
from discretevae.models import DiscreteVAE
from discretevae.networks import MLP
from discretevae.training import TrainingOptions, train

RESULTS = Path(__file__).parent.parent / "results"
GROUP = 2**12
"""Rows of a row group."""
PEAK = r"""
import re, sys
from pathlib import Path
from discretevae.data import load
from discretevae.models import DiscreteVAE
from discretevae.training import TrainingOptions, train
options = TrainingOptions(
    epochs=1, batch_size=1000, optimizer="adam", patience=0, progress_bar=False
)
kind, path = sys.argv[1:]
data = load(path, binarize="fresh", validation=0.001, test=0.001, stream=kind == "stream")
train(DiscreteVAE(data.shape), data, options)
# Not getrusage: what it says begins with the memory of the process that started this one.
print(int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1]) * 1024)
"""


def write_parquet(path: Path, x: np.ndarray) -> None:
    columns = {f"pixel {i}": column for i, column in enumerate(x.reshape(len(x), -1).T)}
    pyarrow.parquet.write_table(pa.table(columns), path, row_group_size=GROUP)


def seconds_an_epoch(data: Splits) -> float:
    """Of the second epoch: the first also warms up."""
    torch.manual_seed(0)
    options = TrainingOptions(
        epochs=2, batch_size=100, optimizer="adam", patience=0, progress_bar=False
    )
    history = train(DiscreteVAE(data.shape), data, options)
    return history[1]["seconds"] - history[0]["seconds"]


def seconds_read(data: Splits) -> float:
    """Of going through all training examples without training."""
    assert isinstance(data.train, Stream)
    started = time.perf_counter()
    for _ in data.train.shuffled(100, torch.Generator()):
        pass
    return time.perf_counter() - started


def encoding_seconds(path: Path, turns: int) -> dict[str, list[float]]:
    """Of all images of a file, each way in its turn."""
    torch.manual_seed(0)
    model = DiscreteVAE((1, 28, 28), 20, 10, MLP((512, 256))).eval()
    size, blocks = batch_size(model), open_blocks(path)
    x = torch.cat(list(blocks.seen(size, BINARIZERS["threshold"])))
    found: dict[str, list[float]] = {}

    def bare() -> None:
        with torch.inference_mode():
            for part in x.split(size):
                model.logits(part)

    def ours(binarize: str) -> None:
        draws = generator("file", 0)
        encode_file(model, blocks, path.with_name("codes.npz"), BINARIZERS[binarize], draws)

    ways: dict[str, Callable[[], None]] = {
        "bare forward pass": bare,
        "encode, thresholded": lambda: ours("threshold"),
        "encode, drawn once": lambda: ours("fixed"),
    }
    for _ in range(turns):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            found.setdefault(name, []).append(time.perf_counter() - started)
    return found


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
    record["images"] = len(images)
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
        (record["rows"],) = {len(data.train) for data in ways.values()}  # the same work for all
        record["seconds_an_epoch"] = found
        record["seconds_read"] = {
            name: seconds_read(data) for name, data in ways.items() if name != "memory"
        }
        record["encoding_seconds"] = encoding_seconds(npy, 3 * given.turns)
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


def _compared(seconds: dict[str, list[float]]) -> dict[str, str]:
    """Way → its cells: seconds, and speed against the first way."""
    first = next(iter(seconds.values()))
    cells = {}
    for name, some in seconds.items():
        ratios = [a / b for a, b in zip(first, some, strict=True)]
        speed = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        cells[name] = f"{statistics.median(some):.2f} | {speed}"
    return cells


def _page(record: dict[str, Any]) -> str:
    lines = []
    for name, cells in _compared(record["seconds_an_epoch"]).items():
        read = record["seconds_read"].get(name)
        last = "–" if read is None else f"{read:.2f}"
        lines.append(f"| {name} | {cells} | {last} |")
    encoded = [f"| {name} | {c} |" for name, c in _compared(record["encoding_seconds"]).items()]
    peaks = [f"| {name} | {size / 2**20:,.0f} |" for name, size in record["peak_bytes"].items()]
    machine, torch_version = record["versions"]["machine"], record["versions"]["torch"]
    return (
        "\n\n".join(
            [
                "# Training from disk",
                f"`python benchmarks/streaming.py`; {machine}, {record['cores']} cores, torch "
                f"{torch_version}, {len(record['seconds_an_epoch']['memory'])} turns. MNIST as a "
                f"file, of which {record['rows']:,} images are trained on; batches of 100, the "
                "tutorial's network, a fresh Bernoulli draw of every pixel. Ways take turns, so "
                "that the machine is alike for all. Speed: epochs a second against those from "
                "memory, the median and the range over turns.",
                "| training examples | s/epoch | speed | s to read alone |\n|---|---|---|---|\n"
                + "\n".join(lines),
                f"Memory of a process, all in all, that trains an epoch on a file of "
                f"{record['file_bytes'] / 2**20:,.0f} MiB; the window is "
                f"{record['window'] / 2**20:.0f} MiB, and at most four of them are in memory:",
                "| training examples | peak, MiB |\n|---|---|\n" + "\n".join(peaks),
                f"Encoding the {record['images']:,} images of the file, 784-512-256 units, 20 × 10 "
                "latents, beside the encoder alone over observations that are in memory as it "
                "takes them:",
                "| | s | speed |\n|---|---|---|\n" + "\n".join(encoded),
            ]
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
