import numpy as np
import pytest
import torch

from discretevae.evaluation import evaluate_bounds, mean_figure
from discretevae.evaluation.bounds import evaluate_log_likelihood
from discretevae.models import DiscreteVAE
from discretevae.networks import MLP


def tiny(**options: object) -> DiscreteVAE:
    return DiscreteVAE((5,), 2, 3, MLP((6,)), **options)


@pytest.fixture
def x() -> torch.Tensor:
    return torch.rand(40, 5).round()


def test_a_mean_has_numpys_standard_error() -> None:
    values = torch.randn(50)
    figure = mean_figure(values)
    reference = values.double().numpy()
    assert figure.value == pytest.approx(reference.mean())
    assert figure.se == pytest.approx(reference.std(ddof=1) / np.sqrt(50))
    assert figure.unit == "nats per example"
    assert mean_figure(values[:1]).se is None


def test_means_keep_their_digits_in_single_precision() -> None:
    values = torch.full((100_000,), -1234.567)
    assert mean_figure(values).value == pytest.approx(values[0].item(), rel=1e-12)


def test_the_terms_are_those_of_the_model_in_order(x: torch.Tensor) -> None:
    model = tiny(estimator="exact", beta=0.3)
    bounds = evaluate_bounds(model, x.split(15), torch.Generator().manual_seed(0), samples=2000)
    with torch.no_grad():
        kl = model.prior.kl(model.logits(x)).sum(-1)
        objective = model.objective(x)
        expected = objective + 0.3 * kl  # the exact reconstruction
    torch.testing.assert_close(bounds.kl, kl)
    torch.testing.assert_close(bounds.objective, objective)
    torch.testing.assert_close(bounds.reconstruction, expected, rtol=0, atol=0.1)
    torch.testing.assert_close(bounds.elbo, bounds.reconstruction - kl)
    assert not bounds.elbo.requires_grad


def test_data_outside_the_support_are_refused(x: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="`x` must be 0 or 1"):
        evaluate_bounds(tiny(), [x / 2])
    with pytest.raises(ValueError, match="`x` must be 0 or 1"):
        evaluate_log_likelihood(tiny(), [x / 2], 3)


def test_log_likelihoods_are_joined_in_order(x: torch.Tensor) -> None:
    model = tiny()
    exact = evaluate_log_likelihood(model, x.split(15), None)
    with torch.no_grad():
        torch.testing.assert_close(exact, model.exact_log_likelihood(x))
    sampled = evaluate_log_likelihood(model, x.split(15), 500, torch.Generator().manual_seed(0))
    torch.testing.assert_close(sampled, exact, rtol=0, atol=0.1)
