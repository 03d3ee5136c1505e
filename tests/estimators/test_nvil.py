"""NVIL: unbiased while its baseline does not see the sample; lower variance as it learns."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from discretevae.estimators.baselines import ConstantBaseline
from discretevae.estimators.battery import (
    PROBLEMS,
    BiasedError,
    check_unbiased,
    measure,
)
from discretevae.estimators.estimator import Estimator
from discretevae.estimators.nvil import NVIL
from discretevae.estimators.reinforce import Reinforce


@pytest.mark.parametrize("samples", [2, 3])
def test_agrees_with_enumeration_with_more_samples(samples: int) -> None:
    check_unbiased(NVIL(samples), PROBLEMS["smooth"], 50_000)


class _SeesThisSample(NVIL):
    """Predicts f(z) from f(z)."""

    def forward(
        self,
        f: Callable[[Tensor], Tensor],
        logits: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        def remembering(z: Tensor) -> Tensor:
            self.value = f(z)
            return self.value

        return super().forward(remembering, logits, generator)

    def _context(self, f: Callable[[Tensor], Tensor], logits: Tensor) -> Tensor:
        return self.value.detach().mean(0)[:, None].float()


def test_a_baseline_that_sees_this_sample_is_caught(taught: Callable[..., Any]) -> None:
    estimator = _SeesThisSample(context_features=1, learning_rate=1e-2)
    with pytest.raises(BiasedError, match="logits"):
        check_unbiased(taught(estimator, PROBLEMS["smooth"]), PROBLEMS["smooth"])


def variance(estimator: Estimator, name: str) -> float:
    return float(measure(estimator, PROBLEMS[name], 20_000)[1].standard_error.square().sum())


@pytest.mark.parametrize("name", ["smooth", "rough"])
def test_learns_the_baseline(name: str, taught: Callable[..., Any]) -> None:
    """The logits are the same throughout: the best baseline is a number, near E f."""
    estimator = taught(NVIL(learning_rate=1e-2), PROBLEMS[name])
    exact = float(measure(Reinforce(), PROBLEMS[name], 2)[0].exact)
    best, free = (variance(Reinforce(baseline=b), name) for b in (ConstantBaseline(exact), 0.0))
    assert variance(estimator.eval(), name) < min(1.1 * best, 0.9 * free)


class Shifted:
    """log-likelihoods whose level depends on the data, of which the logits know nothing."""

    def __init__(self, x: Tensor) -> None:
        self.context = x

    def __call__(self, z: Tensor) -> Tensor:
        return z[..., 0].sum(-1) + self.level

    @property
    def level(self) -> Tensor:
        return -100 + 20 * (self.context[:, 0] + self.context[:, 1]).sin()


def test_learns_a_baseline_that_depends_on_the_context() -> None:
    generator = torch.Generator().manual_seed(0)

    def gradient(estimator: NVIL, f: Shifted) -> Tensor:
        logits = torch.zeros(100, 3, 4, requires_grad=True)
        return torch.autograd.grad(estimator(f, logits, generator).sum(), logits)[0]

    def left(estimator: NVIL) -> float:
        for _ in range(300):
            gradient(estimator, Shifted(torch.randn(100, 2, generator=generator)))
        return float(gradient(estimator.eval(), Shifted(torch.randn(100, 2))).square().mean())

    blind = left(NVIL(learning_rate=1e-2))
    seeing = left(NVIL(context_features=2, learning_rate=1e-2))
    assert seeing < 0.2 * blind


def test_against_its_formula() -> None:
    """f(z) − m − σ C(x) weighs the score, with m, σ and C as they were before."""
    x, logits = torch.randn(6, 2), torch.randn(6, 3, 4, requires_grad=True)
    estimator, seen = NVIL(samples=2, context_features=2), []

    class Seen(Shifted):
        def __call__(self, z: Tensor) -> Tensor:
            seen.append(z)
            return super().__call__(z)

    estimator(Seen(x), logits)
    (m, sigma), c = estimator.moments_of_f(), estimator.network(x)[:, 0]
    value = estimator(Seen(x), logits)
    (grad,) = torch.autograd.grad(value.sum(), logits)
    f_z = Shifted(x)(seen[1])
    score = seen[1] - logits.detach().softmax(-1)
    expected = ((f_z - m - sigma * c)[..., None, None] * score).mean(0)
    torch.testing.assert_close(value, f_z.mean(0))
    torch.testing.assert_close(grad, expected)


def test_what_lies_outside_the_theory_is_refused() -> None:
    with pytest.raises(ValueError, match="`samples` must be at least 1, got 0"):
        NVIL(samples=0)
    with pytest.raises(ValueError, match="`context_features` must be at least 1, got 0"):
        NVIL(context_features=0)
    with pytest.raises(ValueError, match=r"`decay` must lie in \[0, 1\), got 1.0"):
        NVIL(decay=1.0)
    logits = torch.zeros(5, 3, 4)
    with pytest.raises(ValueError, match=r"`f.context` must have shape \(5, 2\), got \(5, 3\)"):
        NVIL(context_features=2)(Shifted(torch.zeros(5, 3)), logits)
    with pytest.raises(ValueError, match=r"`f.context` must have shape \(5, 2\), got none"):
        NVIL(context_features=2)(lambda z: z[..., 0].sum(-1), logits)
