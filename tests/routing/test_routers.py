"""Every router of the table: what it estimates, what it evaluates, what it needs."""

import copy
import pickle
from collections.abc import Callable
from statistics import NormalDist

import pytest
import torch
from torch import Tensor

from discretevae.estimators import DARN, ESTIMATORS, GumbelSoftmax, UnorderedSet
from discretevae.routing import (
    ROUTERS,
    EstimatedRouter,
    MixtureOfExperts,
    MLPExperts,
    PointRouter,
    Router,
    SparseMixer,
    Switch,
    Tokens,
)

N = 5
each = pytest.mark.parametrize("name", ROUTERS)
WITHOUT_LOSS = [name for name, make in ROUTERS.items() if not make().needs_loss]
OF_A_LOSS = [name for name in ROUTERS if name not in WITHOUT_LOSS]


class Counted(MLPExperts):
    """Counts the rows that it evaluates."""

    rows = 0

    def forward(self, rows: Tensor, experts: Tensor) -> Tensor:
        self.rows += len(rows)
        return super().forward(rows, experts)

    def all(self, x: Tensor) -> Tensor:
        self.rows += self.num_experts * len(x)
        return super().all(x)


def seeded(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def mixture(
    name: str | Router, dtype: torch.dtype = torch.float32, **given: int
) -> MixtureOfExperts:
    torch.manual_seed(0)
    return MixtureOfExperts(MLPExperts(N, 6, 8, 3), name, **given).to(dtype)


def squared(target: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda y: (y - target).square().sum(-1)


def mean_gradient(router: Router, gated: bool, f: Callable[[Tensor], Tensor], n: int) -> Tensor:
    """Gradients for the gate of n replicas of one token."""
    torch.manual_seed(1)
    experts = MLPExperts(N, 2, 4, 3).double()
    x = torch.randn(1, 2, dtype=torch.float64).expand(n, 2)
    logits = torch.tensor([0.5, -0.5, 0.3, 0.0, -1.0], dtype=torch.float64)
    z = logits.expand(n, N).clone().requires_grad_()
    values, _ = router.expected(f, Tokens(x, z, experts, gated), 1, seeded())
    return torch.autograd.grad(values.sum(), z)[0]


def check_unbiased(
    router: Router, gated: bool, f: Callable[[Tensor], Tensor], n: int = 100_000
) -> None:
    """Against the exact router; false alarms once in 10^6 runs, a bias of a tenth is seen."""
    truth = mean_gradient(ROUTERS["exact"](), gated, f, 1)[0]
    found = mean_gradient(router, gated, f, n)
    quantile = NormalDist().inv_cdf(1 - 1e-6 / 2 / N)
    bound = quantile * found.std(0) / n**0.5 + 1e-12
    assert bound.max() < 0.1 * truth.abs().max(), "too few replicas to see a 10% bias"
    assert ((found.mean(0) - truth).abs() <= bound).all(), "biased beyond chance"


def linear(y: Tensor) -> Tensor:
    return y @ torch.tensor([1.0, -2.0, 0.5], dtype=y.dtype)


def quadratic(y: Tensor) -> Tensor:
    return linear(y) + 2 * y.square().sum(-1)


def cubic(y: Tensor) -> Tensor:
    return quadratic(y) + 9 * linear(y) ** 3


@pytest.mark.parametrize("gated", [True, False])
def test_the_exact_one_is_the_sum(gated: bool) -> None:
    """Value and gradient for everything, beside the sum written out."""
    layer, x, target = mixture("exact", torch.float64), torch.randn(20, 6).double(), 0.5
    layer.gated = gated
    value = layer.expected(squared(torch.full((3,), target).double()), x).values
    p = layer.logits(x).softmax(-1)
    each = [(p[:, i, None] if gated else 1) * layer.experts.all(x)[:, i] for i in range(N)]
    truth = sum(p[:, i] * (each[i] - target).square().sum(-1) for i in range(N))
    torch.testing.assert_close(value, truth)
    leaves = [*layer.parameters()]
    grads, others = (torch.autograd.grad(v.sum(), leaves) for v in (value, truth))
    for grad, other in zip(grads, others, strict=True):
        torch.testing.assert_close(grad, other)


@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("name", ["reinforce", "rloo"])
def test_score_functions_are_unbiased(name: str, gated: bool) -> None:
    router = EstimatedRouter(ESTIMATORS["reinforce"](baseline=1.0)) if name == "reinforce" else None
    check_unbiased(router or ROUTERS[name](), gated, cubic)


@pytest.mark.parametrize(("name", "f"), [("straight-through", linear), ("reinmax", quadratic)])
@pytest.mark.parametrize("gated", [True, False])
def test_points_are_exact_to_their_order(
    name: str, f: Callable[[Tensor], Tensor], gated: bool
) -> None:
    check_unbiased(ROUTERS[name](), gated, f)


def test_sparsemixer_draws_what_the_enumeration_weighs() -> None:
    """v2* without the rule and without a mask, for an f up to cubic."""
    check_unbiased(SparseMixer("v2*", argmax_rule=False, r=None), True, cubic)


@pytest.mark.parametrize(
    ("router", "f"),
    [
        (ROUTERS["straight-through"](), quadratic),
        (ROUTERS["reinmax"](), cubic),
        (ROUTERS["switch"](), linear),
        (SparseMixer("v2*", r=None), quadratic),
    ],
)
def test_biased_ones_are_caught(router: Router, f: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(AssertionError, match="biased"):
        check_unbiased(router, True, f)


@each
def test_it_evaluates_what_it_says(name: str) -> None:
    torch.manual_seed(0)
    experts = Counted(N, 6, 8, 3)
    layer = MixtureOfExperts(experts, name)
    layer.expected(squared(torch.zeros(3)), torch.randn(20, 6)).values.sum().backward()
    assert experts.rows == 20 * layer.router.evaluations(N)
    experts.rows = 0
    layer.eval()(torch.randn(20, 6))
    assert experts.rows == 20


@pytest.mark.parametrize("name", ["switch", "sparsemixer-v2"])
def test_two_experts_are_two_evaluations(name: str) -> None:
    experts = Counted(N, 6, 8, 3)
    layer = MixtureOfExperts(experts, name, top=2)
    assert layer(torch.randn(20, 6)).experts.shape == (20, 2)
    assert experts.rows == 40 == 20 * layer.router.evaluations(N, 2)


@pytest.mark.parametrize(
    ("name", "top"), [(name, 1) for name in ROUTERS] + [(name, 2) for name in WITHOUT_LOSS]
)
def test_inference_is_the_most_probable_gated(name: str, top: int) -> None:
    layer, x = mixture(name, top=top).eval(), torch.randn(50, 6)
    values, chosen, _ = layer(x)
    z, truth = layer.logits(x), 0
    for j in range(top):
        best = z.argmax(-1)
        assert torch.equal(chosen[:, j], best)
        p = layer.router.masked(z).softmax(-1)[range(50), best]
        truth = truth + p[:, None] * layer.experts.all(x)[range(50), best]
        z = z.scatter(1, best[:, None], -torch.inf)
    torch.testing.assert_close(values, truth)
    loss = layer.expected(squared(torch.zeros(3)), x).values
    torch.testing.assert_close(loss, truth.square().sum(-1))


@pytest.mark.parametrize("top", [1, 2])
@pytest.mark.parametrize("name", WITHOUT_LOSS)
def test_calling_it_is_what_its_expectation_takes(name: str, top: int) -> None:
    layer, x = mixture(name, top=top), torch.randn(4, 5, 6)
    values, chosen, _ = layer(x, seeded())
    loss, again, _ = layer.expected(squared(torch.zeros(3)), x, seeded())
    assert torch.equal(chosen, again)
    torch.testing.assert_close(loss, values.square().sum(-1))


@pytest.mark.parametrize("name", OF_A_LOSS)
def test_one_of_a_loss_trains_through_it_alone(name: str) -> None:
    with pytest.raises(ValueError, match=r"train through `expected\(loss, x\)`"):
        mixture(name)(torch.randn(5, 6))
    with pytest.raises(ValueError, match=r"`top` must be 1 with .*Router, got 2"):
        mixture(name, top=2)


@each
@pytest.mark.parametrize("batch", [(), (1,), (7,), (2, 3, 4)])
def test_any_leading_dimensions(name: str, batch: tuple[int, ...]) -> None:
    layer, x = mixture(name, balance=0.1), torch.randn(*batch, 6)
    target = torch.randn(*batch, 3)
    value, chosen, cost = layer.expected(squared(target), x)
    assert value.shape == batch
    assert chosen.shape == (*batch, 1)
    (value.sum() + cost).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in layer.parameters())


@each
def test_a_generator_decides_all_draws(name: str) -> None:
    layer, x = mixture(name).train(), torch.randn(200, 6)
    first, again, other = (
        copy.deepcopy(layer).expected(squared(torch.zeros(3)), x, seeded(s)).values
        for s in (3, 3, 4)
    )
    assert torch.equal(first, again)
    assert torch.equal(first, other) == (name == "exact")


@each
def test_mixed_precision_does_not_reach_the_gate(name: str) -> None:
    """Under autocast experts are chosen as in float32, and evaluated to three digits."""
    layer, x = mixture(name, balance=0.1), torch.randn(300, 6)
    plain = copy.deepcopy(layer).expected(squared(torch.zeros(3)), x, seeded())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = layer.expected(squared(torch.zeros(3)), x, seeded())
    assert torch.equal(mixed.experts, plain.experts)
    assert mixed.cost.dtype == torch.float32
    torch.testing.assert_close(mixed.values.float(), plain.values, rtol=0.05, atol=0.02)
    (mixed.values.float().mean() + mixed.cost).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in layer.parameters())


@each
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_types(name: str, dtype: torch.dtype) -> None:
    layer, x = mixture(name, dtype), torch.randn(30, 6).to(dtype)
    layer.expected(squared(torch.zeros(3, dtype=dtype)), x).values.sum().backward()
    assert all(p.grad is not None and p.grad.dtype == dtype for p in layer.parameters())
    assert layer.eval()(x).values.dtype == dtype


@each
def test_it_learns_which_expert_is_whose(name: str) -> None:
    """Four quadrants, each a linear function of its own: better by far than one expert for all."""
    torch.manual_seed(0)
    x = torch.randn(2000, 2)
    quadrant = (x[:, 0] > 0).long() * 2 + (x[:, 1] > 0).long()
    y = torch.einsum("ni,nio->no", x, torch.randn(4, 2, 3)[quadrant])
    router = ROUTERS[name]()
    layer = MixtureOfExperts(MLPExperts(4, 2, 8, 3), router, balance=0.02, gated=router.needs_gate)
    adam = torch.optim.Adam(layer.parameters(), 0.02)
    for _ in range(200):
        rows = torch.randint(2000, (128,))
        value, _, cost = layer.expected(squared(y[rows]), x[rows])
        adam.zero_grad()
        (value.mean() + cost).backward()
        adam.step()
    error = layer.eval().expected(squared(y), x).values.mean()
    assert error < 0.35 * y.square().sum(-1).mean()


@each
def test_it_is_saved(name: str) -> None:
    layer, x = mixture(name).eval(), torch.randn(5, 6)
    again = copy.deepcopy(layer)
    assert torch.equal(pickle.loads(pickle.dumps(layer))(x).values, layer(x).values)
    again.load_state_dict(layer.state_dict())
    assert name.split("-")[0] in repr(layer).lower().replace("straightthrough", "straight")


@pytest.mark.parametrize("estimator", [UnorderedSet(), GumbelSoftmax(), ESTIMATORS["nvil"]()])
def test_any_estimator_is_a_router(estimator: object) -> None:
    layer = mixture(EstimatedRouter(estimator))
    layer.expected(squared(torch.zeros(3)), torch.randn(20, 6)).values.sum().backward()
    assert layer.gate.weight.grad.abs().sum() > 0


def test_a_relaxed_point_is_no_router() -> None:
    assert PointRouter(DARN()).evaluations(2) == 2
    with pytest.raises(ValueError, match="`point` must draw one-hot codes, got GumbelSoftmax"):
        PointRouter(GumbelSoftmax())


@pytest.mark.parametrize("jitter", [-0.1, 1.0])
def test_jitter_out_of_range(jitter: float) -> None:
    with pytest.raises(ValueError, match=r"`jitter` must lie in \[0, 1\)"):
        Switch(jitter)


def test_jitter_moves_the_logits_by_as_much() -> None:
    """Two logits 10 % apart change places, 30 % apart never."""
    near, far = torch.tensor([1.0, 0.9, 0.2]), torch.tensor([1.0, 0.7, 0.2])
    experts = MLPExperts(3, 1, 1, 1)
    for logits, both in ((near, True), (far, False)):
        tokens = Tokens(torch.zeros(4000, 1), logits.expand(4000, 3), experts, gated=True)
        chosen = Switch(0.1)(tokens, 1, seeded())[1]
        assert (len(chosen.unique()) == 2) == both
