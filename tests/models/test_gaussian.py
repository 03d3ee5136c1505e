"""What is special of the continuous baseline; what all share is in `test_battery.py`."""

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

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
