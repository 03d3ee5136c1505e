"""What all estimators share: shapes, defaults, refusals, numerics."""

from inspect import signature
from itertools import product

import pytest
import torch
from torch import Tensor

from discretevae.estimators import (
    CARMS,
    ESTIMATORS,
    RLOO,
    Estimator,
    Exact,
    GumbelSoftmax,
    MovingAverageBaseline,
    Reinforce,
    ReinMax,
    STGumbelSoftmax,
    StraightThrough,
    UnorderedSet,
    recommended,
)
from discretevae.estimators.estimator import with_gradient_of
from discretevae.latents import EnumerationError


def has_samples(kind: type[Estimator]) -> bool:
    return "samples" in signature(kind).parameters


def total(z: Tensor) -> Tensor:
    return (z * torch.arange(z.shape[-1], dtype=z.dtype)).sum((-2, -1))


@pytest.fixture(params=ESTIMATORS, name="estimator")
def _estimator(request: pytest.FixtureRequest) -> Estimator:
    return ESTIMATORS[request.param]()


def ones(estimator: Estimator, *shape: int) -> Tensor:
    """Logits of a shape that ends in D, with as many categories as the estimator takes."""
    return torch.ones(*shape, 2 if estimator.binary_only else 4)


@pytest.mark.parametrize("batch", [(), (5,), (2, 3)])
@pytest.mark.parametrize("sizes", [(1, 2), (2, 3), (4, 5)])
def test_shapes(estimator: Estimator, batch: tuple[int, ...], sizes: tuple[int, int]) -> None:
    if estimator.binary_only and sizes[1] != 2:
        with pytest.raises(ValueError, match=f"`num_categories` must be 2 .*got {sizes[1]}"):
            estimator(total, torch.zeros(*batch, *sizes))
        return
    if isinstance(estimator, UnorderedSet) and sizes == (1, 2):
        with pytest.raises(ValueError, match=r"`samples` must be at most K\^D"):
            estimator(total, torch.zeros(*batch, *sizes))
        return
    logits = torch.randn(*batch, *sizes, requires_grad=True)
    value = estimator(total, logits)
    value.sum().backward()
    assert value.shape == batch
    assert logits.grad is not None
    assert logits.grad.shape == logits.shape
    assert logits.grad.isfinite().all()


def test_defaults_take_large_codes(estimator: Estimator) -> None:
    if isinstance(estimator, Exact):
        with pytest.raises(EnumerationError, match=r"64\^128.*65536"):
            estimator(total, torch.zeros(2, 128, 64))
    elif isinstance(estimator, CARMS):
        with pytest.raises(ValueError, match="`num_categories` must be at most 16, got 64"):
            estimator(total, torch.zeros(2, 128, 64))
    else:
        categories = 2 if estimator.binary_only else 64
        assert estimator(total, torch.zeros(2, 32, categories)).shape == (2,)


def test_a_generator_decides_everything(estimator: Estimator) -> None:
    logits = ones(estimator, 5, 3)
    first, second = (estimator(total, logits, torch.Generator().manual_seed(3)) for _ in range(2))
    torch.manual_seed(99)
    third = estimator(total, logits, torch.Generator().manual_seed(3))
    assert torch.equal(first, second)
    assert torch.equal(first, third)


def test_a_function_of_the_wrong_shape_is_refused(estimator: Estimator) -> None:
    with pytest.raises(ValueError, match=r"`f` must return \(\d+, 5\), got"):
        estimator(lambda z: z.sum(), ones(estimator, 5, 2))


def test_extreme_logits_give_finite_gradients(estimator: Estimator) -> None:
    logits = torch.tensor([[[1e4, -1e4, 0.0], [0.0, 0.0, 3e4]]])
    logits = (logits[..., :2] if estimator.binary_only else logits).clone().requires_grad_()
    estimator(total, logits).sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def with_ruled_out(estimator: Estimator, kind: str) -> Tensor:
    """Logits of three latents; some have a class of −inf, or but one that is left."""
    K = 2 if estimator.binary_only else 4
    logits = torch.randn(3, K, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    logits[0, 0] = -torch.inf
    if K > 2:
        logits[1, 1:3] = -torch.inf
    if kind == "certain":
        logits[1:, 1:] = -torch.inf
    return logits


def with_parameters(z: Tensor, w: Tensor) -> Tensor:
    """A smooth f whose value at a class depends on w and on its number alone."""
    number = torch.arange(z.shape[-1], dtype=z.dtype) / (z.shape[-1] - 1)
    along = (z * number).sum(-1)
    return (1.5 * along.sum(-1) - 2 + w).tanh() + along[..., 0] * w


def enumerated(logits: Tensor, w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Value and gradients, summed by hand over the codes of the classes that are left."""
    logits, w = logits.clone().requires_grad_(), w.clone().requires_grad_()
    left = [(row > -torch.inf).nonzero()[:, 0].tolist() for row in logits]
    log_p = [row[classes].log_softmax(-1) for row, classes in zip(logits, left, strict=True)]
    total = torch.zeros((), dtype=logits.dtype)
    for choice in product(*(range(len(classes)) for classes in left)):
        codes = torch.tensor([classes[c] for classes, c in zip(left, choice, strict=True)])
        z = torch.nn.functional.one_hot(codes, logits.shape[-1]).to(logits.dtype)
        q = torch.stack([p[c] for p, c in zip(log_p, choice, strict=True)]).sum().exp()
        total = total + q * with_parameters(z, w)
    gradients = torch.autograd.grad(total, (logits, w))
    return total.detach(), *gradients


@pytest.mark.parametrize("kind", ["ruled out", "certain"])
def test_a_logit_of_minus_infinity_rules_its_class_out(estimator: Estimator, kind: str) -> None:
    """Unbiased ones agree with enumeration; 26 × 2 × 13 coordinates at 1e-8 each."""
    row = with_ruled_out(estimator, kind)
    count = 100 if isinstance(estimator, Exact) else 20_000
    w = torch.tensor(0.3, dtype=torch.float64)
    logits = row.repeat(count, 1, 1).requires_grad_()
    each = w.repeat(count).requires_grad_()
    generator = torch.Generator().manual_seed(0)
    value = estimator(lambda z: with_parameters(z, each), logits, generator)
    of_logits, of_w = torch.autograd.grad(value.sum(), (logits, each))
    for found in (value, of_logits, of_w):
        assert found.isfinite().all()
    assert (of_logits[:, row == -torch.inf] == 0).all()
    if estimator.unbiased:
        for found, exact in zip((value.detach(), of_logits, of_w), enumerated(row, w), strict=True):
            bound = 5.8 * found.std(0) / count**0.5 + 1e-9
            assert ((found.mean(0) - exact).abs() <= bound).all()
            assert (bound < 0.3 * exact.abs().max() + 1e-8).all(), "too few to see a bias"


def test_ruled_out_classes_in_float32(estimator: Estimator) -> None:
    logits = with_ruled_out(estimator, "ruled out").float().repeat(500, 1, 1).requires_grad_()
    value = estimator(lambda z: with_parameters(z, torch.tensor(0.3)), logits)
    (grad,) = torch.autograd.grad(value.sum(), logits)
    assert value.isfinite().all()
    assert grad.isfinite().all()
    assert (grad[logits == -torch.inf] == 0).all()


@pytest.mark.parametrize("sizes", [(2, 1), (1, 1), (0, 2)])
def test_a_code_has_a_latent_and_a_latent_two_classes(
    estimator: Estimator, sizes: tuple[int, int]
) -> None:
    message = "`num_latents` must be at least 1 and `num_categories` at least 2, got {} and {}"
    with pytest.raises(ValueError, match=message.format(*sizes)):
        estimator(total, torch.zeros(5, *sizes))
    logits = ones(estimator, 5, 3)  # nothing of the refused ones is remembered
    assert estimator(total, logits).shape == (5,)


@pytest.mark.parametrize("name", [n for n, m in ESTIMATORS.items() if has_samples(m)])
def test_no_sample_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"`samples` must be at least [12].*, got 0"):
        ESTIMATORS[name](samples=0)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RLOO(samples=1), "`samples` must be at least 2 to leave one out, got 1"),
        (lambda: Reinforce(samples=0), "`samples` must be at least 1, got 0"),
        (lambda: GumbelSoftmax(temperature=0.0), "`temperature` must be positive, got 0.0"),
        (lambda: STGumbelSoftmax(temperature=-1.0), "`temperature` must be positive, got -1.0"),
        (lambda: StraightThrough(temperature=float("nan")), "positive, got nan"),
        (lambda: ReinMax(samples=0), "`samples` must be at least 1, got 0"),
        (lambda: MovingAverageBaseline(decay=1.0), r"`decay` must lie in \[0, 1\), got 1.0"),
    ],
)
def test_what_lies_outside_the_theory_is_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]


def test_exact_in_chunks_equals_exact_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = torch.randn(4, 3, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(12, dtype=torch.float64, requires_grad=True)

    def f(z: Tensor) -> Tensor:
        return (z.flatten(-2) @ weight).tanh()

    def gradients() -> tuple[Tensor, ...]:
        value = Exact()(f, logits)
        return (value, *torch.autograd.grad(value.sum(), (logits, weight)))

    whole = gradients()
    monkeypatch.setattr("discretevae.estimators.exact.ROWS", 20)
    for chunked, expected in zip(gradients(), whole, strict=True):
        torch.testing.assert_close(chunked, expected, rtol=1e-12, atol=1e-12)


def test_hard_codes_are_exact_to_the_bit() -> None:
    """`hard + soft − soft.detach()` is off in 148 of 1000 rows in float32."""
    z = torch.nn.functional.one_hot(torch.randint(8, (1000,)), 8).float()
    soft = torch.randn(1000, 8, requires_grad=True).softmax(-1)
    assert torch.equal(with_gradient_of(z, soft), z)


def test_moving_average_uses_earlier_batches_only() -> None:
    baseline = MovingAverageBaseline(decay=0.9)
    means = [3.0, -1.0, 5.0]
    seen = [float(baseline(torch.full((2, 4), mean))) for mean in means]
    debiased = (0.9 * 0.1 * 3.0 + 0.1 * -1.0) / (1 - 0.9**2)
    assert seen == pytest.approx([0.0, 3.0, debiased])


def test_moving_average_stands_still_in_evaluation() -> None:
    baseline = MovingAverageBaseline()
    baseline.eval()
    baseline(torch.ones(1, 3))
    baseline.train()
    with torch.no_grad():
        baseline(torch.ones(1, 3))
    assert float(baseline.weight) == 0


def test_reinmax_at_binary_latents_is_darn_half() -> None:
    """At K = 2 and τ = 1: g for l₁ is (v₁ − v₀)(b − ½)(b − p₁) (Gregor et al., 2014)."""
    logits = torch.randn(50, 1, 2, dtype=torch.float64, requires_grad=True)
    slope = torch.tensor([0.3, -1.1], dtype=torch.float64)
    seen: list[Tensor] = []

    def f(z: Tensor) -> Tensor:
        seen.append(z.detach())
        return (z * slope).sum((-1, -2))

    (grad,) = torch.autograd.grad(ReinMax()(f, logits).sum(), logits)
    b, p = seen[0][0, :, 0, 1], logits.softmax(-1)[:, 0, 1]
    expected = (slope[1] - slope[0]) * (b - 0.5) * (b - p)
    torch.testing.assert_close(grad[:, 0, 1], expected)
    torch.testing.assert_close(grad[:, 0, 0], -expected)


def test_reinmax_against_its_formula() -> None:
    """g = 2 J(π)v − ½ J(p)v with J built as a matrix, temperature 1.3."""
    logits = torch.randn(1, 4, dtype=torch.float64, requires_grad=True)
    slope = torch.randn(4, dtype=torch.float64)
    seen: list[Tensor] = []

    def f(z: Tensor) -> Tensor:
        seen.append(z.detach())
        return (z * slope).sum((-1, -2))

    (grad,) = torch.autograd.grad(ReinMax(temperature=1.3)(f, logits).sum(), logits)

    def jacobian(p: Tensor) -> Tensor:
        return torch.diag(p) - torch.outer(p, p)

    z, p = seen[0][0, 0], logits.softmax(-1)[0]
    pi = ((logits / 1.3).softmax(-1)[0] + z) / 2
    expected = 2 * jacobian(pi) @ slope - 0.5 * jacobian(p) @ slope
    torch.testing.assert_close(grad[0], expected)


def test_auto_for_a_layer_whose_codes_are_not_shared() -> None:
    assert isinstance(recommended(4, 2, shared=False), Exact)
    assert isinstance(recommended(1, 17, shared=False), UnorderedSet)
    assert isinstance(recommended(5, 8, shared=False), UnorderedSet)
    assert isinstance(recommended(6, 8, shared=False), ReinMax)


def test_auto_enumerates_while_it_is_cheap() -> None:
    assert isinstance(recommended(1, 10), Exact)
    assert isinstance(recommended(2, 16), Exact)
    assert not isinstance(recommended(4, 8), Exact)
    assert not isinstance(recommended(64, 64), Exact)
