"""ReinMax-Rao against its formula; more bias and less variance than ReinMax."""

import pytest
import torch
from torch import Tensor

from discretevae.estimators import ReinMax
from discretevae.estimators import conditional_gumbel as module
from discretevae.estimators.battery import (
    PROBLEMS,
    measure,
)
from discretevae.estimators.conditional_gumbel import conditional_gumbel
from discretevae.estimators.reinmax_rao import ReinMaxRao


def test_gradient_against_its_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    """g = 2 mean J(y)v/τ − ½ J(p)v with each J built as a matrix, noise given at log π."""
    seen: dict[str, list[Tensor]] = {"log_pi": [], "a": [], "z": []}

    def recording(log_p: Tensor, z: Tensor, generator: torch.Generator) -> Tensor:
        seen["log_pi"].append(log_p)
        seen["a"].append(conditional_gumbel(log_p, z, generator))
        return seen["a"][-1]

    def f(z: Tensor) -> Tensor:
        seen["z"].append(z.detach())
        return (z @ slope).sum(-1)

    monkeypatch.setattr(module, "conditional_gumbel", recording)
    logits = torch.randn(1, 4, dtype=torch.float64, requires_grad=True)
    slope = torch.randn(4, dtype=torch.float64)
    estimate = ReinMaxRao(temperature=0.7, perturbations=3)(f, logits)
    (grad,) = torch.autograd.grad(estimate, logits)

    def jacobian(p: Tensor) -> Tensor:
        return torch.diag(p) - torch.outer(p, p)

    z, p = seen["z"][0][0, 0], logits.detach().softmax(-1)[0]
    torch.testing.assert_close(seen["log_pi"][0][0, 0].exp(), (p + z) / 2)
    mean = torch.stack([jacobian((a[0, 0] / 0.7).softmax(-1)) for a in seen["a"]]).mean(0)
    assert len(seen["a"]) == 3
    torch.testing.assert_close(grad[0], 2 * mean @ slope / 0.7 - 0.5 * jacobian(p) @ slope)


def test_more_bias_and_less_variance_than_reinmax() -> None:
    """Relative biases near 0.27 and 0.10, variances near 0.37 and 0.50, known to about 1 %."""
    _, rao, _ = measure(ReinMaxRao(), PROBLEMS["smooth"])
    _, reinmax, _ = measure(ReinMax(), PROBLEMS["smooth"])
    assert rao.relative_bias > reinmax.relative_bias
    assert rao.standard_error.square().sum() < 0.8 * reinmax.standard_error.square().sum()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 0}, "`samples` must be at least 1, got 0"),
        ({"temperature": 0.0}, "`temperature` must be positive, got 0.0"),
        ({"perturbations": -1}, "`perturbations` must be at least 1, got -1"),
    ],
)
def test_what_lies_outside_the_theory_is_refused(
    options: dict[str, int | float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ReinMaxRao(**options)  # type: ignore[arg-type]
