"""Local expectations: exact for one latent, unbiased for several, the same in chunks."""

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
from discretevae.estimators.estimator import Estimator
from discretevae.estimators.exact import Exact
from discretevae.estimators.local_expectation import LocalExpectation
from discretevae.estimators.rloo import RLOO


def test_one_latent_is_exact() -> None:
    for estimator in (LocalExpectation(), LocalExpectation(samples=3)):
        for found in measure(estimator, PROBLEMS["one latent"], replicates=50):
            torch.testing.assert_close(found.mean, found.exact, rtol=1e-12, atol=1e-12)
            assert (found.standard_error < 1e-12).all()


def test_a_sum_over_latents_is_exact() -> None:
    """Of an additive f every local expectation is complete: no variance in the gradient."""
    problem = PROBLEMS["linear"]
    _, logits, _ = measure(LocalExpectation(), problem, replicates=50)
    torch.testing.assert_close(logits.mean, logits.exact, rtol=1e-12, atol=1e-12)


def gradients(estimator: Estimator, seed: int = 0) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(4, 3, 5, dtype=torch.float64, generator=generator).requires_grad_()
    weight = torch.randn(15, dtype=torch.float64, generator=generator).requires_grad_()
    value = estimator(lambda z: (z.flatten(-2) @ weight).tanh(), logits, generator)
    return (value.detach(), *torch.autograd.grad(value.square().sum(), (logits, weight)))


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = gradients(LocalExpectation(samples=2))
    monkeypatch.setattr("discretevae.estimators.local_expectation.ENTRIES", 700)
    for chunked, expected in zip(gradients(LocalExpectation(samples=2)), whole, strict=True):
        torch.testing.assert_close(chunked, expected, rtol=1e-12, atol=1e-12)


def test_against_a_loop_over_latents_and_classes() -> None:
    problem, seen = PROBLEMS["smooth"], []

    def f(z: Tensor) -> Tensor:
        seen.append(z.detach())
        return problem.f(z, problem.parameters)

    logits = problem.logits.clone().requires_grad_()
    value = LocalExpectation()(f, logits)
    (grad,) = torch.autograd.grad(value, logits)

    p, z = logits.softmax(-1), seen[0][0]
    local = torch.zeros(3, dtype=torch.float64)
    for d in range(3):
        for k in range(4):
            changed = z.clone()
            changed[d] = torch.eye(4, dtype=torch.float64)[k]
            local[d] = local[d] + p[d, k] * problem.f(changed, problem.parameters)
    (expected,) = torch.autograd.grad(local.sum(), logits)
    torch.testing.assert_close(value, local.mean(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(grad, expected, rtol=1e-12, atol=1e-12)


def test_varies_less_than_rloo_with_as_many_samples_as_latents() -> None:
    for name in ("smooth", "rough"):
        local, rloo = (
            measure(estimator, PROBLEMS[name], 5_000)[1].standard_error.square().sum()
            for estimator in (LocalExpectation(), RLOO(samples=3))
        )
        assert local < rloo / 2


@dataclass(frozen=True)
class _MeanForTheLogits(LocalExpectation):
    """The classic mistake: the mean over the latents for the gradient too."""

    def __call__(
        self,
        f: Callable[[Tensor], Tensor],
        logits: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        mixed = logits / logits.shape[-2] + (logits - logits / logits.shape[-2]).detach()
        return super().__call__(f, mixed, generator)


def test_the_mean_over_latents_for_the_logits_is_caught() -> None:
    with pytest.raises(BiasedError, match="logits"):
        check_unbiased(_MeanForTheLogits(), PROBLEMS["smooth"], 5_000)


def test_large_codes_fit() -> None:
    logits = torch.zeros(2, 64, 64, requires_grad=True)
    LocalExpectation()(lambda z: z[..., 0].sum(-1), logits).sum().backward()
    exact = torch.zeros(1, 64, requires_grad=True)
    Exact()(lambda z: z[..., 0].sum(-1), exact).backward()
    assert exact.grad is not None
    torch.testing.assert_close(logits.grad, exact.grad.expand(2, 64, 64))
