"""RELAX: unbiased whatever it has learned, REBAR before it has, less variance afterwards."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from discretevae.estimators.battery import (
    PROBLEMS,
    BiasedError,
    check_unbiased,
    measure,
)
from discretevae.estimators.estimator import Estimator
from discretevae.estimators.rebar import REBAR
from discretevae.estimators.reinforce import Reinforce
from discretevae.estimators.relax import RELAX


def test_starts_as_rebar() -> None:
    for ours, rebar in zip(
        measure(RELAX(0.7, 0.8).eval(), PROBLEMS["smooth"], 100),
        measure(REBAR(0.7, 0.8).eval(), PROBLEMS["smooth"], 100),
        strict=True,
    ):
        torch.testing.assert_close(ours.mean, rebar.mean, rtol=1e-12, atol=1e-12)


def test_a_free_form_equal_to_the_relaxation_is_as_good() -> None:
    """η f and, at η = 0, r = f(softmax(x / τ)) make the same c."""
    problem = PROBLEMS["smooth"]

    class Known(RELAX):
        def free_form(self, x: Tensor) -> Tensor:
            return problem.f((x / 0.7).softmax(-1), problem.parameters)

    for ours, rebar in zip(
        measure(Known(0.7, 0.0).eval(), problem, 100),
        measure(REBAR(0.7, 1.0).eval(), problem, 100),
        strict=True,
    ):
        torch.testing.assert_close(ours.mean, rebar.mean, rtol=1e-6, atol=1e-6)


def variance(estimator: Estimator, name: str) -> float:
    return float(measure(estimator, PROBLEMS[name], 20_000)[1].standard_error.square().sum())


def test_learning_lowers_the_variance(taught: Callable[..., Any]) -> None:
    """On 20,000 replicates: a share of 0.9 is more than five standard errors away."""
    fresh = variance(RELAX().eval(), "rough")
    rebar = variance(taught(REBAR(learning_rate=1e-2), PROBLEMS["rough"]).eval(), "rough")
    learned = variance(taught(RELAX(learning_rate=1e-2), PROBLEMS["rough"]).eval(), "rough")
    assert learned < 0.75 * fresh
    assert learned < 0.9 * rebar
    assert learned < 0.5 * variance(Reinforce(baseline=0.0), "rough")


class _Detached(RELAX):
    """Forgets that the network is differentiated in the logits."""

    def free_form(self, x: Tensor) -> Tensor:
        return super().free_form(x.detach())


def test_a_free_form_without_its_gradient_is_caught(taught: Callable[..., Any]) -> None:
    estimator = taught(RELAX(learning_rate=1e-2), PROBLEMS["smooth"])
    wrong = _Detached()
    wrong.prepare(3, 4)
    wrong.load_state_dict(estimator.state_dict())
    with pytest.raises(BiasedError, match="logits"):
        check_unbiased(wrong.eval(), PROBLEMS["smooth"], 20_000)


def test_large_codes() -> None:
    logits = torch.randn(2, 32, 64, requires_grad=True)
    RELAX()(lambda z: z[..., 0].sum(-1).square(), logits).sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_what_lies_outside_the_theory_is_refused() -> None:
    with pytest.raises(ValueError, match="`hidden` must be at least 1, got 0"):
        RELAX(hidden=0)
    with pytest.raises(ValueError, match=r"`temperature` must be positive, got -1.0"):
        RELAX(temperature=-1.0)
    weight = torch.ones((), requires_grad=True)
    for blind in (
        lambda z: z.detach()[..., 0].sum(-1),
        lambda z: weight * z.detach().sum((-2, -1)),
    ):
        with pytest.raises(ValueError, match="`f` must be differentiable in `z`, got"):
            RELAX()(blind, torch.zeros(2, 3, 4))
