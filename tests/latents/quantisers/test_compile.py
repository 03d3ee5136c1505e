"""Training and evaluation are captured as one graph, and evaluation as a program.

In a process of its own: the checks of shapes that tests run with are no part of a graph. Without
a C++ compiler, which not every machine has: the graph is captured whole and run as it is.
"""

import json
import subprocess
import sys

import pytest

KINDS = """
import torch
from discretevae.latents.quantisers import (
    BinarySphericalQuantiser, DiVeQ, FiniteScalarQuantiser, GroupedQuantiser, LookupFreeQuantiser,
    ResidualQuantiser, SimVQ, VectorQuantiser,
)

def started(quantiser):
    quantiser.start_from(torch.randn(12, 3))
    return quantiser

def all_kinds():
    torch.manual_seed(0)
    kinds = [
        started(VectorQuantiser(12, 3)),
        started(VectorQuantiser(12, 3, "rotation", by_gradient=True)),
        started(DiVeQ(12, 3)),
        SimVQ(12, 3),
        FiniteScalarQuantiser([4, 3, 2], entropy_weight=0.5),
        LookupFreeQuantiser(3),
        BinarySphericalQuantiser(3),
    ]
    return ResidualQuantiser(kinds, dropout=0.5)
"""

STEPS = (
    KINDS
    + """
import copy, json

def step(quantise, z):
    torch.manual_seed(1)
    z = z.clone().requires_grad_()
    values, codes, cost = quantise(z)
    (values.square().sum() + cost.sum()).backward()
    return torch.cat([t.double().flatten() for t in (values, codes, cost, z.grad)])

def difference(ours):
    torch._dynamo.reset()
    theirs, found = copy.deepcopy(ours), []
    compiled = torch.compile(ours, fullgraph=True, backend="aot_eager")
    for training in (True, True, False):
        ours.train(training), theirs.train(training)
        z = torch.randn(40, 3)
        found.append((step(compiled, z) - step(theirs, z)).abs().max())
    for a, b in zip(ours.state_dict().values(), theirs.state_dict().values()):
        found.append((a.double() - b.double()).abs().max())
    return float(torch.stack(found).max())

grouped = GroupedQuantiser([VectorQuantiser(12, 2), FiniteScalarQuantiser([5])])
print(json.dumps([difference(q) for q in (VectorQuantiser(12, 3), all_kinds(), grouped)]))
"""
)

PROGRAM = (
    KINDS
    + """
import json
import onnxruntime

quantiser = all_kinds().eval()
rows = {"z": {0: torch.export.Dim("rows")}}
program = torch.onnx.export(
    quantiser, (torch.randn(5, 3),), dynamo=True, dynamic_shapes=rows, verbose=False
)
session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
z = torch.randn(70, 3)
values, codes, _ = session.run(None, {session.get_inputs()[0].name: z.numpy()})
expected = quantiser(z)
print(json.dumps([
    float((torch.from_numpy(values) - expected.values).abs().max()),
    float((torch.from_numpy(codes) - expected.codes).abs().max()),
]))
"""
)


def numbers(script: str) -> list[float]:
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.audit
def test_steps_are_one_graph_and_the_same_steps() -> None:
    """The first of them starts the codebook, the last is an evaluation."""
    assert max(numbers(STEPS)) < 1e-4


@pytest.mark.audit
def test_evaluation_is_a_program_for_any_number_of_vectors() -> None:
    pytest.importorskip("onnxruntime")
    assert max(numbers(PROGRAM)) < 1e-4
