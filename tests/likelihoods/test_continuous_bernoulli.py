"""The density against 50 digits of decimal arithmetic, at every logit that a decoder may say."""

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from discretevae.likelihoods import BernoulliLikelihood, ContinuousBernoulliLikelihood
from discretevae.likelihoods.continuous_bernoulli import ContinuousBernoulli

SIZES = [0.0, 1e-6, 1e-3, 0.1, 0.999, 1.0, 5.0, 16.0, 17.0, 30.0, 89.0, 100.0, 500.0, 1000.0]
LOGITS = [*SIZES, *(-size for size in SIZES[1:])]
both = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])


def leaf(dtype: torch.dtype) -> Tensor:
    """All logits, each an observation of its own."""
    return torch.tensor(LOGITS, dtype=dtype)[:, None].requires_grad_()


def truth(h: float) -> tuple[Decimal, Decimal, Decimal]:
    """log ∫ e^{hx} dx and its first two derivatives."""
    with localcontext() as context:
        context.prec, logit = 50, Decimal(h)
        if not logit:
            return Decimal(0), Decimal(1) / 2, Decimal(1) / 12
        decay = (-abs(logit)).exp()
        log_mass = max(logit, Decimal(0)) + ((1 - decay) / abs(logit)).ln()
        variance = 1 / logit**2 - decay / (1 - decay) ** 2
        return log_mass, 1 / (1 - (-logit).exp()) - 1 / logit, variance


def close(found: Tensor, exact: list[Decimal], ulps: int = 16, least: float = 1.0) -> None:
    """Within some units of rounding of the larger of the exact value and `least`."""
    error = ulps * torch.finfo(found.dtype).eps
    expected = torch.tensor([float(value) for value in exact], dtype=torch.float64)
    assert found.isfinite().all()
    torch.testing.assert_close(
        found.detach().double().flatten(), expected, rtol=error, atol=error * least
    )


@both
@pytest.mark.parametrize("h", LOGITS)
def test_the_mass_is_one(h: float, dtype: torch.dtype) -> None:
    """Gauss-Legendre between points that crowd at the end where the mass is."""
    width = 1 / max(1.0, abs(h))
    edges = np.unique([0.0, *(width * k for k in range(1, 41) if width * k < 1), 1.0])
    nodes, weights = np.polynomial.legendre.leggauss(12)
    half = np.diff(edges)[:, None] / 2
    distance = torch.tensor((edges[:-1, None] + half + half * nodes).ravel())
    x = (1 - distance if h > 0 else distance).to(dtype)[:, None]
    p = ContinuousBernoulliLikelihood()(torch.tensor([h], dtype=dtype))
    density = p.log_prob(x).exp().double().numpy()
    error = 1e-4 if dtype == torch.float32 else 1e-11  # h x rounds by 6e-5 at 1000
    assert float(density @ (half * weights).ravel()) == pytest.approx(1, abs=error)


@both
@pytest.mark.parametrize("x", [0.0, 0.25, 1.0])
def test_log_prob_and_its_derivatives(x: float, dtype: torch.dtype) -> None:
    h = leaf(dtype)
    value = ContinuousBernoulliLikelihood()(h).log_prob(torch.full_like(h, x).detach())
    (first,) = torch.autograd.grad(value.sum(), h, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), h, create_graph=True)
    (third,) = torch.autograd.grad(second.sum(), h)
    logits = [Decimal(v) for v in h.flatten().tolist()]
    log_mass, mean, variance = zip(*map(truth, h.flatten().tolist()), strict=True)
    close(value, [v * Decimal(x) - mass for v, mass in zip(logits, log_mass, strict=True)])
    close(first, [Decimal(x) - m for m in mean])
    close(second, [-v for v in variance])
    assert third.isfinite().all()


@both
def test_mean_and_variance(dtype: torch.dtype) -> None:
    h = leaf(dtype)
    p = ContinuousBernoulliLikelihood()(h)
    _, mean, variance = zip(*map(truth, h.flatten().tolist()), strict=True)
    close(p.mean, [*mean], least=0)
    close(p.variance, [*variance], ulps=200, least=0)
    (slope,) = torch.autograd.grad(p.mean.sum(), h)
    close(slope, [*variance])
    assert torch.autograd.grad(p.variance.sum(), h)[0].isfinite().all()


def share_below(distance: np.ndarray, size: float) -> np.ndarray:
    """The mass nearer to the favoured end: (1 − e^{−|h| t}) / (1 − e^{−|h|})."""
    return np.expm1(-size * distance) / math.expm1(-size) if size else distance


@both
def test_draws_follow_the_density(dtype: torch.dtype) -> None:
    """54 tests of Kolmogorov and Smirnov at 1e-8; a mean that is off by 10 % is seen."""
    p = ContinuousBernoulliLikelihood()(leaf(dtype))
    draws = p.base_dist.sample((20_000,), torch.Generator().manual_seed(0))[..., 0]
    assert draws.dtype == dtype
    assert ((draws >= 0) & (draws <= 1)).all()
    for h, x in zip(LOGITS, draws.T, strict=True):
        distance = (1 - x if h > 0 else x).double().numpy()
        fit, off = (
            stats.kstest(scale * distance, lambda t, h=h: share_below(t, abs(h))).pvalue
            for scale in (1, 0.9)
        )
        assert fit > 1e-8 > off, h


@both
def test_the_inverse_of_the_distribution_function(dtype: torch.dtype) -> None:
    u = torch.tensor([0.0, 1e-6, 0.1, 0.5, 0.9, 1.0], dtype=dtype)
    for h in LOGITS:
        x = ContinuousBernoulli(torch.tensor(h, dtype=dtype)).icdf(u)
        assert ((x >= 0) & (x <= 1)).all()
        assert (x.diff() >= 0).all()
        distance, share = (1 - v if h > 0 else v for v in (x.double(), u.double()))
        # The rounding of 1 − x is worth |h| times as much of the mass.
        error = 1e-6 + abs(h) * torch.finfo(dtype).eps
        assert share_below(distance.numpy(), abs(h)) == pytest.approx(share.numpy(), abs=error)


def test_a_generator_decides_the_draws() -> None:
    p = ContinuousBernoulli(torch.tensor(3.0))
    first, again, other = (
        p.sample((50,), torch.Generator().manual_seed(seed)) for seed in (5, 5, 6)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("size", [16.0, 100.0, 1000.0])
def test_all_pairs_lose_nothing_to_cancellation(size: float) -> None:
    """784 pixels in float32, some of them where h·x and the normaliser nearly cancel."""
    generator = torch.Generator().manual_seed(0)
    h = size * (2 * torch.rand(8, 784, generator=generator) - 1)
    x = torch.where(torch.rand(5, 784, generator=generator) < 0.5, (h[:5] > 0).float(), 0.5)
    likelihood = ContinuousBernoulliLikelihood()
    found = likelihood.log_prob_pairs(h, x)
    exact = likelihood(h.double()[:, None]).log_prob(x.double())
    # 784 terms of up to `size`, each rounded once.
    assert float((found - exact).abs().max()) < 784 * size * torch.finfo(torch.float32).eps


@pytest.mark.parametrize("event_dims", [1, 2])
def test_log_prob_is_summed_over_the_event(event_dims: int) -> None:
    h = 3 * torch.randn(4, 2, 3, dtype=torch.float64)
    x = torch.rand(4, 2, 3, dtype=torch.float64)
    found = ContinuousBernoulliLikelihood(event_dims)(h).log_prob(x)
    expected = (h * x + (h / h.expm1()).log()).flatten(3 - event_dims).sum(-1)
    torch.testing.assert_close(found, expected)


def test_it_is_not_the_bernoulli() -> None:
    uniform = ContinuousBernoulli(torch.tensor(0.0)).log_prob(torch.tensor(0.3))
    assert float(uniform) == pytest.approx(0)  # a Bernoulli would give −log 2


@both
@pytest.mark.parametrize("size", [1e4, 1e30])
def test_extreme_logits_give_finite_values_and_gradients(size: float, dtype: torch.dtype) -> None:
    h = torch.tensor([[size, -size, 0.0]], dtype=dtype, requires_grad=True)
    x = torch.tensor([[1.0, 0.0, 0.3], [1.0, 0.0, 0.5]], dtype=dtype)
    likelihood = ContinuousBernoulliLikelihood()
    for value in (likelihood(h).log_prob(x), likelihood.log_prob_pairs(h, x)[0]):
        (gradient,) = torch.autograd.grad(value.sum(), h)
        assert value.isfinite().all()
        assert gradient.isfinite().all()


@both
def test_the_bernoulli_clamps_nothing(dtype: torch.dtype) -> None:
    """Its figures come from the logits: log p of the favoured bit is −log(1 + e^{−|h|})."""
    h = leaf(dtype)
    p = BernoulliLikelihood()(h)
    value = p.log_prob((h > 0).to(dtype))
    (slope,) = torch.autograd.grad(value.sum(), h)
    decays = [(-abs(Decimal(v))).exp() for v in LOGITS]
    unlikely = [decay / (1 + decay) for decay in decays]
    signs = [1 if v > 0 else -1 for v in LOGITS]
    close(value, [-(1 + decay).ln() for decay in decays])
    close(slope, [sign * u for sign, u in zip(signs, unlikely, strict=True)])
    close(p.mean, [1 - u if sign > 0 else u for sign, u in zip(signs, unlikely, strict=True)])


@pytest.mark.parametrize("value", [-0.01, 1.01, torch.nan, torch.inf])
def test_values_outside_the_unit_interval_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"`x` must lie in \[0, 1\] .* got values from"):
        ContinuousBernoulliLikelihood().check(torch.tensor([0.5, value]))
    ContinuousBernoulliLikelihood().check(torch.tensor([0.0, 0.5, 1.0]))


def test_what_it_gives_is_a_distribution_of_torch() -> None:
    """Drawn from and summed over the event like any other."""
    h: Tensor = torch.linspace(-30, 30, 12).view(4, 3)
    q = ContinuousBernoulliLikelihood()(h)
    assert q.batch_shape == (4,)
    assert q.event_shape == (3,)
    assert q.sample(torch.Size([7])).shape == (7, 4, 3)
    assert q.log_prob(torch.rand(7, 4, 3)).shape == (7, 4)
