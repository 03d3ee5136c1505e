from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from discretevae.likelihoods import LIKELIHOODS, BernoulliLikelihood

few = settings(deadline=None, max_examples=30)


def formula(h: Tensor, x: Tensor) -> Tensor:
    """log σ(h) where x is 1, log(1 − σ(h)) where it is 0."""
    return torch.where(x == 1, h.sigmoid(), 1 - h.sigmoid()).log()


@few
@given(st.integers(0, 1000), st.lists(st.integers(1, 3), max_size=2), st.integers(1, 3))
def test_log_prob_is_the_formula_summed_over_the_event(
    seed: int, batch: list[int], event_dims: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    shape = (*batch, *(2, 3, 4)[:event_dims])
    h = 3 * torch.randn(shape, dtype=torch.float64, generator=generator)
    x = torch.rand(shape, dtype=torch.float64, generator=generator).round()
    p = BernoulliLikelihood(event_dims)(h)
    expected = formula(h, x).flatten(len(batch)).sum(-1)
    torch.testing.assert_close(p.log_prob(x), expected)
    torch.testing.assert_close(p.mean, h.sigmoid())


def test_the_probabilities_of_all_images_sum_to_one() -> None:
    h = 3 * torch.randn(6, dtype=torch.float64)
    images = torch.tensor(list(product([0.0, 1.0], repeat=6)), dtype=torch.float64)
    assert BernoulliLikelihood()(h).log_prob(images).exp().sum().item() == pytest.approx(1)


def test_the_gradient_is_the_residual() -> None:
    h = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    x = torch.rand(4, 5, dtype=torch.float64).round()
    (gradient,) = torch.autograd.grad(BernoulliLikelihood()(h).log_prob(x).sum(), h)
    torch.testing.assert_close(gradient, x - h.detach().sigmoid())


def test_extreme_logits_give_finite_values_and_gradients() -> None:
    h = torch.tensor([[1e4, -1e4, 0.0]], requires_grad=True)
    x = torch.tensor([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0]])
    likelihood = BernoulliLikelihood()
    for value in (likelihood(h).log_prob(x), likelihood.log_prob_pairs(h, x)[0]):
        (gradient,) = torch.autograd.grad(value.sum(), h)
        assert gradient.isfinite().all()
        expected = torch.tensor([-2e4, 0.0]) - torch.tensor(2.0).log()
        torch.testing.assert_close(value, expected, rtol=1e-6, atol=2e-3)


@pytest.mark.parametrize("value", [0.5, -1.0, 2.0, torch.nan, torch.inf])
def test_values_that_are_no_bits_are_refused(value: float) -> None:
    x = torch.tensor([[0.0, 1.0, value]])
    with pytest.raises(ValueError, match=r"`x` must be 0 or 1 .* got values from"):
        BernoulliLikelihood().check(x)
    BernoulliLikelihood().check(x[:, :2])


def test_grey_values_are_taken_only_under_another_name() -> None:
    grey = LIKELIHOODS["bernoulli-grey"](1)
    x = torch.tensor([[0.0, 0.25, 1.0]], dtype=torch.float64)
    h = torch.randn(1, 3, dtype=torch.float64)
    grey.check(x)
    assert not grey.normalised
    assert BernoulliLikelihood().normalised
    cross_entropy = x * h.sigmoid().log() + (1 - x) * (1 - h.sigmoid()).log()
    torch.testing.assert_close(grey(h).log_prob(x), cross_entropy.sum(-1))
    for value in (-0.1, 1.1, torch.nan):
        with pytest.raises(ValueError, match=r"`x` must lie in \[0, 1\] .* got values from"):
            grey.check(torch.tensor([0.5, value]))
