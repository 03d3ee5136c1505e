"""The bound beside log p(x) summed over every support, and beside dense Gaussians."""

import itertools
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from discretevae.sparse import SparseAutoencoder, Support, TopKAutoencoder
from discretevae.sparse.bound import (
    AmplitudePrior,
    fit_prior_of,
    gaussian_log_density,
    log_p_given_support,
)

D, M = 3, 8


@pytest.fixture
def model() -> SparseAutoencoder:
    torch.manual_seed(0)
    model = TopKAutoencoder(D, M, 2).double().eval().requires_grad_(False)
    model.b_dec.normal_()
    return model


@pytest.fixture
def prior() -> AmplitudePrior:
    g = torch.Generator().manual_seed(1)
    root = 0.4 * torch.randn(D, D, generator=g, dtype=torch.float64)
    return AmplitudePrior(
        0.1 + 0.3 * torch.rand(M, generator=g, dtype=torch.float64),
        torch.randn(M, generator=g, dtype=torch.float64),
        0.2 + torch.rand(M, generator=g, dtype=torch.float64),
        torch.randn(D, generator=g, dtype=torch.float64),
        noise=0.1 * torch.eye(D).double() + root @ root.T,
    )


def supports() -> list[tuple[int, ...]]:
    return [s for size in range(M + 1) for s in itertools.combinations(range(M), size)]


def as_support(chosen: tuple[int, ...], rows: int) -> Support:
    offsets = torch.arange(rows + 1) * len(chosen)
    return Support(offsets, torch.tensor(chosen * rows, dtype=torch.int64), M)


def dense_gaussian(
    model: SparseAutoencoder, prior: AmplitudePrior, chosen: tuple[int, ...]
) -> MultivariateNormal:
    w = model.W_dec[list(chosen)]
    covariance = prior.noise + w.T @ (prior.variance[list(chosen), None] * w)
    return MultivariateNormal(prior.offset + prior.mean[list(chosen)] @ w, covariance)


def exact_log_p(model: SparseAutoencoder, prior: AmplitudePrior, x: Tensor) -> Tensor:
    terms = []
    for chosen in supports():
        on = torch.zeros(M, dtype=torch.bool)
        on[list(chosen)] = True
        log_p_s = torch.where(on, prior.rates, 1 - prior.rates).log().sum()
        terms.append(log_p_s + dense_gaussian(model, prior, chosen).log_prob(x))
    return torch.stack(terms).logsumexp(0)


def test_log_p_given_support_is_that_of_the_dense_gaussian(
    model: SparseAutoencoder, prior: AmplitudePrior
) -> None:
    x = torch.randn(4, D, dtype=torch.float64)
    for chosen in supports():
        found = log_p_given_support(model, x, as_support(chosen, 4), prior)
        torch.testing.assert_close(found, dense_gaussian(model, prior, chosen).log_prob(x))


def test_supports_of_several_sizes_together(
    model: SparseAutoencoder, prior: AmplitudePrior
) -> None:
    x = torch.randn(3, D, dtype=torch.float64)
    mixed = Support(torch.tensor([0, 0, 2, 3]), torch.tensor([1, 4, 7]), M)
    found = log_p_given_support(model, x, mixed, prior)
    for i, chosen in enumerate([(), (1, 4), (7,)]):
        torch.testing.assert_close(found[i], dense_gaussian(model, prior, chosen).log_prob(x[i]))


def test_probabilities_of_supports_add_up(prior: AmplitudePrior) -> None:
    total = sum(float(prior.log_p_of_support(as_support(s, 1)).exp()) for s in supports())
    assert total == pytest.approx(1.0)


def test_it_is_a_bound_and_a_point_for_the_amplitudes_is_none(
    model: SparseAutoencoder, prior: AmplitudePrior
) -> None:
    """Rows drawn from the model itself, whose log p(x) is summed over all 256 supports."""
    torch.manual_seed(3)
    on = torch.rand(200, M).double() < prior.rates
    a = on * (prior.mean + prior.variance.sqrt() * torch.randn(200, M).double())
    noise = MultivariateNormal(prior.offset, prior.noise)
    x = a @ model.W_dec + noise.sample((200,))
    exact = exact_log_p(model, prior, x)
    bound = prior.log_bound(model, x)
    assert bool((bound <= exact + 1e-9).all())
    assert float(exact.mean() - bound.mean()) < 7.0  # the encoder is one at random

    support = model.active(x).support
    by_point = prior.log_p_of_support(support)
    for i in range(len(x)):  # the best point there is
        w = model.W_dec[support.latents[support.offsets[i] : support.offsets[i + 1]]]
        seen = torch.linalg.solve(prior.noise, w.T)  # Σ⁻¹ Wᵀ
        a = torch.linalg.solve(w @ seen, (x[i] - prior.offset) @ seen)
        by_point[i] += MultivariateNormal(prior.offset + a @ w, prior.noise).log_prob(x[i])
    assert bool((by_point > exact).any())  # what leaves amplitudes out of the account


def test_a_transcoder_pays_nothing_for_its_support(prior: AmplitudePrior) -> None:
    torch.manual_seed(0)
    model = TopKAutoencoder(5, M, 2, dim_out=D).double().eval()
    x, y = torch.randn(6, 5).double(), torch.randn(6, D).double()
    found = prior.log_bound(model, x, y)
    support = model.active(x).support
    torch.testing.assert_close(found, log_p_given_support(model, y, support, prior))


def test_fitting_raises_the_likelihood_and_finds_what_was_drawn() -> None:
    """5,000 rows whose supports are seen; errors of the estimates are a few hundredths.

    Covariances have a standard error of about 1.5 %, so that 10 % is beyond six of them.
    """
    torch.manual_seed(0)
    model = TopKAutoencoder(8, M, 2).double().eval()
    with torch.no_grad():
        model.W_dec.copy_(torch.eye(8))
        model.W_enc.copy_(torch.eye(8))
    root = 0.2 * torch.eye(8).double()
    root[1:, 0] = 0.1
    chosen = torch.rand(5000, M).topk(2).indices
    a = torch.zeros(5000, M).double().scatter_(1, chosen, 4 + 0.5 * torch.randn(5000, 2).double())
    x = a @ model.W_dec + 0.3 + torch.randn(5000, 8).double() @ root.T
    values = []
    for iterations in (0, 1, 2, 40):
        prior = fit_prior_of(model, x, iterations=iterations)
        values.append(float(prior.log_bound(model, x).mean()))
    assert values == sorted(values)
    noise = root @ root.T
    scale = noise.diagonal().sqrt()
    assert float(((prior.noise - noise) / scale / scale[:, None]).abs().max()) < 0.1
    torch.testing.assert_close(prior.offset, torch.full((8,), 0.3).double(), atol=0.02, rtol=0)
    torch.testing.assert_close(prior.mean, torch.full((M,), 4.0).double(), rtol=0.02, atol=0)
    torch.testing.assert_close(prior.variance, torch.full((M,), 0.25).double(), rtol=0.2, atol=0)
    torch.testing.assert_close(prior.rates, torch.full((M,), 0.25).double(), rtol=0.15, atol=0)


def test_noise_that_is_not_the_same_in_all_directions_is_worth_its_bits() -> None:
    """Without a latent the bound is that of one Gaussian, but for log p(s = ∅); σ²I is caught."""
    torch.manual_seed(0)
    model = TopKAutoencoder(4, M, 2).double().eval()
    model.b_enc.data.fill_(-1e9)  # none is ever active
    x = torch.randn(3000, 4).double() @ torch.diag(torch.tensor([3.0, 1.0, 0.3, 0.1])).double()
    prior = fit_prior_of(model, x)
    nothing = prior.log_p_of_support(as_support((), len(x)))
    found = prior.log_bound(model, x)
    torch.testing.assert_close(found, nothing + gaussian_log_density(x, x), atol=1e-6, rtol=1e-6)
    isotropic = replace(prior, noise=x.var() * torch.eye(4).double())
    assert float((found - isotropic.log_bound(model, x)).mean()) > 2


def test_reconstructions_that_are_perfect_have_finite_bits() -> None:
    torch.manual_seed(0)
    model = TopKAutoencoder(3, 6, 6).double().eval()
    with torch.no_grad():
        model.W_dec.copy_(torch.cat([torch.eye(3), -torch.eye(3)]))
        model.W_enc.copy_(model.W_dec.T)
    x = torch.randn(200, 3).double()
    torch.testing.assert_close(model(x), x)
    assert bool(fit_prior_of(model, x).log_bound(model, x).isfinite().all())


def test_one_gaussian() -> None:
    x = torch.randn(500, 3).double() @ torch.randn(3, 3).double() + 1
    mean, covariance = x.mean(0), torch.cov(x.T, correction=0)
    expected = MultivariateNormal(mean, covariance).log_prob(x)
    torch.testing.assert_close(gaussian_log_density(x, x), expected, atol=1e-3, rtol=1e-3)
