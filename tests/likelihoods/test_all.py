"""What every likelihood promises."""

import pytest
import torch

from discretevae.likelihoods import LIKELIHOODS, Likelihood


@pytest.fixture(params=LIKELIHOODS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def make(name: str, event_dims: int) -> Likelihood:
    return LIKELIHOODS[name](event_dims).double()


@pytest.mark.parametrize("batch", [(), (4,), (2, 4)])
@pytest.mark.parametrize("event", [(3,), (2, 3, 3)])
def test_pairs_are_every_code_with_every_example(
    name: str, batch: tuple[int, ...], event: tuple[int, ...]
) -> None:
    likelihood = make(name, len(event))
    h = torch.randn(5, *event, dtype=torch.float64, requires_grad=True)
    x = torch.rand(*batch, *event, dtype=torch.float64)
    x = x.round() if name == "bernoulli" else x
    pairs = likelihood.log_prob_pairs(h, x)
    one_by_one = likelihood(h.view(5, *[1] * len(batch), *event)).log_prob(x)
    assert pairs.shape == (5, *batch)
    torch.testing.assert_close(pairs, one_by_one)
    weights = torch.rand_like(pairs)
    gradient, truth = (
        torch.autograd.grad((weights * value).sum(), h)[0] for value in (pairs, one_by_one)
    )
    torch.testing.assert_close(gradient, truth)


def test_only_the_grey_bernoulli_is_marked_as_no_likelihood(name: str) -> None:
    assert make(name, 1).normalised == (name != "bernoulli-grey")


def test_an_observation_has_at_least_one_dimension(name: str) -> None:
    with pytest.raises(ValueError, match="`event_dims` must be at least 1, got 0"):
        make(name, 0)


def test_draws_have_the_shape_of_the_data_and_pass_the_check(name: str) -> None:
    likelihood = make(name, 3)
    x = likelihood(torch.randn(4, 1, 5, 5, dtype=torch.float64)).sample()
    assert x.shape == (4, 1, 5, 5)
    likelihood.check(x)
