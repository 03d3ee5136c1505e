"""Seconds of a step of sparse autoencoders beside SAELens and sparsify, and memory; `results/`.

d 512, width 8,192, batch 4,096, k 32, one thread. A step is forward, backward, clipping, Adam and
what each library does to its decoder; ours has the moving average of the weights besides. The
libraries take turns, so that what else the machine does falls on all; seconds are those of the
processor, the least of some turns. The unit is the product x·W_enc alone.

    python benchmarks/sparse_speed.py [--turns 3] [--output results]
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from discretevae.files import write_text
from discretevae.sparse import SPARSE_KINDS

DIM, WIDTH, BATCH, K = 512, 8192, 4096, 32
WIDE = 65_536
OURS = ("topk", "batch-topk", "jumprelu", "matryoshka", "relu", "gated")


def ours(kind: str, x: Tensor, width: int = WIDTH) -> Callable[[], Any]:
    """A step as the trainer takes it."""
    from discretevae.data.activations import load_activations
    from discretevae.training.sparse_module import SparseModule
    from discretevae.training.sparse_options import SparseOptions

    torch.manual_seed(0)
    model = SPARSE_KINDS[kind](x.shape[1], width, K)
    options = SparseOptions(steps=1000, batch_size=len(x), accelerator="cpu", progress_bar=False)
    data = load_activations(torch.cat([x, x]))
    module = SparseModule(model, data, options)
    module.start()
    optimizer = module.configure_optimizers()
    average: list[Tensor] = list(module.average.parameters())

    def step() -> None:
        found = model.objective(x, None, module.count.dead)
        optimizer.zero_grad()
        (found.loss / x.shape[1]).backward()
        model.before_step()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        model.after_step(float(found.l0))
        module.count.see(found.fired, len(x))
        with torch.no_grad():
            torch._foreach_lerp_(average, [*model.parameters()], 0.001)

    return step


def saelens(name: str, x: Tensor) -> Callable[[], Any]:
    """A step as SAELens' trainer takes it."""
    import sae_lens
    from sae_lens.saes.sae import TrainStepInput

    sizes = {"d_in": DIM, "d_sae": WIDTH}
    torch.manual_seed(0)
    made: dict[str, Callable[[], Any]] = {
        "topk": lambda: sae_lens.TopKTrainingSAE(sae_lens.TopKTrainingSAEConfig(**sizes, k=K)),
        "batch-topk": lambda: sae_lens.BatchTopKTrainingSAE(
            sae_lens.BatchTopKTrainingSAEConfig(**sizes, k=K)
        ),
        "jumprelu": lambda: sae_lens.JumpReLUTrainingSAE(
            sae_lens.JumpReLUTrainingSAEConfig(**sizes)
        ),
    }
    sae = made[name]()
    optimizer = torch.optim.Adam(sae.parameters(), 3e-4)
    coefficients = {name: c.value for name, c in coefficients_of(sae).items()}
    dead = torch.zeros(WIDTH, dtype=torch.bool)

    def step() -> None:
        found = sae.training_forward_pass(
            TrainStepInput(
                sae_in=x,
                coefficients=coefficients,
                dead_neuron_mask=dead,
                n_training_steps=1,
                is_logging_step=False,
            )
        )
        optimizer.zero_grad()
        found.loss.backward()
        torch.nn.utils.clip_grad_norm_(sae.parameters(), 1.0)
        optimizer.step()

    return step


def coefficients_of(sae: Any) -> dict[str, Any]:
    from sae_lens.saes.sae import TrainCoefficientConfig

    return {
        name: c if isinstance(c, TrainCoefficientConfig) else TrainCoefficientConfig(c, 0)
        for name, c in sae.get_coefficients().items()
    }


def sparsify(x: Tensor) -> Callable[[], Any]:
    """A step as sparsify's trainer takes it."""
    from sparsify import SparseCoder, SparseCoderConfig

    torch.manual_seed(0)
    coder = SparseCoder(DIM, SparseCoderConfig(num_latents=WIDTH, k=K))
    optimizer = torch.optim.Adam(coder.parameters(), 2e-4)

    def step() -> None:
        coder.set_decoder_norm_to_unit_norm()
        found = coder(x)
        optimizer.zero_grad()
        found.fvu.backward()
        coder.remove_gradient_parallel_to_decoder_directions()
        torch.nn.utils.clip_grad_norm_(coder.parameters(), 1.0)
        optimizer.step()

    return step


def seconds(step: Callable[[], Any]) -> float:
    start = time.process_time()
    step()
    return time.process_time() - start


def measure(turns: int) -> dict[str, float]:
    """The least processor seconds of each, which take turns."""
    torch.manual_seed(0)
    x = torch.randn(BATCH, DIM)
    weight = torch.randn(DIM, WIDTH) / DIM**0.5
    steps: dict[str, Callable[[], Any]] = {
        "x·W_enc": lambda: x @ weight,
        **{f"ours: {kind}": ours(kind, x) for kind in OURS},
        "sparsify: topk": sparsify(x),
        **{f"SAELens: {name}": saelens(name, x) for name in ("topk", "batch-topk", "jumprelu")},
    }
    for name, step in steps.items():
        print(name, "first", round(seconds(step), 3), flush=True)
    found = {name: float("inf") for name in steps}
    for _ in range(turns):
        for name, step in steps.items():
            found[name] = min(found[name], seconds(step))
            print(name, round(found[name], 3), flush=True)
    return found


def wide() -> float:
    """MiB that two top-k steps of a wide autoencoder take, in a process of their own."""
    run = [sys.executable, __file__, "--wide"]
    return float(subprocess.run(run, capture_output=True, text=True, check=True).stdout)


def wide_itself() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    step = ours("topk", torch.randn(BATCH, DIM), WIDE)
    step()
    step()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def page(found: dict[str, Any]) -> str:
    """The results as a page."""
    times, product = found["seconds"], found["seconds"]["x·W_enc"]
    lines = [
        "# Speed of sparse autoencoders",
        "",
        f"d {DIM}, width {WIDTH:,}, batch {BATCH:,}, k {K}, float32, one thread; SAELens "
        f"{found['versions']['sae-lens']}, sparsify {found['versions']['eai-sparsify']}, torch "
        f"{found['versions']['torch']}, {found['versions']['machine']}. Seconds of the processor a "
        "step, the least of some turns that all take one after the other; in products, beside "
        "x·W_enc alone.",
        "",
        "| step | seconds | products |",
        "|---|---|---|",
        *(f"| {name} | {value:.2f} | {value / product:.2f} |" for name, value in times.items()),
        "",
        f"A top-k step at width {WIDE:,}: {found['wide_mib'] / 1024:.1f} GiB of memory at most, "
        "Adam's state and the average of the weights among it.",
        "",
        "Command: `python benchmarks/sparse_speed.py`; `sparse_speed.json` has the figures.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--wide", action="store_true")
    parser.add_argument("--output", type=Path, default=Path("results"))
    given = parser.parse_args()
    if given.wide:
        wide_itself()
        return
    torch.set_num_threads(1)
    found: dict[str, Any] = {
        "versions": {
            **{name: version(name) for name in ("torch", "sae-lens", "eai-sparsify")},
            "machine": f"{platform.machine()}, two cores, shared",
        },
        "wide_mib": wide(),
        "seconds": measure(given.turns),
    }
    write_text(given.output / "sparse_speed.json", json.dumps(found, indent=1) + "\n")
    write_text(given.output / "sparse_speed.md", page(found))


if __name__ == "__main__":
    main()
