"""What every likelihood promises."""

import pytest
import torch
from torch import Tensor

from discretevae.likelihoods import LIKELIHOODS, Likelihood, likelihood_from_config


@pytest.fixture(params=LIKELIHOODS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def make(name: str, event: tuple[int, ...]) -> Likelihood:
    if name.startswith("local") and len(event) != 3:
        pytest.skip("of images alone")
    return LIKELIHOODS[name](len(event)).of_shape(event).double()


def observed(name: str, *shape: int) -> Tensor:
    """Bits or levels where the likelihood is of these, else anything between 0 and 1."""
    x = torch.rand(shape, dtype=torch.float64)
    likelihood = make(name, (1, 2, 2))
    most = likelihood.symbols - 1
    return (x * most).round() / most if likelihood.lossless else x


@pytest.mark.parametrize("batch", [(), (4,), (2, 4)])
@pytest.mark.parametrize("event", [(3,), (2, 3, 3)])
def test_pairs_are_every_code_with_every_example(
    name: str, batch: tuple[int, ...], event: tuple[int, ...]
) -> None:
    likelihood = make(name, event)
    said = likelihood.output_shape(event)
    h = torch.randn(5, *said, dtype=torch.float64, requires_grad=True)
    x = observed(name, *batch, *event)
    pairs = likelihood.log_prob_pairs(h, x)
    one_by_one = likelihood(h.view(5, *[1] * len(batch), *said)).log_prob(x)
    assert pairs.shape == (5, *batch)
    torch.testing.assert_close(pairs, one_by_one)
    weights = torch.rand_like(pairs)
    gradient, truth = (
        torch.autograd.grad((weights * value).sum(), h)[0] for value in (pairs, one_by_one)
    )
    torch.testing.assert_close(gradient, truth)


def test_only_the_grey_bernoulli_is_marked_as_no_likelihood(name: str) -> None:
    assert make(name, (1, 2, 2)).normalised == (name != "bernoulli-grey")


def test_an_observation_has_at_least_one_dimension(name: str) -> None:
    with pytest.raises(ValueError, match=r"`event_dims` must be at least 1, got 0|of images"):
        LIKELIHOODS[name](0)


def test_draws_have_the_shape_of_the_data_and_pass_the_check(name: str) -> None:
    likelihood = make(name, (1, 5, 5))
    said = likelihood.output_shape((1, 5, 5))
    p = likelihood(torch.randn(4, *said, dtype=torch.float64))
    for x in (p.sample(), likelihood.draw(p, torch.Generator().manual_seed(0))):
        assert x.shape == (4, 1, 5, 5)
        likelihood.check(x)
    assert likelihood.point(p).shape == (4, 1, 5, 5)


@pytest.mark.parametrize("event", [(3,), (2, 3, 3)])
def test_it_is_rebuilt_from_its_config(name: str, event: tuple[int, ...]) -> None:
    likelihood = make(name, event)
    again = likelihood_from_config(likelihood.config(), len(event)).double()
    assert type(again) is type(likelihood)
    assert (again.config(), again.event_dims) == (likelihood.config(), likelihood.event_dims)
    h, x = torch.randn(likelihood.output_shape(event)).double(), observed(name, *event)
    assert torch.equal(likelihood(h).log_prob(x), again(h).log_prob(x))


@pytest.mark.parametrize("event", [(3,), (2, 3, 3)])
def test_where_it_starts_is_better_than_nothing_known(name: str, event: tuple[int, ...]) -> None:
    likelihood = make(name, event)
    x = observed(name, 40, *event)
    before = likelihood(torch.zeros(likelihood.output_shape(event)).double()).log_prob(x).mean()
    h = likelihood.start(x)
    assert h is not None
    assert h.shape == likelihood.output_shape(event)
    assert not likelihood.untouched
    assert likelihood(h).log_prob(x).mean() >= before - 1.0  # what smoothing costs, of 40
