"""Layers and expectations are captured as one graph, at every temperature.

In a process of its own: the checks of shapes that tests run with are no part of a graph. Without
a C++ compiler, which not every machine has: the graph is captured whole and run as it is.
"""

import json
import subprocess
import sys

import pytest

CASES = [
    *("one-hot straight-through", "one-hot reinmax"),
    *("subset simple", "subset gumbel-top-k"),
    *("expected rloo", "expected reinmax", "expected exact", "kl", "autocast"),
]

SCRIPT = """
import json, sys, torch
from discretevae.choices import OneHotChoice, SubsetChoice, expected

def f(z):
    return (z * torch.arange(4.0)).sum((-2, -1)).square()

def made(case):
    kind, _, name = case.partition(" ")
    if kind == "subset":
        return SubsetChoice(12, 3, name)
    if kind == "expected":
        return lambda x: expected(f, x.unflatten(-1, (3, 4)), name)
    layer = OneHotChoice(3, 4, name or "reinmax", uniform=0.01)
    if kind == "kl":
        return lambda x: layer.balanced_kl(x, x.flip(0), free_nats=0.1) + layer.kl(x, x.flip(0))
    return layer

def gradient(call, mixed=False):
    torch.manual_seed(0)
    x = torch.randn(5, 12, generator=torch.Generator().manual_seed(1), requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        y = call(x)
    (y.flatten() * torch.arange(float(y.numel()))).sum().backward()
    return x.grad

found = {}
for case in json.loads(sys.argv[1]):
    torch._dynamo.reset()
    call, mixed = made(case), case == "autocast"
    graph = torch.compile(call, fullgraph=True, backend="aot_eager")
    worst = 0.0
    for step in range(12 if case == "one-hot reinmax" else 1):  # PyTorch compiles 8 times at most
        if step:
            call.temperature = 1.0 - step / 20
        ours, theirs = gradient(graph, mixed), gradient(call, mixed)
        worst = max(worst, float((ours - theirs).abs().max() / theirs.abs().max()))
    found[case] = worst
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def differences() -> dict[str, float]:
    """What was compiled → how far its gradient is from that of what was not."""
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, json.dumps(CASES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("case", CASES)
def test_one_graph(case: str, differences: dict[str, float]) -> None:
    assert differences[case] < 1e-5
