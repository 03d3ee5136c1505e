"""DARN(1/2): its formula, ReinMax at K = 2, and no other K."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from discretevae.estimators import ReinMax
from discretevae.estimators.battery import (
    PROBLEMS,
    BiasedError,
    check_evaluations,
    check_points,
    check_unbiased,
)
from discretevae.estimators.darn import DARN

# Each check of the battery fails by chance once in a million seeds, and the seed is fixed.
BINARY = ["binary", "binary rough"]


def smooth(z: Tensor) -> Tensor:
    return (z[..., 1].sum(-1) * 1.3 + z[..., 0, 0]).tanh()


@pytest.mark.parametrize("name", BINARY)
def test_value_and_inner_gradient_are_unbiased(name: str) -> None:
    check_unbiased(DARN(), PROBLEMS[name], 100_000, quantities=("value", "parameters"))


@pytest.mark.parametrize("name", BINARY)
def test_the_bias_for_logits_is_caught(name: str) -> None:
    with pytest.raises(BiasedError, match="logits"):
        check_unbiased(DARN(), PROBLEMS[name], quantities=("logits",))


def test_exact_where_f_is_quadratic_in_each_latent() -> None:
    one = replace(PROBLEMS["quadratic"], logits=PROBLEMS["quadratic"].logits[:1, :2])
    check_unbiased(DARN(), one, quantities=("logits",))


def test_claims() -> None:
    check_points(DARN(), PROBLEMS["binary"])
    check_evaluations(DARN(samples=3), PROBLEMS["binary"])


@pytest.mark.parametrize("batch", [(), (5,), (2, 3)])
@pytest.mark.parametrize("samples", [1, 3])
def test_equals_reinmax_on_the_same_codes(batch: tuple[int, ...], samples: int) -> None:
    logits = torch.randn(*batch, 4, 2, dtype=torch.float64, requires_grad=True)

    def result(estimator: DARN | ReinMax) -> tuple[Tensor, Tensor]:
        value = estimator(smooth, logits, torch.Generator().manual_seed(3))
        return value, torch.autograd.grad(value.sum(), logits)[0]

    value, grad = result(DARN(samples=samples))
    expected_value, expected_grad = result(ReinMax(samples=samples))
    assert value.shape == batch
    assert torch.equal(value, expected_value)
    torch.testing.assert_close(grad, expected_grad, rtol=1e-12, atol=1e-14)


def test_gradient_against_its_formula() -> None:
    """g for l₁ is (v₁ − v₀)(b − ½)(b − p₁), for l₀ its negative."""
    logits = torch.randn(50, 1, 2, dtype=torch.float64, requires_grad=True)
    slope = torch.tensor([0.3, -1.1], dtype=torch.float64)
    seen: list[Tensor] = []

    def f(z: Tensor) -> Tensor:
        seen.append(z.detach())
        return (z * slope).sum((-1, -2))

    (grad,) = torch.autograd.grad(DARN()(f, logits).sum(), logits)
    b, p = seen[0][0, :, 0, 1], logits.softmax(-1)[:, 0, 1]
    expected = (slope[1] - slope[0]) * (b - 0.5) * (b - p)
    torch.testing.assert_close(grad[:, 0, 1], expected)
    torch.testing.assert_close(grad[:, 0, 0], -expected)


def test_extreme_logits_give_finite_gradients() -> None:
    logits = torch.tensor([[1e4, -1e4], [0.0, 3e4], [0.0, -torch.inf]], requires_grad=True)
    (grad,) = torch.autograd.grad(DARN(samples=50)(lambda z: z[..., 0].sum(-1), logits), logits)
    assert grad.isfinite().all()


@pytest.mark.parametrize("num_categories", [1, 3, 5])
def test_other_than_two_classes_are_refused(num_categories: int) -> None:
    message = f"`num_categories` must be 2 for .* binary latents, got {num_categories}"
    with pytest.raises(ValueError, match=message):
        DARN()(smooth, torch.zeros(5, 4, num_categories))


def test_no_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="`samples` must be at least 1, got 0"):
        DARN(samples=0)
