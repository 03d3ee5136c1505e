"""VIMCO against its formula, written out sample by sample in probabilities."""

import math

import pytest
import torch
from torch import Tensor

from discretevae.estimators.battery import PROBLEMS
from discretevae.estimators.multisample import VIMCO
from discretevae.latents import categorical


@pytest.mark.parametrize("samples", [2, 3, 6])
@pytest.mark.parametrize("name", ["smooth", "binary"])
def test_against_its_formula(name: str, samples: int) -> None:
    """Σ_s (L − L₋ₛ)(z_s − p) + Σ_s w̃_s (p − z_s), in plain numbers."""
    problem, seen = PROBLEMS[name], []
    logits = problem.logits.clone().requires_grad_()

    def log_weight(z: Tensor) -> Tensor:
        seen.append(z)
        return problem.f(z, problem.parameters) - categorical.log_prob(z, logits)

    value = VIMCO(samples)(log_weight, logits)
    (grad,) = torch.autograd.grad(value, logits)
    (z,) = seen
    w = log_weight(z).exp().tolist()
    bound, p = math.log(sum(w) / samples), problem.logits.softmax(-1)
    expected = torch.zeros_like(p)
    for s in range(samples):
        others = [w[t] for t in range(samples) if t != s]
        geometric = math.prod(others) ** (1 / (samples - 1))
        signal = bound - math.log((sum(others) + geometric) / samples)
        expected += (signal - w[s] / sum(w)) * (z[s] - p)
    assert float(value.detach()) == pytest.approx(bound)
    torch.testing.assert_close(grad, expected)


def test_each_example_has_its_own_signal() -> None:
    """A batch is the same as its examples one by one."""
    logits = torch.randn(4, 3, 5, dtype=torch.float64, requires_grad=True)
    shift = torch.randn(6, 4, dtype=torch.float64) * 5
    codes = categorical.sample(logits, 6)

    def gradient(rows: slice) -> Tensor:
        part = logits[rows]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(categorical, "sample", lambda *_: codes[:, rows])
            value = VIMCO(6)(lambda z: shift[:, rows] - categorical.log_prob(z, part), part)
        return torch.autograd.grad(value.sum(), logits)[0][rows]

    one_by_one = torch.cat([gradient(slice(i, i + 1)) for i in range(4)])
    torch.testing.assert_close(gradient(slice(0, 4)), one_by_one)
