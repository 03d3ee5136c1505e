"""Double control variates: unbiased at any scale, RLOO at zero, the fitted scale the best."""

import pytest
import torch
from torch import Tensor

from discretevae.estimators.battery import (
    PROBLEMS,
    BiasedError,
    check_unbiased,
    measure,
)
from discretevae.estimators.double_cv import DoubleCV
from discretevae.estimators.estimator import Estimator
from discretevae.estimators.rloo import RLOO


@pytest.mark.parametrize(("samples", "scale"), [(2, 1.0), (3, 0.5)])
def test_agrees_with_enumeration_at_any_scale(samples: int, scale: float) -> None:
    check_unbiased(DoubleCV(samples, scale), PROBLEMS["smooth"], 50_000)


def test_scale_zero_is_rloo() -> None:
    for ours, rloo in zip(
        measure(DoubleCV(3, scale=0.0), PROBLEMS["smooth"], 100),
        measure(RLOO(samples=3), PROBLEMS["smooth"], 100),
        strict=True,
    ):
        torch.testing.assert_close(ours.mean, rloo.mean, rtol=1e-12, atol=1e-12)


def variance(estimator: Estimator, name: str) -> float:
    return float(measure(estimator, PROBLEMS[name], 20_000)[1].standard_error.square().sum())


@pytest.mark.parametrize("name", ["linear", "smooth", "rough"])
def test_the_fitted_scale_is_at_least_as_good_as_any(name: str) -> None:
    fitted = DoubleCV()
    logits = PROBLEMS[name].logits.expand(20_000, -1, -1).clone().requires_grad_()
    fitted(lambda z: PROBLEMS[name].f(z, PROBLEMS[name].parameters), logits)
    fitted.eval()
    others = [variance(DoubleCV(scale=scale), name) for scale in (0.0, 0.5, 1.0)]
    assert variance(fitted, name) < 1.03 * min(others) + 1e-9  # at a = 1 a linear f has none


def test_earlier_batches_only_and_only_in_training() -> None:
    estimator, logits = DoubleCV(), torch.randn(50, 3, 4, requires_grad=True)

    def f(z: Tensor) -> Tensor:
        return z.flatten(-2).cumsum(-1).square().sum(-1)

    def seeded() -> torch.Generator:
        return torch.Generator().manual_seed(0)

    def gradient(of: Estimator) -> Tensor:
        return torch.autograd.grad(of(f, logits, seeded()).sum(), logits)[0]

    assert torch.equal(gradient(estimator), gradient(DoubleCV(scale=0.0)))
    fitted = float(-estimator.overlap / estimator.square)
    estimator.eval()
    torch.testing.assert_close(gradient(estimator), gradient(DoubleCV(scale=fitted)))
    estimator.train()
    with torch.no_grad():
        assert not estimator(f, logits).requires_grad
    assert float(-estimator.overlap / estimator.square) == fitted


class _OwnGradient(DoubleCV):
    """Fits the scale to the very samples that it is used for."""

    def _fitted_scale(self, g_0: Tensor, h: Tensor) -> Tensor:
        dims = (-2, -1)
        return -((g_0 * h).sum(dims, True) / h.square().sum(dims, True).clamp_min(1e-12))


def test_a_scale_fitted_to_the_same_samples_is_caught() -> None:
    with pytest.raises(BiasedError, match="logits"):
        check_unbiased(_OwnGradient(), PROBLEMS["smooth"])


def test_what_lies_outside_the_theory_is_refused() -> None:
    with pytest.raises(ValueError, match="`samples` must be at least 2 to leave one out, got 1"):
        DoubleCV(samples=1)
    with pytest.raises(ValueError, match=r"`decay` must lie in \[0, 1\), got 1.0"):
        DoubleCV(decay=1.0)
    with pytest.raises(ValueError, match="`f` must be differentiable in `z`, got"):
        DoubleCV()(lambda z: z.detach()[..., 0].sum(-1), torch.zeros(2, 3, 4))
