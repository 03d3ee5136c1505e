"""The expectation of any loss, with any estimator; and who may not have it."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import discretevae
from discretevae.choices import expected
from discretevae.choices.expected import depends_on
from discretevae.estimators import ESTIMATORS, RLOO, Estimator, Exact, ReinMax

MeanIs = Callable[[Tensor, Tensor], None]
LEARN = {name for name, kind in ESTIMATORS.items() if issubclass(kind, nn.Module)}
FOLLOW = {name for name, kind in ESTIMATORS.items() if kind.needs_gradient_of_f}
each = pytest.mark.parametrize("name", ESTIMATORS)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def categories(name: str) -> int:
    return 2 if ESTIMATORS[name].binary_only else 4


def smooth(z: Tensor) -> Tensor:
    return (z * torch.arange(z.shape[-1], dtype=z.dtype)).sum((-2, -1)).square()


def black_box(z: Tensor) -> Tensor:
    return (z.argmax(-1).sum(-1) == 3).to(z.dtype)


def given(name: str) -> str | Estimator:
    return ESTIMATORS[name]() if name in LEARN else name


@each
def test_it_is_the_estimator(name: str) -> None:
    """To the bit, for the same generator: value and gradient."""
    logits = torch.randn(5, 3, categories(name), requires_grad=True)
    found = expected(smooth, logits, given(name), generator=seeded())
    truth = ESTIMATORS[name]()(smooth, logits, seeded())
    assert torch.equal(found, truth)
    gradients = [torch.autograd.grad(v.sum(), logits)[0] for v in (found, truth)]
    assert torch.equal(*gradients)


@each
def test_a_black_box_is_for_those_that_ask_for_values(name: str) -> None:
    logits = torch.randn(5, 3, categories(name), requires_grad=True)
    if name in FOLLOW:
        with pytest.raises(ValueError, match=r"`f` must be differentiable in z for \w+.*rloo"):
            expected(black_box, logits, given(name))
        return
    expected(black_box, logits, given(name)).sum().backward()
    assert logits.grad is not None


@pytest.mark.parametrize("name", sorted(FOLLOW))
def test_a_gradient_for_something_else_does_not_count(name: str) -> None:
    """f has parameters, and so a gradient; but none for z."""
    w = torch.ones(3, requires_grad=True)
    logits = torch.randn(5, 3, categories(name), requires_grad=True)
    with pytest.raises(ValueError, match="`f` must be differentiable in z"):
        expected(lambda z: z.argmax(-1).to(z.dtype) @ w, logits, given(name))


def test_without_a_gradient_nothing_is_asked() -> None:
    with torch.no_grad():
        value = expected(black_box, torch.zeros(5, 3, 4), "reinmax")
    assert value.shape == (5,)


@pytest.mark.parametrize("name", ["exact", "rloo", "unordered-set", "top-k"])
def test_value_and_gradient_of_a_black_box(name: str, mean_is: MeanIs) -> None:
    """False alarm 1e-6 each; a bias of 10 % is seen."""
    count = 40_000
    row = torch.randn(2, 3, dtype=torch.float64, generator=seeded(1))
    logits = row.expand(count, 2, 3).clone().requires_grad_()
    value = expected(black_box, logits, name, generator=seeded())
    (gradient,) = torch.autograd.grad(value.sum(), logits)
    truth = row.clone().requires_grad_()
    p = truth.softmax(-1)
    exact = p[0, 1] * p[1, 2] + p[0, 2] * p[1, 1]  # the numbers of the classes sum to 3
    mean_is(value[:, None], exact)
    mean_is(gradient, torch.autograd.grad(exact, truth)[0])


def test_a_biased_one_is_caught(mean_is: MeanIs) -> None:
    row = torch.randn(2, 3, dtype=torch.float64, generator=seeded(1))
    logits = row.expand(40_000, 2, 3).clone().requires_grad_()
    value = expected(smooth, logits, "straight-through", generator=seeded())
    (gradient,) = torch.autograd.grad(value.sum(), logits)
    truth = row.clone().requires_grad_()
    (exact,) = torch.autograd.grad(Exact()(smooth, truth), truth)
    with pytest.raises(AssertionError, match="biased"):
        mean_is(gradient, exact)


def test_samples() -> None:
    rows: list[int] = []

    def f(z: Tensor) -> Tensor:
        rows.append(len(z))
        return smooth(z)

    expected(f, torch.zeros(5, 3, 4), "rloo", samples=7)
    expected(f, torch.zeros(5, 3, 4), RLOO(samples=3))
    assert rows == [7, 3]


def test_mixed_precision_does_not_reach_the_draws() -> None:
    logits = torch.randn(50, 3, 4).bfloat16()
    for name in ("rloo", "reinmax"):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            value = expected(smooth, logits, name, generator=seeded())
        assert value.dtype == torch.float32
        assert torch.equal(value, expected(smooth, logits.float(), name, generator=seeded()))


@pytest.mark.parametrize("name", ["rloo", "reinmax", "gumbel-softmax", "exact"])
def test_vmap_and_grad(name: str) -> None:
    """The check of f sees through `torch.func` too."""
    logits = torch.zeros(6, 3, 4)

    def gradient(f: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        return torch.func.grad(lambda x: expected(f, x, name))

    found = torch.func.vmap(gradient(smooth), randomness="different")(logits)
    assert found.shape == logits.shape
    if name in FOLLOW:
        with pytest.raises(ValueError, match="`f` must be differentiable in z"):
            torch.func.vmap(gradient(black_box), randomness="different")(logits)


def test_what_f_offers_is_still_offered() -> None:
    """An f that is evaluated once a code for the whole batch, and tells a baseline its context."""

    class Shared(discretevae.CodeFunction):
        shared = True

        def __call__(self, z: Tensor) -> Tensor:
            return smooth(z)

        def at_codes(self, z: Tensor) -> Tensor:
            return smooth(z)[:, None].expand(-1, 5)

        @property
        def context(self) -> Tensor:
            return torch.ones(5, 2)

    from discretevae.choices.expected import _Differentiable

    wrapped = _Differentiable(Shared(), ReinMax())
    assert wrapped.shared
    assert wrapped.at_codes(torch.zeros(7, 3, 4)).shape == (7, 5)
    assert wrapped.context is not None
    assert wrapped.context.shape == (5, 2)


def test_a_way_back_is_found_whatever_lies_between() -> None:
    z, w = torch.rand(3, requires_grad=True), torch.rand(3, requires_grad=True)
    y = z * 1
    assert depends_on(nn.GRUCell(3, 3)(y[None], w[None]).sum(), y)
    assert depends_on(y, y)
    assert not depends_on(y.detach() * w, y)
    assert not depends_on(torch.ones(()), y)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"estimator": "rlo"}, "did you mean 'rloo'"),
        ({"estimator": "nvil"}, r"that is kept, such as NVIL\(\), .* got the name 'nvil'"),
        (
            {"estimator": "exact", "samples": 3},
            "`samples` must not go with 'exact', which has none",
        ),
        ({"estimator": RLOO(), "samples": 3}, "an estimator that has its own, got 3"),
        ({"estimator": "rloo", "samples": 1}, "`samples` must be at least 2 to leave one out"),
    ],
)
def test_refusals(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        expected(smooth, torch.zeros(5, 3, 4), **options)


def test_a_wrong_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`f` must return \(4, 5\), got"):
        expected(lambda z: z.sum(), torch.zeros(5, 3, 4))


def test_the_learning_ones_are_those_that_the_text_names() -> None:
    assert all(f"`{name}`" in (expected.__doc__ or "") for name in LEARN)
