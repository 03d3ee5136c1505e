from pathlib import Path

import pytest
import torch
from scipy import stats
from scipy.integrate import quad

from discretevae.likelihoods import GaussianLikelihood
from discretevae.models import DiscreteVAE, from_pretrained
from discretevae.networks import MLP


@pytest.mark.parametrize("event_dims", [1, 2])
def test_log_prob_is_that_of_scipy_summed_over_the_event(event_dims: int) -> None:
    likelihood = GaussianLikelihood(event_dims, scale=0.4).double()
    h, x = torch.randn(2, 4, 2, 3, dtype=torch.float64)
    pixel = torch.from_numpy(stats.norm(h, likelihood.log_scale.exp().item()).logpdf(x))
    expected = pixel.flatten(3 - event_dims).sum(-1)
    torch.testing.assert_close(likelihood(h).log_prob(x), expected)
    torch.testing.assert_close(likelihood(h).mean, h)


def test_the_density_integrates_to_one() -> None:
    likelihood = GaussianLikelihood(scale=0.7).double()

    def density(x: float) -> float:
        h, value = torch.tensor([[0.3], [x]], dtype=torch.float64)
        return likelihood(h).log_prob(value).exp().item()

    assert quad(density, -8, 8)[0] == pytest.approx(1)


def test_the_scale_is_learned_and_its_gradient_is_that_of_the_formula() -> None:
    likelihood = GaussianLikelihood(scale=0.7).double()
    h, x = torch.randn(2, 5, 3, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(likelihood(h).log_prob(x).sum(), likelihood.log_scale)
    scale = likelihood.log_scale.exp()
    torch.testing.assert_close(gradient, (((x - h) / scale).square() - 1).sum())
    pairs = likelihood.log_prob_pairs(h, x).diagonal()
    (paired,) = torch.autograd.grad(pairs.sum(), likelihood.log_scale)
    torch.testing.assert_close(paired, gradient)


def test_a_small_scale_keeps_its_digits() -> None:
    """Pairs of nearly equal vectors: |h|² + |x|² − 2 h·x would lose every digit."""
    likelihood = GaussianLikelihood(scale=1e-3)
    h = torch.rand(4, 784)
    x = h + 1e-3 * torch.randn(4, 784)
    exact = likelihood(h.double()).log_prob(x.double()).float()
    torch.testing.assert_close(likelihood.log_prob_pairs(h, x).diagonal(), exact, rtol=1e-4, atol=0)


@pytest.mark.parametrize("scale", [0.0, -1.0, torch.nan])
def test_a_scale_that_is_not_positive_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="`scale` must be positive, got"):
        GaussianLikelihood(scale=scale)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="`x` must be finite, got values from"):
        GaussianLikelihood().check(torch.tensor([0.5, value]))
    GaussianLikelihood().check(torch.tensor([-1e6, 1e6]))


def test_a_new_model_starts_at_the_data_and_no_other_does(tmp_path: Path) -> None:
    x = 100 + 5 * torch.randn(50, 4) + torch.arange(4)
    model = DiscreteVAE((4,), 2, 3, MLP((8,)), "gaussian")
    model.start_at(x)
    assert float(model.likelihood.log_scale.exp()) == pytest.approx(
        float((x - x.mean(0)).square().mean().sqrt())
    )
    with torch.no_grad():
        assert float((model.decode(torch.zeros(1, 2).long()).mean - x.mean(0)).abs().max()) < 2

    model.save_pretrained(tmp_path / "model")
    for other in (
        model,
        from_pretrained(tmp_path / "model"),
        DiscreteVAE((4,), 2, 3, MLP((8,)), GaussianLikelihood(scale=1.0)),  # which was asked for
        DiscreteVAE((4,), 2, 3, MLP((8,))),
    ):
        before = [p.clone() for p in other.parameters()]
        other.start_at(x + 7)
        assert all(map(torch.equal, before, other.parameters()))


@pytest.mark.parametrize("network", ["image", "cnn", "report-cnn"])
def test_convolutions_start_at_the_mean_of_each_channel(network: str) -> None:
    x = torch.tensor([3.0, 50.0]).view(1, 2, 1, 1) + torch.randn(20, 2, 8, 8)
    model = DiscreteVAE((2, 8, 8), 2, 3, network, "gaussian")
    model.start_at(x)
    with torch.no_grad():
        mean = model.decode(torch.zeros(1, 2).long()).mean.mean((0, 2, 3))
    assert float((mean - torch.tensor([3.0, 50.0])).abs().max()) < 3


def test_observations_that_are_all_alike_have_a_scale() -> None:
    likelihood = GaussianLikelihood()
    likelihood.start(torch.full((5, 3), 2.0))
    assert bool(likelihood.log_scale.isfinite())
