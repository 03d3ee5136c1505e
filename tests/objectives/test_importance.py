import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from discretevae.objectives import importance_weighted_bound

few = settings(deadline=None, max_examples=30)


@few
@given(st.lists(st.floats(-20, 20), min_size=1, max_size=8), st.floats(-1e6, 1e6))
def test_it_is_the_log_of_the_mean_weight_at_any_scale(logs: list[float], shift: float) -> None:
    mean = math.fsum(math.exp(w) for w in logs) / len(logs)
    log_weights = torch.tensor(logs, dtype=torch.float64) + shift
    bound = importance_weighted_bound(log_weights).item()
    assert bound == pytest.approx(math.log(mean) + shift, abs=1e-8)
    assert bound >= log_weights.mean().item() - 1e-8  # Jensen: never below the ELBO's average


def test_the_gradient_is_the_normalised_weights() -> None:
    log_weights = torch.randn(5, 2, 3, dtype=torch.float64, requires_grad=True)
    bound = importance_weighted_bound(log_weights)
    assert bound.shape == (2, 3)
    (gradient,) = torch.autograd.grad(bound.sum(), log_weights)
    weights = log_weights.detach().exp()
    torch.testing.assert_close(gradient, weights / weights.sum(0))


def test_an_impossible_sample_only_lowers_the_bound() -> None:
    log_weights = torch.tensor([-3.0, -torch.inf])
    assert importance_weighted_bound(log_weights).item() == pytest.approx(-3 - math.log(2))


def test_the_bound_rises_with_the_samples_towards_the_truth() -> None:
    """Weights with mean 1: log p(x) is 0. Five standard errors part the levels."""
    generator = torch.Generator().manual_seed(0)
    log_weights = torch.randn(100, 20_000, dtype=torch.float64, generator=generator) - 0.5
    means = [importance_weighted_bound(log_weights[:s]).mean().item() for s in (1, 2, 10, 100)]
    error = 5 / 20_000**0.5  # a single weight has standard deviation 1, the others less
    assert means[0] == pytest.approx(-0.5, abs=error)
    assert means == sorted(means)
    assert means[-1] == pytest.approx(0, abs=0.02)
