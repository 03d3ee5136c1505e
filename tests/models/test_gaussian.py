"""The continuous baseline against closed forms."""

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from discretevae.likelihoods import GaussianLikelihood
from discretevae.models import GaussianVAE
from discretevae.networks import MLP

PIXELS, L, SIGMA = 4, 2, 0.6


def small(likelihood: str = "bernoulli", **options: object) -> GaussianVAE:
    return GaussianVAE((PIXELS,), L, MLP((6,)), likelihood, **options).double()


def linear() -> tuple[GaussianVAE, MultivariateNormal]:
    """A linear decoder with orthogonal columns: p(x) and the diagonal p(z|x) are normal."""
    model = GaussianVAE((PIXELS,), L, MLP(()), GaussianLikelihood(scale=SIGMA)).double()
    directions = torch.linalg.qr(torch.randn(PIXELS, L, dtype=torch.float64)).Q
    w, b = directions * torch.tensor([2.0, 0.5]), torch.randn(PIXELS, dtype=torch.float64)
    with torch.no_grad():
        # The scale the likelihood really has: it was stored as a float32 logarithm.
        variance = model.likelihood.log_scale.exp().square()
        posterior_variance = 1 / (1 + w.square().sum(0) / variance)
        model.decoder[0].weight.copy_(w)
        model.decoder[0].bias.copy_(b)
        mean = posterior_variance[:, None] * w.T / variance
        encoder = model.encoder[1]
        encoder.weight.zero_()
        encoder.weight[0::2] = mean  # mean and log σ take turns
        encoder.bias[0::2] = -mean @ b
        encoder.bias[1::2] = 0.5 * posterior_variance.log()
    return model, MultivariateNormal(b, w @ w.T + variance * torch.eye(PIXELS))


def test_every_weight_is_the_true_likelihood_at_the_true_posterior() -> None:
    model, truth = linear()
    x = truth.sample((3, 5))
    torch.testing.assert_close(model.log_weights(x, 7), truth.log_prob(x).expand(7, 3, 5))
    torch.testing.assert_close(model.log_likelihood(x, samples=1), truth.log_prob(x))


def test_with_another_posterior_the_bound_closes_from_below() -> None:
    model, truth = linear()
    x = truth.sample((50,))
    with torch.no_grad():
        model.encoder[1].bias[1::2] += 0.4  # too wide
        log_p = truth.log_prob(x)
        elbo = model.elbo(x, samples=2000)
        many = model.log_likelihood(x, samples=2000)
    assert (elbo < log_p - 0.05).all()
    torch.testing.assert_close(many, log_p, rtol=0, atol=0.1)
    assert (many > elbo).all()


def test_the_elbo_is_that_of_the_closed_form() -> None:
    """E_q[log p(x|z)] of a linear decoder is known; seven standard errors are allowed."""
    model, _ = linear()
    x = torch.randn(3, PIXELS, dtype=torch.float64)
    with torch.no_grad():
        model.encoder[1].weight.mul_(0.7)
        mean, log_scale = model.encoder(x).unflatten(-1, (L, 2)).unbind(-1)
        w, b, variance = (
            model.decoder[0].weight,
            model.decoder[0].bias,
            model.likelihood.log_scale.exp().square(),
        )
        at_mean = Normal(mean @ w.T + b, variance.sqrt()).log_prob(x).sum(-1)
        spread = (w.square().sum(0) * (2 * log_scale).exp()).sum(-1) / (2 * variance)
        prior = Normal(torch.zeros_like(mean), 1.0)
        kl = kl_divergence(Normal(mean, log_scale.exp()), prior).sum(-1)
        values = model.elbo(x.expand(20_000, 3, PIXELS))
    error = 7 * values.std(0) / len(values) ** 0.5
    assert error.max() < 0.2
    assert ((values.mean(0) - (at_mean - spread - kl)).abs() < error).all()


@pytest.mark.parametrize("batch", [(), (4,), (2, 4)])
def test_the_kl_and_its_gradient_are_those_of_torch(batch: tuple[int, ...]) -> None:
    model, x = small(), torch.rand(*batch, PIXELS, dtype=torch.float64).round()
    found = model.elbo_terms(x).kl
    mean, log_scale = model.posterior(x).unbind(-1)
    expected = kl_divergence(
        Normal(mean, log_scale.exp()), Normal(torch.zeros_like(mean), 1.0)
    ).sum(-1)
    assert found.shape == batch
    torch.testing.assert_close(found, expected)
    weights = list(model.encoder.parameters())
    pairs = (torch.autograd.grad(kl.sum(), weights) for kl in (found, expected))
    for gradient, truth in zip(*pairs, strict=True):
        torch.testing.assert_close(gradient, truth)


def test_the_objective_is_the_reparameterised_elbo() -> None:
    """With the same noise, its value and gradients are those of the formula."""
    model, x = small(beta=0.5), torch.rand(4, PIXELS, dtype=torch.float64).round()
    found = model.objective(x, torch.Generator().manual_seed(2))

    noise = torch.randn(1, 4, L, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    mean, log_scale = model.encoder(x).unflatten(-1, (L, 2)).unbind(-1)
    h = model.decoder(mean + log_scale.exp() * noise[0])
    log_p = -torch.nn.functional.binary_cross_entropy_with_logits(h, x, reduction="none").sum(-1)
    kl = kl_divergence(Normal(mean, log_scale.exp()), Normal(torch.zeros_like(mean), 1.0)).sum(-1)
    expected = log_p - 0.5 * kl

    torch.testing.assert_close(found, expected)
    weights = list(model.parameters())
    pairs = (torch.autograd.grad(value.sum(), weights) for value in (found, expected))
    for gradient, truth in zip(*pairs, strict=True):
        torch.testing.assert_close(gradient, truth)


@pytest.mark.parametrize("batch", [(), (4,), (2, 4)])
def test_shapes(batch: tuple[int, ...]) -> None:
    model, x = small(), torch.rand(*batch, PIXELS, dtype=torch.float64).round()
    for figure in (model.objective(x), model.elbo(x, 3), model.log_likelihood(x, 3)):
        assert figure.shape == batch
    for codes in (model.encode(x), model.encode(x, sample=True)):
        assert codes.shape == (*batch, L)
        assert model.decode(codes).log_prob(x).shape == batch
    torch.testing.assert_close(model.reconstruct(x), model.decode(model.encode(x)).mean)
    assert model.sample(7).shape == (7, PIXELS)


def test_the_same_generator_draws_the_same() -> None:
    model = small()
    first, again = (model.sample(5, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, again)


def test_mixed_precision_keeps_figures_in_float32() -> None:
    model, x = small().float(), torch.rand(6, PIXELS).round()
    full = model.objective(x, torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        mixed = model.objective(x, torch.Generator().manual_seed(0))
        others = model.elbo(x), model.log_likelihood(x, 5)
    assert all(figure.dtype == torch.float32 for figure in (mixed, *others))
    torch.testing.assert_close(mixed, full, rtol=0.02, atol=0.05)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="`num_latents` must be at least 1, got 0"):
        GaussianVAE((PIXELS,), 0)
    with pytest.raises(ValueError, match=r"`codes` must end in 2 numbers \(2 of u\), got \(3,\)"):
        small().decode(torch.zeros(3, dtype=torch.float64))
    with pytest.raises(ValueError, match="`samples` must be at least 1, got 0"):
        small().log_likelihood(torch.zeros(1, PIXELS, dtype=torch.float64), 0)


def image(*shape: int) -> Tensor:
    return torch.rand(shape).round()


def test_images_keep_their_shape() -> None:
    model = GaussianVAE((3, 5, 7), L, network="cnn")
    assert model.reconstruct(image(2, 3, 5, 7)).shape == (2, 3, 5, 7)
    assert model.elbo(image(2, 4, 3, 5, 7)).shape == (2, 4)
