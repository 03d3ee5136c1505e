"""Training steps and encoding are captured as one graph.

In a process of its own: the checks of shapes that tests run with are no part of a graph. Without
a C++ compiler, which not every machine has: the graph is captured whole and run as it is.
"""

import json
import subprocess
import sys

import pytest

from discretevae.estimators import ESTIMATORS

GRADIENTS_OF_THEIR_OWN = {"nvil", "muprop", "double-cv", "rodeo", "rebar", "relax"}
"""They differentiate f, or parameters of their own, within a step."""
STREAMS_OF_THEIR_OWN = {"gumbel-rao", "reinmax-rao", "reinmax-cv"}
"""They make a stream of draws in the backward pass."""
OTHERS = {"unordered-set"}
ONE_GRAPH = sorted(ESTIMATORS.keys() - GRADIENTS_OF_THEIR_OWN - STREAMS_OF_THEIR_OWN - OTHERS)

SCRIPT = """
import copy, json, sys
import torch
from discretevae.estimators import ESTIMATORS
from discretevae.models import DiscreteVAE, GaussianVAE
from discretevae.networks import CNN, MLP

x = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0)).round()

def compiled(f):
    torch._dynamo.reset()
    return torch.compile(f, fullgraph=True, backend="aot_eager")

def gradients(step, model):
    model.zero_grad()
    torch.manual_seed(1)
    (-step(x)).backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])

def difference(model, mixed=False):
    def step(x):
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            return model.objective(x).mean()
    state = copy.deepcopy(model.state_dict())  # a moving average is part of it
    ours = gradients(compiled(step), model)
    model.load_state_dict(state)
    theirs = gradients(step, model)
    assert ours.dtype == torch.float32
    return float((ours - theirs).norm() / theirs.norm())

def model(kind="reinmax", K=4, network=MLP((8,)), **options):
    torch.manual_seed(0)
    return DiscreteVAE((1, 8, 8), 3, K, network, estimator=kind, **options)

found = {}
for name in json.loads(sys.argv[1]):
    kind = ESTIMATORS[name]
    found[name] = difference(model(kind(), 2 if kind.binary_only else 4))
found["learned prior"] = difference(model(prior="learned"))
found["autoregressive prior"] = difference(model(prior="autoregressive"))
found["CNN"] = difference(model(network=CNN((4,))))
torch.manual_seed(0)
found["Gaussian"] = difference(GaussianVAE((1, 8, 8), 3, MLP((8,))))
found["mixed precision"] = difference(model(), mixed=True)
for mixed in (False, True):
    vae = model().eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        logits = compiled(vae.logits)(x)
        assert logits.dtype == torch.float32  # where probabilities begin
        found[f"logits, {mixed}"] = float((logits - vae.logits(x)).norm() / logits.norm())
        found[f"codes, {mixed}"] = float((compiled(vae.encode)(x) != vae.encode(x)).sum())
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def differences() -> dict[str, float]:
    """What was compiled → how far its gradient, logits or codes are from those that were not."""
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, json.dumps(ONE_GRAPH)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    "name", [*ONE_GRAPH, "learned prior", "autoregressive prior", "CNN", "Gaussian"]
)
def test_a_training_step_is_one_graph(name: str, differences: dict[str, float]) -> None:
    assert differences[name] < 1e-5


def test_a_step_in_mixed_precision_is_one_graph(differences: dict[str, float]) -> None:
    assert differences["mixed precision"] < 1e-2  # a bfloat16 has 8 bits


@pytest.mark.parametrize("mixed", [False, True])
def test_encoding_is_one_graph(mixed: bool, differences: dict[str, float]) -> None:
    assert differences[f"logits, {mixed}"] < (1e-2 if mixed else 1e-6)
    assert differences[f"codes, {mixed}"] == 0
