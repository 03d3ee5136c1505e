"""A training step of vector quantisation beside the same of vector-quantize-pytorch, in turns.

The quantiser alone, forward and backward, in one thread: 3,136 vectors of 64 numbers (64 images of
7 × 7), moving averages, revival, straight-through, both from the same codebook. Counted is CPU
time, which others on the machine do not stretch; a ratio is that of two neighbouring steps, and at
least 2.5 is asked.

    OMP_NUM_THREADS=1 python benchmarks/quantiser_speed.py [--rounds 30] [--output results]
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from vector_quantize_pytorch import VectorQuantize

from discretevae.files import write_text
from discretevae.latents.quantisers import VectorQuantiser

VECTORS, DIM = 3136, 64
SIZES = (512, 1024, 2048, 4096, 8192)
ASKED = 2.5
WARM = 3
"""Steps of each that are not counted."""


def pair(num_codes: int) -> tuple[nn.Module, nn.Module]:
    """Makes both, with one codebook."""
    ours = VectorQuantiser(num_codes, DIM)
    theirs = VectorQuantize(
        dim=DIM,
        codebook_size=num_codes,
        decay=0.99,
        commitment_weight=0.25,
        rotation_trick=False,
        threshold_ema_dead_code=0.1 * VECTORS / num_codes,
    )
    vectors = torch.randn(num_codes, DIM)
    ours.start_from(vectors, VECTORS / num_codes)
    theirs._codebook.embed.data.copy_(vectors[None])
    theirs._codebook.embed_avg.copy_(VECTORS / num_codes * vectors[None])
    theirs._codebook.cluster_size.fill_(VECTORS / num_codes)
    return ours, theirs


def stepper(quantiser: nn.Module, z: Tensor) -> Callable[[], float]:
    """Makes a function that takes one step, and gives its CPU seconds."""

    def step() -> float:
        vectors = z.clone().requires_grad_()
        start = time.process_time()
        values, _, cost = quantiser(vectors)
        (values.sum() + cost.mean()).backward()
        return time.process_time() - start

    return step


def measure(num_codes: int, rounds: int) -> dict[str, float]:
    """Medians over rounds: milliseconds of a step of each, and their ratio."""
    torch.manual_seed(0)
    z = torch.randn(64, VECTORS // 64, DIM)
    ours, theirs = (stepper(quantiser, z) for quantiser in pair(num_codes))
    seconds = [(ours(), theirs()) for _ in range(WARM + rounds)][WARM:]
    ratios = sorted(their / own for own, their in seconds)
    return {
        "discretevae_ms": 1e3 * statistics.median(own for own, _ in seconds),
        "vector_quantize_pytorch_ms": 1e3 * statistics.median(their for _, their in seconds),
        "ratio": statistics.median(ratios),
        "lower_quartile": ratios[len(ratios) // 4],
        "upper_quartile": ratios[3 * len(ratios) // 4],
    }


def page(found: dict[int, dict[str, float]], command: str) -> str:
    """Writes the table."""
    rows = [
        f"| {size:,} | {row['discretevae_ms']:.1f} | {row['vector_quantize_pytorch_ms']:.1f} | "
        f"{row['ratio']:.1f} ({row['lower_quartile']:.1f} to {row['upper_quartile']:.1f}) |"
        for size, row in found.items()
    ]
    lines = [
        "# Speed of vector quantisation",
        "",
        f"A training step of the quantiser alone, forward and backward: {VECTORS:,} vectors of "
        f"{DIM} numbers, moving averages, revival of dead codes, straight-through, one thread, "
        "CPU time. "
        "Both take turns; medians, and of the ratio the quartiles. At least 2.5 times as fast is "
        "asked.",
        "",
        "| K | discretevae, ms | vector-quantize-pytorch, ms | times as fast |",
        "|---:|---:|---:|---:|",
        *rows,
        "",
        f"`{command}`, seed 0, torch {torch.__version__}, {platform.machine()}.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--output", type=Path, default=Path("results"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = {}
    for size in SIZES:
        found[size] = measure(size, arguments.rounds)
        print(size, json.dumps(found[size]), flush=True)
    command = f"python benchmarks/quantiser_speed.py --rounds {arguments.rounds}"
    record = {
        "quantisers": found,
        "asked": ASKED,
        "vectors": VECTORS,
        "dim": DIM,
        "seed": 0,
        "command": command,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
    }
    write_text(arguments.output / "quantiser_speed.json", json.dumps(record, indent=1) + "\n")
    write_text(arguments.output / "quantiser_speed.md", page(found, command))


if __name__ == "__main__":
    main()
