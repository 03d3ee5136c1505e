"""The mixture as a module."""

import json
import subprocess
import sys

import pytest
import torch
from torch import Tensor

import discretevae
from discretevae.routing import ROUTERS, MixtureOfExperts, MLPExperts

SCRIPT = """
import copy, json, sys, torch
from discretevae.routing import ROUTERS, MixtureOfExperts, MLPExperts

x, target = torch.randn(40, 6), torch.randn(40, 3)

def gradient(layer, step):
    layer.zero_grad()
    torch.manual_seed(1)
    step().backward()
    return torch.cat([p.grad.flatten() for p in layer.parameters()])

found = {}
for name in json.loads(sys.argv[1]):
    torch.manual_seed(0)
    layer = MixtureOfExperts(MLPExperts(5, 6, 8, 3), name, balance=0.1)

    def step():
        loss, _, cost = layer.expected(lambda y: (y - target).square().sum(-1), x)
        return loss.mean() + cost

    state = copy.deepcopy(layer.state_dict())
    torch._dynamo.reset()
    ours = gradient(layer, torch.compile(step, fullgraph=True, backend="aot_eager"))
    layer.load_state_dict(state)
    found[name] = float((ours - gradient(layer, step)).norm() / ours.norm())
    torch._dynamo.reset()
    layer.eval()
    whole = torch.compile(layer, fullgraph=True, backend="aot_eager")
    found[name] += float((whole(x).values - layer(x).values).abs().max())
print(json.dumps(found))
"""


@pytest.mark.parametrize(
    "names", [["rloo", "sparsemixer-v2"], pytest.param([*ROUTERS], marks=pytest.mark.audit)]
)
def test_one_graph(names: list[str]) -> None:
    """Steps and inference; in a process of its own, without the checks of shapes."""
    command = [sys.executable, "-c", SCRIPT, json.dumps(names)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert [*found] == names
    assert max(found.values()) < 1e-5


def test_is_exported() -> None:
    assert discretevae.MixtureOfExperts is MixtureOfExperts
    assert discretevae.ROUTERS is ROUTERS
    assert discretevae.MLPExperts is MLPExperts


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"router": "swich"}, "`router` must be one of exact, .*did you mean 'switch'"),
        ({"top": 3}, "`top` must be 1 or 2 and below the 4 experts, got 3"),
        ({"top": 0}, "`top` must be 1 or 2 and below the 4 experts, got 0"),
        ({"balance": -1.0}, "`balance` must be at least 0, got -1.0"),
        ({"balance": float("nan")}, "`balance` must be at least 0, got nan"),
        ({"router": "switch", "gated": False}, "`gated` must be True with Switch"),
        ({"router": "sparsemixer-v2", "gated": False}, "`gated` must be True with SparseMixer"),
    ],
)
def test_options_out_of_range(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MixtureOfExperts(MLPExperts(4, 6, 8, 3), **options)


def test_tokens_of_another_size() -> None:
    layer = MixtureOfExperts(MLPExperts(4, 6, 8, 3))
    with pytest.raises(ValueError, match=r"`x` must be \(\*B, 6\), got \(5, 7\)"):
        layer(torch.randn(5, 7))


@pytest.mark.parametrize("router", ["exact", "rloo", "switch"])
@pytest.mark.parametrize("training", [True, False])
def test_a_loss_of_another_shape(router: str, training: bool) -> None:
    layer = MixtureOfExperts(MLPExperts(4, 6, 8, 3), router).train(training)
    with pytest.raises(ValueError, match=r"`loss` must return \(\d, 5\), got"):
        layer.expected(Tensor.sum, torch.randn(5, 6))


def test_within_a_network() -> None:
    """Gradients reach what comes before, and the gate's own."""
    torch.manual_seed(0)
    before, layer = torch.nn.Linear(4, 6), MixtureOfExperts(MLPExperts(4, 6, 8, 6), top=2)
    h = before(torch.randn(3, 7, 4))
    (h + layer(h).values).square().mean().backward()
    assert before.weight.grad is not None
    assert layer.gate.weight.grad is not None
    assert layer.gate.weight.grad.abs().sum() > 0
