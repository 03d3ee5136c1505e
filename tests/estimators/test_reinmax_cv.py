"""ReinMax-CV against its formula; the mean of ReinMax, more variance."""

from statistics import NormalDist

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
from discretevae.estimators.reinmax_cv import ReinMaxCV


def excess_over_reinmax(estimator: ReinMaxCV, name: str) -> float:
    """The difference of the two means over the bound of chance at 1e-6 for all coordinates."""
    _, ours, _ = measure(estimator, PROBLEMS[name], 20_000, seed=0)
    _, reinmax, _ = measure(ReinMax(), PROBLEMS[name], 20_000, seed=1)
    error = (ours.standard_error.square() + reinmax.standard_error.square()).sqrt()
    bound = NormalDist().inv_cdf(1 - 1e-6 / 2 / error.numel()) * error
    assert bound.max() < 0.1 * reinmax.exact.abs().max()
    return float(((ours.mean - reinmax.mean).abs() / bound).max())


@pytest.mark.parametrize("name", ["smooth", "rough", "binary"])
def test_has_the_mean_of_reinmax(name: str) -> None:
    assert excess_over_reinmax(ReinMaxCV(), name) < 1


def test_noise_that_is_not_given_the_code_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """One Jacobian of the bracket from noise that ignores z: its mean is no longer zero."""
    calls = iter(range(10**6))

    def fresh(log_p: Tensor, z: Tensor, generator: torch.Generator) -> Tensor:
        if next(calls) % 11 != 0:
            return conditional_gumbel(log_p, z, generator)
        return log_p + module.gumbel(z.shape, z, generator)

    monkeypatch.setattr(module, "conditional_gumbel", fresh)
    assert excess_over_reinmax(ReinMaxCV(), "smooth") > 1


def test_scale_zero_is_reinmax() -> None:
    problem = PROBLEMS["smooth"]
    logits = problem.logits.expand(50, -1, -1).clone().requires_grad_()
    ours, reinmax = (
        torch.autograd.grad(
            estimator(
                lambda z: problem.f(z, problem.parameters), logits, torch.Generator().manual_seed(0)
            ).sum(),
            logits,
        )[0]
        for estimator in (ReinMaxCV(scale=0.0), ReinMax())
    )
    torch.testing.assert_close(ours, reinmax, rtol=1e-12, atol=1e-12)


def test_varies_more_than_reinmax() -> None:
    ours, reinmax = (
        measure(estimator, PROBLEMS["smooth"], 20_000)[1].standard_error.square().sum()
        for estimator in (ReinMaxCV(), ReinMax())
    )
    assert ours > 1.02 * reinmax


def test_gradient_against_its_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    """2 J(π)v − ½ J(p)v + η/τ (mean J(y)v − J(y⁰)v), each J a matrix, noise given at log π."""
    seen: list[Tensor] = []
    codes: list[Tensor] = []

    def recording(log_p: Tensor, z: Tensor, generator: torch.Generator) -> Tensor:
        torch.testing.assert_close(log_p.exp(), (logits.detach().softmax(-1) + z) / 2)
        seen.append(conditional_gumbel(log_p, z, generator))
        return seen[-1]

    def f(z: Tensor) -> Tensor:
        codes.append(z.detach())
        return (z @ slope).sum(-1)

    monkeypatch.setattr(module, "conditional_gumbel", recording)
    logits = torch.randn(1, 4, dtype=torch.float64, requires_grad=True)
    slope = torch.randn(4, dtype=torch.float64)
    (grad,) = torch.autograd.grad(ReinMaxCV(temperature=0.6, scale=0.9)(f, logits), logits)

    def jacobian(p: Tensor) -> Tensor:
        return torch.diag(p) - torch.outer(p, p)

    z, p = codes[0][0, 0], logits.detach().softmax(-1)[0]
    reinmax = 2 * jacobian((p + z) / 2) @ slope - 0.5 * jacobian(p) @ slope
    each = torch.stack([jacobian((a[0, 0] / 0.6).softmax(-1)) @ slope / 0.6 for a in seen])
    assert len(each) == 11
    brackets = [each[:10].mean(0) - each[10], each[1:].mean(0) - each[0]]
    # The backward pass is free to take the two terms in either order.
    found = [torch.allclose(grad[0], reinmax + 0.9 * b, rtol=1e-10) for b in brackets]
    assert any(found)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 0}, "`samples` must be at least 1, got 0"),
        ({"temperature": 0.0}, "`temperature` must be positive, got 0.0"),
    ],
)
def test_what_lies_outside_the_theory_is_refused(
    options: dict[str, int | float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ReinMaxCV(**options)  # type: ignore[arg-type]
