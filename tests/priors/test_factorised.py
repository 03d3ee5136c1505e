import math
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor
from torch.distributions import Categorical, kl_divergence

from discretevae.priors import CategoricalPrior, UniformPrior

few = settings(deadline=None, max_examples=30)
seeds, sizes = st.integers(0, 1000), st.tuples(st.integers(1, 3), st.integers(2, 5))
batches = st.lists(st.integers(1, 3), max_size=2)


def random_logits(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(shape, dtype=torch.float64, generator=generator)


def all_codes(num_latents: int, num_categories: int) -> Tensor:
    return torch.tensor(list(product(range(num_categories), repeat=num_latents)))


@few
@given(seeds, sizes)
def test_log_prob_is_the_product_and_sums_to_one(seed: int, size: tuple[int, int]) -> None:
    prior = CategoricalPrior(random_logits(seed, *size))
    codes = all_codes(*size)
    expected = Categorical(logits=prior.logits).log_prob(codes).sum(-1)
    z = torch.nn.functional.one_hot(codes, size[1]).double()
    torch.testing.assert_close(prior.log_prob_of_codes(codes), expected)
    torch.testing.assert_close(prior.log_prob(z), expected)
    assert prior.log_prob(z).exp().sum().item() == pytest.approx(1)


@few
@given(seeds, sizes, batches)
def test_kl_is_that_of_torch_for_any_batch(
    seed: int, size: tuple[int, int], batch: list[int]
) -> None:
    logits = random_logits(seed, *batch, *size).requires_grad_()
    prior = CategoricalPrior(random_logits(seed + 1, *size))
    p = Categorical(logits=prior.logits.expand_as(logits))
    kl, truth = prior.kl(logits), kl_divergence(Categorical(logits=logits), p)
    assert kl.shape == (*batch, size[0])
    torch.testing.assert_close(kl, truth)
    (gradient,) = torch.autograd.grad(kl.sum(), logits)
    torch.testing.assert_close(gradient, torch.autograd.grad(truth.sum(), logits)[0])


def test_the_uniform_prior_gives_every_code_the_same_probability() -> None:
    prior = UniformPrior(4, 8).double()
    assert prior.shape == (4, 8)
    codes = torch.randint(8, (20, 3, 4))
    expected = torch.full((20, 3), -4 * math.log(8), dtype=torch.float64)
    torch.testing.assert_close(prior.log_prob_of_codes(codes), expected)
    assert prior.kl(torch.full((4, 8), 3.0, dtype=torch.float64)).abs().max() < 1e-12
    one_hot = 1e4 * torch.nn.functional.one_hot(codes[0, 0], 8).double()
    assert prior.kl(one_hot).sum().item() == pytest.approx(4 * math.log(8))


def test_samples_have_the_right_joint_frequencies() -> None:
    """Chi-square over all 9 codes; it fails by chance once in 10^6 runs."""
    prior = CategoricalPrior(torch.tensor([[0.0, 1.0, -1.0], [0.5, 0.0, 0.0]]))
    codes = prior.sample(40_000, torch.Generator().manual_seed(0))
    assert codes.dtype == torch.int64
    p = prior.logits.double().softmax(-1)
    expected = 40_000 * (p[0][:, None] * p[1]).flatten()
    observed = (3 * codes[:, 0] + codes[:, 1]).bincount(minlength=9)
    assert stats.chisquare(observed.numpy(), expected.numpy()).pvalue > 1e-6


def test_logits_that_make_no_prior_are_refused() -> None:
    for shape in ((3,), (2, 3, 4), (0, 3), (2, 1)):
        with pytest.raises(ValueError, match=r"`logits` must have shape \(D, K\)"):
            CategoricalPrior(torch.zeros(shape))
    for value in (torch.inf, -torch.inf, torch.nan):
        with pytest.raises(ValueError, match="`logits` must be finite"):
            CategoricalPrior(torch.tensor([[0.0, value]]))


def test_a_prior_is_fixed_and_keeps_its_own_copy() -> None:
    logits = torch.zeros(1, 2)
    prior = CategoricalPrior(logits)
    logits += torch.tensor([9.0, 0.0])
    assert prior.logits.tolist() == [[0.0, 0.0]]
    assert list(prior.parameters()) == []
    assert list(prior.state_dict()) == ["logits"]
