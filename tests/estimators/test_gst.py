"""The gapped straight-through estimator against its formula."""

import pytest
import torch
from torch import Tensor

from discretevae.estimators.gst import GST


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
