"""DARN(1/2): its formula, ReinMax at K = 2, and no other K."""

import pytest
import torch
from torch import Tensor

from discretevae.estimators import ReinMax
from discretevae.estimators.darn import DARN


def smooth(z: Tensor) -> Tensor:
    return (z[..., 1].sum(-1) * 1.3 + z[..., 0, 0]).tanh()


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
