"""CARMS: unbiased for any K and S, DisARM for two of two, RLOO without the coupling."""

import pytest
import torch
from torch import Tensor

from discretevae.estimators import carms
from discretevae.estimators.battery import (
    PROBLEMS,
    BiasedError,
    check_unbiased,
    measure,
)
from discretevae.estimators.carms import CARMS
from discretevae.estimators.disarm import DisARM
from discretevae.estimators.rloo import RLOO
from discretevae.latents import categorical


def test_agrees_with_enumeration_with_more_samples() -> None:
    check_unbiased(CARMS(samples=4), PROBLEMS["smooth"], 20_000)


def gradient_and_codes(
    estimator: CARMS, logits: Tensor, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Gives gradient, codes and values for an f that tells all codes apart."""
    seen: list[Tensor] = []

    def f(z: Tensor) -> Tensor:
        seen.append(z)
        w = torch.arange(z[0, 0].numel(), dtype=z.dtype).add(1).sqrt()
        return (z.flatten(-2) @ w).sin()

    logits = logits.clone().requires_grad_()
    value = estimator(f, logits, torch.Generator().manual_seed(seed))
    (grad,) = torch.autograd.grad(value.sum(), logits)
    return grad, seen[0], f(seen[0])


def test_two_binary_samples_are_disarm() -> None:
    """The same pair of codes, the same gradient; and pairs with the same law."""
    logits = torch.randn(500, 3, 2, dtype=torch.float64)
    grad, z, value = gradient_and_codes(CARMS(samples=2), logits)
    b, eta = z[..., 1], logits[..., 1] - logits[..., 0]
    expected = (value[0] - value[1])[:, None] * (b[0] - b[1]) * eta.abs().sigmoid() / 2
    torch.testing.assert_close(grad, torch.stack([-expected, expected], -1))

    ours, theirs = (
        measure(estimator, PROBLEMS["binary"], 50_000)[1].standard_error.square().sum()
        for estimator in (CARMS(samples=2), DisARM())
    )
    assert float(ours / theirs) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("samples", [2, 4])
def test_ratios_of_one_make_rloo(samples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = samples * (samples - 1) // 2
    monkeypatch.setattr(carms, "_ratios", lambda p, *_: p.new_ones(pairs, 500, 3))
    logits = torch.randn(500, 3, 4, dtype=torch.float64)
    grad, z, value = gradient_and_codes(CARMS(samples), logits)
    weight = (value - (value.sum(0) - value) / (samples - 1))[..., None, None]
    expected = (weight * (z - logits.softmax(-1))).mean(0)
    torch.testing.assert_close(grad, expected)


@pytest.mark.parametrize("samples", [2, 3, 5])
def test_ratios_against_frequencies(samples: int) -> None:
    """E[1(z₁ = k, z₂ = m) r(k, m)] = p_k p_m: 12 means at 5 standard errors, 1e-5 by chance."""
    count = 100_000
    p = torch.tensor([[0.1, 0.2, 0.3, 0.4]], dtype=torch.float64).expand(count, 1, 4)
    generator = torch.Generator().manual_seed(0)
    orders = carms._orders(4)
    codes = carms._coupled_codes(p, orders, samples, generator)
    r = carms._ratios(p, orders, codes)[0]
    for k in range(4):
        assert float((codes[0] == k).double().mean()) == pytest.approx(float(p[0, 0, k]), abs=8e-3)
        for m in range(4):
            weighted = ((codes[0] == k) & (codes[1] == m)) * r
            error = weighted.std() / count**0.5
            if k != m:
                assert (weighted.mean() - p[0, 0, k] * p[0, 0, m]).abs() < 5 * error
                assert error < 0.05 * p[0, 0, k] * p[0, 0, m]


def test_samples_repel_each_other() -> None:
    p = torch.full((10_000, 1, 4), 0.25, dtype=torch.float64)
    codes = carms._coupled_codes(p, carms._orders(4), 2, torch.Generator().manual_seed(0))
    assert (codes[0] == codes[1]).double().mean() < 0.2


def test_each_pair_of_classes_is_once_first_and_last() -> None:
    orders = carms._orders(5)
    assert len({(int(o[0]), int(o[-1])) for o in orders}) == len(orders) == 20
    assert (orders.sort(-1).values == torch.arange(5)).all()


def test_varies_less_than_rloo() -> None:
    ours, rloo = (
        measure(estimator, PROBLEMS["smooth"], 20_000)[1].standard_error.square().sum()
        for estimator in (CARMS(samples=2), RLOO(samples=2))
    )
    assert ours < 0.95 * rloo


def test_coupled_samples_without_ratios_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carms, "_ratios", lambda p, *_: p.new_ones(1, *p.shape[:-1]))
    with pytest.raises(BiasedError, match="logits"):
        check_unbiased(CARMS(), PROBLEMS["smooth"])


def test_classes_of_tiny_probability_do_no_harm() -> None:
    logits = torch.tensor([[0.0, -40.0, 0.0, -90.0], [1e4, -1e4, 0.0, 3.0]]).repeat(1000, 1, 1)
    grad, z, _ = gradient_and_codes(CARMS(samples=3), logits)
    assert grad.isfinite().all()
    assert grad.abs().max() < 10
    assert categorical.log_prob(z, logits).min() > -40


@pytest.mark.parametrize("num_categories", [2, 16])
def test_the_largest_and_smallest_codes(num_categories: int) -> None:
    logits = torch.randn(2, 3, num_categories)
    assert CARMS()(lambda z: z[..., 0].sum(-1), logits).shape == (2,)


def test_what_lies_outside_the_theory_is_refused() -> None:
    with pytest.raises(ValueError, match="`samples` must be at least 2 to couple them, got 1"):
        CARMS(samples=1)
    with pytest.raises(ValueError, match="`num_categories` must be at most 16, got 17"):
        CARMS()(lambda z: z[..., 0].sum(-1), torch.zeros(2, 3, 17))
