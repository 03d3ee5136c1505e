import math

import pytest
import torch
from scipy.integrate import quad
from torch import Tensor

from discretevae.likelihoods import ContinuousBernoulliLikelihood

LOGITS = [-8.0, -1.0, -1e-4, 0.0, 1e-4, 0.5, 3.0, 8.0]


def density(h: float, x: float) -> float:
    logits, value = (torch.tensor([v], dtype=torch.float64) for v in (h, x))
    return ContinuousBernoulliLikelihood()(logits).log_prob(value).exp().item()


def formula(h: Tensor, x: Tensor) -> Tensor:
    """The density is exp(h x) on [0, 1], normalised: h / (e^h − 1)."""
    return h * x + (h / h.expm1()).log()


@pytest.mark.parametrize("h", LOGITS)
def test_the_density_integrates_to_one(h: float) -> None:
    # torch replaces the normaliser near h = 0 by its Taylor polynomial, whence 1e-6.
    assert quad(lambda x: density(h, x), 0, 1)[0] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("h", LOGITS)
def test_the_mean_is_the_integral(h: float) -> None:
    mean = ContinuousBernoulliLikelihood()(torch.tensor([h], dtype=torch.float64)).mean.item()
    assert quad(lambda x: x * density(h, x), 0, 1)[0] == pytest.approx(mean, abs=1e-5)


@pytest.mark.parametrize("event_dims", [1, 2])
def test_log_prob_and_gradient_are_the_formula_summed_over_the_event(event_dims: int) -> None:
    h = 3 * torch.randn(4, 2, 3, dtype=torch.float64).requires_grad_()
    x = torch.rand(4, 2, 3, dtype=torch.float64)
    found = ContinuousBernoulliLikelihood(event_dims)(h).log_prob(x)
    expected = formula(h, x).flatten(3 - event_dims).sum(-1)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    gradient, truth = (torch.autograd.grad(v.sum(), h)[0] for v in (found, expected))
    torch.testing.assert_close(gradient, truth, rtol=1e-4, atol=1e-5)


def test_it_is_not_the_bernoulli() -> None:
    assert math.log(density(0.0, 0.3)) == pytest.approx(0)  # a Bernoulli would give −log 2


def test_extreme_logits_give_finite_values_and_gradients() -> None:
    h = torch.tensor([[1e4, -1e4, 0.0]], requires_grad=True)
    x = torch.tensor([[0.0, 1.0, 0.3], [1.0, 0.0, 0.5]])
    likelihood = ContinuousBernoulliLikelihood()
    for value in (likelihood(h).log_prob(x), likelihood.log_prob_pairs(h, x)[0]):
        (gradient,) = torch.autograd.grad(value.sum(), h)
        assert value.isfinite().all()
        assert gradient.isfinite().all()


@pytest.mark.parametrize("value", [-0.01, 1.01, torch.nan, torch.inf])
def test_values_outside_the_unit_interval_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"`x` must lie in \[0, 1\] .* got values from"):
        ContinuousBernoulliLikelihood().check(torch.tensor([0.5, value]))
    ContinuousBernoulliLikelihood().check(torch.tensor([0.0, 0.5, 1.0]))
