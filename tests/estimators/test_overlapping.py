"""The smoothing against the CDF of the mixture, written out."""

from statistics import NormalDist

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from torch import Tensor

from discretevae.estimators import Exact, OverlappingExponential
from discretevae.estimators.overlapping import smooth

few = settings(deadline=None, max_examples=100)


def cdf(zeta: np.ndarray | Tensor, q: float | Tensor, beta: float) -> np.ndarray | Tensor:
    """F(ζ) = (1 − q) F₀(ζ) + q F₁(ζ), F_z the integral of r(ζ|z)."""
    exp = torch.exp if isinstance(zeta, Tensor) else np.exp
    whole = 1 - np.exp(-beta)
    of_zero = (1 - exp(-beta * zeta)) / whole
    of_one = (exp(beta * (zeta - 1)) - np.exp(-beta)) / whole
    return (1 - q) * of_zero + q * of_one


def density(zeta: np.ndarray | Tensor, q: float | Tensor, beta: float) -> np.ndarray | Tensor:
    exp = torch.exp if isinstance(zeta, Tensor) else np.exp
    whole = (1 - np.exp(-beta)) / beta
    return ((1 - q) * exp(-beta * zeta) + q * exp(beta * (zeta - 1))) / whole


def log_q_of(logit: float | Tensor) -> Tensor:
    logit = torch.as_tensor(logit, dtype=torch.float64)
    return torch.stack([torch.zeros_like(logit), logit], -1).log_softmax(-1)


def smooth_one(logit: Tensor, rho: Tensor, beta: float) -> Tensor:
    return smooth(log_q_of(logit)[..., None, :], rho[..., None], beta)[..., 0]


def drawn(logit: float, temperature: float, count: int = 20_000) -> Tensor:
    """What f sees of one latent with these log-odds: (count, 2)."""
    seen: list[Tensor] = []

    def f(z: Tensor) -> Tensor:
        seen.append(z)
        return z[..., 0].sum(-1)

    logits = torch.tensor([[0.3, 0.3 + logit]], dtype=torch.float64)
    estimator = OverlappingExponential(samples=count, temperature=temperature)
    estimator(f, logits, torch.Generator().manual_seed(0))
    return seen[0][:, 0]


@few
@given(st.floats(-30, 30), st.floats(0.05, 30), st.floats(0, 1))
def test_it_is_the_inverse_of_the_cdf(logit: float, beta: float, rho: float) -> None:
    q = torch.tensor(logit, dtype=torch.float64).sigmoid()
    leaf = torch.tensor(logit, dtype=torch.float64)
    zeta = smooth_one(leaf, torch.tensor([rho], dtype=torch.float64), beta)
    assert 0 <= zeta <= 1
    assert float(cdf(zeta, q, beta)) == pytest.approx(rho, abs=1e-10)


@pytest.mark.parametrize("logit", [-6.0, -0.7, 0.0, 2.0])
@pytest.mark.parametrize("temperature", [2.0, 0.125, 0.03])
def test_samples_follow_the_mixture(logit: float, temperature: float) -> None:
    """Kolmogorov and Smirnov's test; each fails by chance once in 10^6 runs."""
    z = drawn(logit, temperature)
    torch.testing.assert_close(z.sum(-1), torch.ones(len(z), dtype=torch.float64))
    zeta, q = z[:, 1].numpy(), 1 / (1 + np.exp(-logit))
    assert stats.kstest(zeta, lambda t: cdf(t, q, 1 / temperature)).pvalue > 1e-6
    if temperature < 1:  # above it ζ is nearly uniform whatever q is
        assert stats.kstest(zeta, lambda t: cdf(t, q + 0.05, 1 / temperature)).pvalue < 1e-6
        assert stats.kstest(1 - zeta, lambda t: cdf(t, q + 0.05, 1 / temperature)).pvalue < 1e-6


@few
@given(st.floats(-10, 10), st.floats(0.2, 20), st.floats(0.01, 0.99))
def test_its_derivative_is_that_of_the_implicit_function(
    logit: float, beta: float, rho: float
) -> None:
    """dζ/dl = −(∂F/∂q · dq/dl) / (∂F/∂ζ), also by finite differences."""
    leaf = torch.tensor(logit, dtype=torch.float64, requires_grad=True)
    draw = torch.tensor([rho], dtype=torch.float64)
    zeta = smooth_one(leaf, draw, beta)
    (found,) = torch.autograd.grad(zeta.sum(), leaf)
    q, at = leaf.detach().sigmoid(), zeta.detach()
    in_q = cdf(at, 1.0, beta) - cdf(at, 0.0, beta)
    expected = -q * (1 - q) * in_q / density(at, q, beta)
    torch.testing.assert_close(found, expected[0], rtol=1e-6, atol=1e-9)
    assert found >= 0, "more of class 1 never lowers ζ"
    step = 1e-6
    up, down = (smooth_one(leaf.detach() + s, draw, beta) for s in (step, -step))
    torch.testing.assert_close(found, ((up - down) / (2 * step))[0], rtol=1e-3, atol=1e-6)


def test_its_mean_value_and_gradient_are_those_of_the_integral() -> None:
    """∫ f(ζ) q(ζ) dζ by quadrature and its derivative; it fails once in 10^6 runs."""
    beta, logit, count = 4.0, 0.6, 100_000
    logits = torch.tensor([[0.0, logit]], dtype=torch.float64).repeat(count, 1, 1)
    logits.requires_grad_()
    estimator = OverlappingExponential(temperature=1 / beta)

    def f(z: Tensor) -> Tensor:
        return z[..., 0, 1].square() + (3 * z[..., 0, 0]).sin()

    value = estimator(f, logits, torch.Generator().manual_seed(0))
    (gradient,) = torch.autograd.grad(value.sum(), logits)

    def integral(logit: float) -> float:
        q = 1 / (1 + np.exp(-logit))
        return integrate.quad(
            lambda t: (t**2 + np.sin(3 * (1 - t))) * density(np.array(t), q, beta), 0, 1
        )[0]

    slope = (integral(logit + 1e-4) - integral(logit - 1e-4)) / 2e-4
    quantile = NormalDist().inv_cdf(1 - 1e-6 / 4)
    for draws, truth in ((value.detach(), integral(logit)), (gradient[:, 0, 1], slope)):
        bound = float(quantile * draws.std() / count**0.5)
        assert bound < 0.02
        assert abs(float(draws.mean()) - truth) < bound
    torch.testing.assert_close(gradient[:, 0, 0], -gradient[:, 0, 1])


def test_a_small_temperature_tends_to_codes() -> None:
    """It fails by chance once in 10^6 runs."""
    distances = []
    for temperature in (0.5, 0.1, 0.02, 0.004):
        zeta = drawn(0.8, temperature)[:, 1]
        distances.append(float(torch.minimum(zeta, 1 - zeta).mean()))
        assert distances[-1] < temperature
    assert distances == sorted(distances, reverse=True)
    q = 1 / (1 + np.exp(-0.8))
    bound = NormalDist().inv_cdf(1 - 1e-6 / 2) * (q * (1 - q) / 20_000) ** 0.5
    assert abs(float(zeta.round().mean()) - q) < bound

    def f(z: Tensor) -> Tensor:
        return (z[..., 1].sum(-1) - 0.4).square()

    logits = torch.tensor([[0.0, 0.8], [0.5, 0.0]], dtype=torch.float64)
    exact = float(Exact()(f, logits))
    estimates = [
        float(
            OverlappingExponential(50_000, temperature)(f, logits, torch.Generator().manual_seed(0))
        )
        for temperature in (1.0, 0.001)
    ]
    assert abs(estimates[0] - exact) > 0.1
    assert abs(estimates[1] - exact) < 0.02


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("beta", [1e-2, 8.0, 100.0, 1e4])
def test_extreme_logits_and_draws_stay_in_the_interval(dtype: torch.dtype, beta: float) -> None:
    logit = torch.tensor([-1e4, -90.0, -1.0, 0.0, 1.0, 90.0, 1e4], dtype=dtype)
    logits = torch.stack([torch.zeros_like(logit), logit], -1).requires_grad_()
    rho = torch.tensor([0.0, 1e-7, 0.5, 1 - 1e-7, 1.0], dtype=dtype)[:, None].expand(-1, 7)
    zeta = smooth(logits.log_softmax(-1), rho, beta)
    assert zeta.dtype == dtype
    assert ((zeta >= 0) & (zeta <= 1)).all()
    assert (zeta.diff(dim=0) >= -1e-5).all()
    (gradient,) = torch.autograd.grad(zeta.sum(), logits)
    assert gradient.isfinite().all()


def test_what_lies_outside_the_theory_is_refused() -> None:
    with pytest.raises(ValueError, match="`temperature` must be positive, got 0"):
        OverlappingExponential(temperature=0.0)
    with pytest.raises(ValueError, match="`samples` must be at least 1, got 0"):
        OverlappingExponential(samples=0)
    with pytest.raises(ValueError, match=r"`num_categories` must be 2 .* got 3"):
        OverlappingExponential()(lambda z: z.sum((-2, -1)), torch.zeros(4, 2, 3))
