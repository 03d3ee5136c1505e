"""Points by themselves: plain functions and a layer, with the gradient of the estimator."""

import json
import subprocess
import sys
from collections.abc import Callable
from inspect import signature

import pytest
import torch
from torch import Tensor, nn

import discretevae
from discretevae.estimators import (
    ESTIMATORS,
    POINTS,
    Estimator,
    Point,
    PointLayer,
    ReinMax,
    functional,
)

FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    name: getattr(functional, name.replace("-", "_")) for name in POINTS
}
HARD = [name for name, kind in POINTS.items() if not kind.relaxed]
IN_BACKWARD = {"gumbel-rao", "reinmax-rao", "reinmax-cv"}
"""They take a seed for what they draw in the backward pass: no `torch.func.vmap`."""

SCRIPT = """
import json, sys, torch
from discretevae.estimators import functional

def gradient(draw):
    torch.manual_seed(0)
    logits = torch.randn(4, 3, 2, requires_grad=True)
    (draw(logits) * torch.arange(2.0)).sum((-2, -1)).pow(3).sum().backward()
    return logits.grad

found = {}
for name in json.loads(sys.argv[1]):
    torch._dynamo.reset()
    draw = getattr(functional, name)
    graph = torch.compile(draw, fullgraph=True, backend="aot_eager")
    found[name] = float((gradient(graph) - gradient(draw)).abs().max())
print(json.dumps(found))
"""

each = pytest.mark.parametrize("name", POINTS)


def classes(name: str) -> int:
    return 2 if POINTS[name].binary_only else 5


def leaf(name: str, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(*shape, classes(name), dtype=dtype, generator=generator)
    return logits.requires_grad_()


def seeded(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def cubic(z: Tensor) -> Tensor:
    return (z * torch.arange(1.0, z.shape[-1] + 1, dtype=z.dtype)).sum((-2, -1)).pow(3)


def test_every_point_is_a_function_and_every_function_a_point() -> None:
    assert {name.replace("-", "_") for name in POINTS} == set(functional.__all__)
    assert {n for n, kind in ESTIMATORS.items() if issubclass(kind, Point)} == set(POINTS)
    for name in functional.__all__:
        assert getattr(discretevae, name) is getattr(functional, name)


@each
@pytest.mark.parametrize("batch", [(4,), (4, 3), (2, 4, 3)])
def test_the_gradient_is_that_of_the_estimator(name: str, batch: tuple[int, ...]) -> None:
    """To the bit, for the same generator; the options have the same defaults."""
    logits = leaf(name, *batch, dtype=torch.float64)
    z = FUNCTIONS[name](logits, generator=seeded())
    assert z.shape == logits.shape
    value = cubic(z[None])[0]
    expected = POINTS[name]()(cubic, logits, seeded())
    assert torch.equal(value, expected)
    found, truth = (torch.autograd.grad(v.sum(), logits)[0] for v in (value, expected))
    assert torch.equal(found, truth)


@each
def test_options_are_those_of_the_estimator(name: str) -> None:
    """Another option than the default reaches the estimator."""
    logits = leaf(name, 200, dtype=torch.float64)
    options = [*signature(FUNCTIONS[name]).parameters][1:-1]
    assert set(options) == set(signature(POINTS[name]).parameters) - {"samples"}
    for option in options:
        value = 3 if option == "perturbations" else 1.7
        point = POINTS[name](**{option: value}).draw(logits[:, None], generator=seeded())
        z = FUNCTIONS[name](logits, **{option: value}, generator=seeded())
        found, truth, default = (
            torch.autograd.grad(cubic(v.view(1, 200, 1, -1)).sum(), logits)[0]
            for v in (z, point, FUNCTIONS[name](logits, generator=seeded()))
        )
        assert torch.equal(found, truth)
        assert not torch.equal(found, default)


@each
@pytest.mark.parametrize("shape", [(), (7,), (2, 3), (2, 3, 4)])
def test_any_leading_dimensions(name: str, shape: tuple[int, ...]) -> None:
    logits = leaf(name, *shape)
    z = FUNCTIONS[name](logits)
    assert z.shape == logits.shape
    torch.testing.assert_close(z.sum(-1), torch.ones(shape))
    z.square().sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_codes_are_one_hot_to_the_bit(name: str, dtype: torch.dtype) -> None:
    logits = leaf(name, 1000, dtype=dtype)
    z = FUNCTIONS[name](logits)
    assert z.dtype == dtype
    assert torch.equal(z, (z == 1).to(dtype))
    assert (z.sum(-1) == 1).all()


@pytest.mark.parametrize("name", [n for n in POINTS if n != "overlapping-exponential"])
def test_codes_have_the_frequencies_of_the_softmax(name: str) -> None:
    """The largest entry is class k with probability p_k; |z| < 5.5 fails once in 10^6 runs."""
    logits = leaf(name).detach()
    z = FUNCTIONS[name](logits.expand(20_000, -1), generator=seeded())
    counts, p = z.argmax(-1).bincount(minlength=len(logits)), logits.softmax(-1)
    assert ((counts - 20_000 * p) / (20_000 * p * (1 - p)).sqrt()).abs().max() < 5.5


@each
def test_a_generator_decides_all_draws(name: str) -> None:
    logits = leaf(name, 50)
    first, again, other = (FUNCTIONS[name](logits, generator=seeded(s)) for s in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@each
def test_one_class_is_refused(name: str) -> None:
    """One logit for a bit is a common mistake, which would be a certain code."""
    with pytest.raises(ValueError, match="`num_categories` at least 2, got 1 and 1"):
        FUNCTIONS[name](torch.zeros(5, 1))


@each
def test_mixed_precision_does_not_reach_the_draws(name: str) -> None:
    """Under autocast half-precision logits give what the same numbers give in float32."""
    logits = leaf(name, 300).detach().bfloat16().requires_grad_()
    wide = logits.detach().float().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        z = FUNCTIONS[name](logits, generator=seeded())
    expected = FUNCTIONS[name](wide, generator=seeded())
    assert torch.equal(z, expected.bfloat16())
    weights = torch.arange(1.0, classes(name) + 1)
    for drawn in (z, expected):
        (drawn * weights.to(drawn.dtype)).sum().backward()
    torch.testing.assert_close(logits.grad, wide.grad.bfloat16())


@pytest.mark.parametrize("name", [n for n in POINTS if n not in IN_BACKWARD])
def test_vmap_draws_for_each_element(name: str) -> None:
    logits = torch.zeros(6, 20, classes(name))

    def gradient(row: Tensor) -> Tensor:
        return torch.func.grad(lambda x: cubic(FUNCTIONS[name](x)[None]).sum())(row)

    z = torch.func.vmap(FUNCTIONS[name], randomness="different")(logits)
    assert len({tuple(row.flatten().tolist()) for row in z}) == 6
    assert torch.func.vmap(gradient, randomness="different")(logits).isfinite().all()


def test_one_graph() -> None:
    """In a process of its own: the checks of shapes that tests run with are no part of a graph.

    Two of them: `tests/models/test_compile.py` has every estimator inside a model.
    """
    names = ["reinmax", "overlapping_exponential"]
    command = [sys.executable, "-c", SCRIPT, json.dumps(names)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == dict.fromkeys(names, 0.0)


@each
def test_the_layer_is_the_function(name: str) -> None:
    logits = leaf(name, 4, 3)
    layer = PointLayer(name)
    assert not [*layer.parameters()]
    assert torch.equal(layer(logits, seeded()), FUNCTIONS[name](logits, generator=seeded()))
    assert type(POINTS[name]()).__name__ in repr(layer)


def test_a_network_of_ones_own_learns_through_the_layer() -> None:
    """A code of four classes has to tell four inputs apart."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 4), PointLayer(ReinMax()), nn.Linear(4, 4))
    adam = torch.optim.Adam(network.parameters(), 0.1)
    x = torch.eye(4).repeat(16, 1)
    for _ in range(150):
        adam.zero_grad()
        loss = (network(x) - x).square().mean()
        loss.backward()
        adam.step()
    assert loss < 0.02


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        ("reinmx", "did you mean 'reinmax'"),
        ("rloo", "`estimator` must be one of gumbel-softmax, .*, got 'rloo'"),
        (ESTIMATORS["exact"](), "`estimator` must choose a point, as .* do, got Exact"),
    ],
)
def test_what_is_no_point_is_refused(estimator: str | Estimator, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PointLayer(estimator)


def test_several_points() -> None:
    logits = leaf("reinmax", 4, 3)
    assert ReinMax().draw(logits, samples=7).shape == (7, 4, 3, 5)
    with pytest.raises(ValueError, match="`samples` must be at least 1, got 0"):
        ReinMax().draw(logits, samples=0)
