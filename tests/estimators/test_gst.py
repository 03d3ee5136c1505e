"""The gapped straight-through estimator against its formula."""

import pytest
import torch
from torch import Tensor

from discretevae.estimators.battery import (
    PROBLEMS,
    BiasedError,
    check_evaluations,
    check_points,
    check_unbiased,
)
from discretevae.estimators.gst import GST

# Each check of the battery fails by chance once in a million seeds, and the seed is fixed.


@pytest.mark.parametrize("name", PROBLEMS)
def test_value_and_inner_gradient_are_unbiased(name: str) -> None:
    check_unbiased(GST(), PROBLEMS[name], 100_000, quantities=("value", "parameters"))


@pytest.mark.parametrize("name", ["linear", "smooth", "rough", "binary"])
def test_the_bias_for_logits_is_caught(name: str) -> None:
    with pytest.raises(BiasedError, match="logits"):
        check_unbiased(GST(), PROBLEMS[name], quantities=("logits",))


def test_claims() -> None:
    check_points(GST(), PROBLEMS["smooth"])
    check_evaluations(GST(samples=3), PROBLEMS["smooth"])


def shifted(logits: Tensor, drawn: int, gap: float) -> Tensor:
    """The code at the largest logit, each other class at least the gap below it."""
    top = logits.max()
    return torch.where(torch.arange(4) == drawn, top, torch.minimum(logits, top - gap))


@pytest.mark.parametrize("gap", [0.0, 1.0, 2.5])
def test_gradient_against_its_formula(gap: float) -> None:
    """J(softmax(shifted / τ))v / τ with J built as a matrix, for every class that may be drawn."""
    logits = torch.tensor([0.4, -0.3, 1.1, -2.0], dtype=torch.float64)
    slope = torch.tensor([0.3, -1.1, 0.7, 2.0], dtype=torch.float64)
    rows = logits.repeat(300, 1, 1).requires_grad_()
    seen: list[Tensor] = []

    def f(z: Tensor) -> Tensor:
        seen.append(z.detach())
        return (z * slope).sum((-1, -2))

    estimate = GST(temperature=0.7, gap=gap)(f, rows, torch.Generator().manual_seed(0))
    (grads,) = torch.autograd.grad(estimate.sum(), rows)
    drawn = seen[0].argmax(-1).flatten()
    assert drawn.unique().numel() == 4
    for k, grad in zip(drawn.tolist(), grads[:, 0], strict=True):
        y = (shifted(logits, k, gap) / 0.7).softmax(-1)
        expected = (torch.diag(y) - torch.outer(y, y)) @ slope / 0.7
        torch.testing.assert_close(grad, expected)


def test_extreme_logits_give_finite_gradients() -> None:
    logits = torch.tensor([[[1e4, -1e4, 0.0], [0.0, 0.0, 3e4]]], requires_grad=True)
    (grad,) = torch.autograd.grad(GST(samples=50)(lambda z: z[..., 0].sum(-1), logits), logits)
    assert grad.isfinite().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 0}, "`samples` must be at least 1, got 0"),
        ({"temperature": -0.5}, "`temperature` must be positive, got -0.5"),
        ({"gap": -1.0}, "`gap` must not be negative, got -1.0"),
        ({"gap": float("nan")}, "`gap` must not be negative, got nan"),
    ],
)
def test_what_lies_outside_the_theory_is_refused(
    options: dict[str, int | float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        GST(**options)  # type: ignore[arg-type]
