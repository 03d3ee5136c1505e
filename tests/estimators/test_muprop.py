"""MuProp: unbiased though f is called at the mean, exact for a linear f."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from discretevae.estimators.battery import (
    PROBLEMS,
    BiasedError,
    check_unbiased,
    measure,
)
from discretevae.estimators.muprop import MuProp


def test_linear_functions_have_an_exact_gradient() -> None:
    _, logits, _ = measure(MuProp(), PROBLEMS["linear"], replicates=50)
    torch.testing.assert_close(logits.mean, logits.exact, rtol=1e-12, atol=1e-12)
    assert (logits.standard_error < 1e-12).all()


def test_against_its_formula() -> None:
    """The expansion is differentiated by finite differences here."""
    problem, seen = PROBLEMS["smooth"], []

    def f(z: Tensor) -> Tensor:
        seen.append(z.detach())
        return problem.f(z, problem.parameters)

    logits = problem.logits.clone().requires_grad_()
    value = MuProp()(f, logits)
    (grad,) = torch.autograd.grad(value, logits)
    z, p = seen[0][0], problem.logits.softmax(-1)
    assert torch.equal(seen[1][0], p)

    step = 1e-6 * torch.eye(12, dtype=torch.float64).view(12, 3, 4)
    v = (f(p + step) - f(p - step)).view(3, 4) / 2e-6
    f_z, f_p = f(z), f(p)
    jacobian = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    expected = (f_z - f_p - (v * (z - p)).sum()) * (z - p) + (jacobian @ v[..., None])[..., 0]
    torch.testing.assert_close(value, f_z)
    torch.testing.assert_close(grad, expected, rtol=1e-6, atol=1e-8)


@dataclass(frozen=True)
class _WithoutTheExpectation(MuProp):
    """Takes the linear term away and does not add its expectation again."""

    def __call__(
        self,
        f: Callable[[Tensor], Tensor],
        logits: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        p = logits.detach().softmax(-1)
        at = p[None].requires_grad_()
        (v,) = torch.autograd.grad(f(at).sum(), at)
        lost = (v[0] * logits.softmax(-1)).sum((-2, -1))
        return super().__call__(f, logits, generator) - (lost - lost.detach())


def test_a_control_variate_without_its_expectation_is_caught() -> None:
    with pytest.raises(BiasedError, match="logits"):
        check_unbiased(_WithoutTheExpectation(), PROBLEMS["smooth"], 100_000)


def test_works_where_no_gradient_is_recorded() -> None:
    with torch.no_grad():
        value = MuProp()(lambda z: z[..., 0].sum(-1), torch.zeros(5, 3, 4))
    assert not value.requires_grad


def test_what_lies_outside_the_theory_is_refused() -> None:
    with pytest.raises(ValueError, match="`samples` must be at least 1, got 0"):
        MuProp(samples=0)
    weight = torch.ones((), requires_grad=True)
    for blind in (
        lambda z: z.detach()[..., 0].sum(-1),
        lambda z: weight * z.detach().sum((-2, -1)),
    ):
        with pytest.raises(ValueError, match="`f` must be differentiable in `z`, got"):
            MuProp()(blind, torch.zeros(2, 3, 4))
