"""Two processes with half of a batch each do what one does with all of it."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

SCRIPT = """
import sys
import torch
from torch import distributed
from discretevae.latents.quantisers import (
    BinarySphericalQuantiser, DiVeQ, LookupFreeQuantiser, SimVQ, VectorQuantiser, Whitening,
)

rank, processes, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
if processes > 1:
    at = f"file://{folder}/meeting"
    distributed.init_process_group("gloo", init_method=at, rank=rank, world_size=processes)

def whitened(z):
    values = whitening(z)
    return values, torch.zeros(len(z)), torch.zeros(len(z))

whitening = Whitening(4)
KINDS = {
    "vq": lambda: VectorQuantiser(32, 4),
    "vq by gradient": lambda: VectorQuantiser(32, 4, by_gradient=True),
    "diveq": lambda: DiVeQ(32, 4),
    "simvq": lambda: SimVQ(32, 4),
    "lfq": lambda: LookupFreeQuantiser(4),
    "bsq": lambda: BinarySphericalQuantiser(4),
}
found = {}
for name, make in [*KINDS.items(), ("whitening", None)]:
    torch.manual_seed(0)
    quantiser, run = (make(), None) if make else (whitening, whitened)
    data = torch.Generator().manual_seed(1)
    for step in range(4):
        z = (0.01 if name in ("lfq", "bsq") else 1) * torch.randn(150, 4, generator=data) + step
        cut = 150 * rank // processes - 20 * (rank == 1), 150 * (rank + 1) // processes
        if processes > 1 and rank == 0:
            cut = cut[0], cut[1] - 20  # the parts are of different sizes
        mine = z[cut[0] : cut[1]].clone().requires_grad_()
        weights = [p for p in quantiser.parameters()]
        values, codes, cost = (run or quantiser)(mine)
        grads = torch.autograd.grad(
            values.square().sum() + cost.sum(), [mine, *weights], allow_unused=True
        )
        of_weights = [torch.zeros_like(w) if g is None else g for w, g in zip(weights, grads[1:])]
        if processes > 1:
            for grad in of_weights:
                distributed.all_reduce(grad)
        with torch.no_grad():
            for weight, grad in zip(weights, of_weights):
                weight -= 1e-4 * grad
        found[name, step, "rows"] = [values.detach(), codes, cost.detach(), grads[0]]
        found[name, step, "state"] = [*of_weights, *quantiser.state_dict().values()]
        found[name, step, "state"] = [value.clone() for value in found[name, step, "state"]]
torch.save(found, f"{folder}/{processes}-{rank}.pt")
"""


def run(processes: int, folder: Path) -> list[dict[tuple[str, int, str], list[Tensor]]]:
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT]
    ranks = [str(rank) for rank in range(processes)]
    started = [
        subprocess.Popen([*command, rank, str(processes), str(folder)], stderr=subprocess.PIPE)
        for rank in ranks
    ]
    for process in started:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()[-3000:]
    return [torch.load(folder / f"{processes}-{rank}.pt") for rank in ranks]


@pytest.fixture(scope="module")
def ways(
    tmp_path_factory: pytest.TempPathFactory,
) -> list[dict[tuple[str, int, str], list[Tensor]]]:
    folder = tmp_path_factory.mktemp("processes")
    return [*run(1, folder), *run(2, folder)]


@pytest.mark.parametrize(
    "name", ["vq", "vq by gradient", "diveq", "simvq", "lfq", "bsq", "whitening"]
)
def test_two_processes_are_one(
    name: str, ways: list[dict[tuple[str, int, str], list[Tensor]]]
) -> None:
    """Start, averages, revival, entropies, noise and gradients: each alone would differ by more."""
    one, first, second = ways
    for step in range(4):
        rows = zip(*(way[name, step, "rows"] for way in ways), strict=True)
        for alone, a, b in rows:
            torch.testing.assert_close(torch.cat([a, b]), alone, rtol=1e-3, atol=1e-4)
        states = (way[name, step, "state"] for way in (one, first, second))
        for alone, a, b in zip(*states, strict=True):
            torch.testing.assert_close(a, alone, rtol=1e-3, atol=1e-4)
            torch.testing.assert_close(b, a, rtol=1e-6, atol=1e-6)


def test_half_of_a_batch_alone_is_seen_to_differ(
    ways: list[dict[tuple[str, int, str], list[Tensor]]],
) -> None:
    one, first, _ = ways
    counted = torch.bincount(first["vq", 0, "rows"][1], minlength=32)
    assert not torch.equal(counted, torch.bincount(one["vq", 0, "rows"][1], minlength=32))
