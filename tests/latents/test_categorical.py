from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor
from torch.distributions import Categorical, OneHotCategorical
from torch.distributions import kl_divergence as torch_kl

from discretevae.latents import categorical

few = settings(deadline=None, max_examples=30)
batches = st.lists(st.integers(1, 3), max_size=2)
EXTREME = [
    torch.tensor([[1e4, -1e4, 0.0], [0.0, 0.0, 1e4]]),
    torch.tensor([[-1e4, -1e4, 1e4], [-1e4, 1e4, 1e4]]),
]


def random_logits(seed: int, *shape: int, scale: float = 2.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(shape, dtype=torch.float64, generator=generator)


@few
@given(st.integers(0, 1000), batches, st.integers(1, 4), st.integers(2, 5), st.integers(1, 3))
def test_log_prob_is_that_of_a_product_of_categoricals(
    seed: int, batch: list[int], num_latents: int, num_categories: int, samples: int
) -> None:
    logits = random_logits(seed, *batch, num_latents, num_categories)
    q = OneHotCategorical(logits=logits)
    z = q.sample((samples,))
    torch.testing.assert_close(categorical.log_prob(z, logits), q.log_prob(z).sum(-1))


@few
@given(st.integers(0, 1000), batches, st.integers(1, 3), st.integers(2, 4))
def test_log_prob_of_codes_pairs_every_code_with_every_example(
    seed: int, batch: list[int], num_latents: int, num_categories: int
) -> None:
    logits = random_logits(seed, *batch, num_latents, num_categories)
    codes = torch.tensor(list(product(range(num_categories), repeat=num_latents)))
    found = categorical.log_prob_of_codes(codes, logits)
    shared = codes.view(len(codes), *[1] * len(batch), num_latents)
    torch.testing.assert_close(found, Categorical(logits=logits).log_prob(shared).sum(-1))
    torch.testing.assert_close(found.exp().sum(0), torch.ones(batch, dtype=torch.float64))


@few
@given(st.integers(0, 1000), batches, st.integers(1, 4), st.integers(2, 5))
def test_kl_and_entropy_are_those_of_torch(
    seed: int, batch: list[int], num_latents: int, num_categories: int
) -> None:
    logits = random_logits(seed, *batch, num_latents, num_categories)
    prior = random_logits(seed + 1, num_latents, num_categories)
    q, p = Categorical(logits=logits), Categorical(logits=prior.expand_as(logits))
    kl = categorical.kl_divergence(logits, prior)
    torch.testing.assert_close(kl, torch_kl(q, p))
    torch.testing.assert_close(categorical.entropy(logits), q.entropy())
    assert (kl >= -1e-12).all()


def test_gradients_are_those_of_torch() -> None:
    logits = random_logits(0, 4, 3, 5).requires_grad_()
    prior = random_logits(1, 3, 5)
    codes = torch.tensor([[0, 4, 2], [1, 1, 3]])
    q, p = Categorical(logits=logits), Categorical(logits=prior.expand_as(logits))
    pairs = [
        (categorical.kl_divergence(logits, prior), torch_kl(q, p)),
        (categorical.entropy(logits), q.entropy()),
        (
            categorical.log_prob_of_codes(codes, logits),
            q.log_prob(codes[:, None, :]).sum(-1),
        ),
    ]
    for found, expected in pairs:
        weights = torch.rand_like(found)
        (gradient,) = torch.autograd.grad((weights * found).sum(), logits, retain_graph=True)
        (truth,) = torch.autograd.grad((weights * expected).sum(), logits, retain_graph=True)
        torch.testing.assert_close(gradient, truth)


def test_kl_from_the_uniform_prior_is_zero_for_uniform_and_log_k_for_one_hot() -> None:
    uniform = torch.zeros(3, 8, dtype=torch.float64)
    one_hot = 1e4 * torch.eye(8, dtype=torch.float64)[:3]
    torch.testing.assert_close(categorical.kl_divergence(uniform + 7, uniform), uniform[:, 0])
    total = categorical.kl_divergence(one_hot, uniform).sum()
    torch.testing.assert_close(total, 3 * torch.tensor(8.0, dtype=torch.float64).log())


@few
@given(st.integers(0, 1000), st.integers(1, 6))
def test_kl_of_an_example_does_not_depend_on_its_batch(seed: int, size: int) -> None:
    logits, prior = random_logits(seed, size, 2, 3), random_logits(seed + 1, 2, 3)
    alone = torch.stack([categorical.kl_divergence(one, prior) for one in logits])
    torch.testing.assert_close(categorical.kl_divergence(logits, prior), alone)


@pytest.mark.parametrize("logits", EXTREME)
def test_extreme_logits_give_finite_values_and_gradients(logits: Tensor) -> None:
    logits = logits.clone().requires_grad_()
    z = categorical.sample(logits, 4)
    codes = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    values = [
        categorical.kl_divergence(logits, torch.zeros(2, 3)),
        categorical.entropy(logits),
        categorical.log_prob(z, logits),
        categorical.log_prob_of_codes(codes, logits),
        categorical.log_prob_of_codes(codes, logits).exp(),
    ]
    for value in values:
        (gradient,) = torch.autograd.grad(value.sum(), logits, retain_graph=True)
        assert value.isfinite().all()
        assert gradient.isfinite().all()


def test_impossible_categories_give_no_nan() -> None:
    logits = torch.tensor([[0.0, -torch.inf, 0.0]])
    log_two = torch.tensor([2.0]).log()
    torch.testing.assert_close(categorical.entropy(logits), log_two)
    kl = categorical.kl_divergence(logits, torch.zeros(1, 3))
    torch.testing.assert_close(kl, torch.tensor([1.5]).log())
    z = categorical.sample(logits, 1000)
    assert z[..., 1].sum() == 0
    torch.testing.assert_close(categorical.log_prob(z, logits), -log_two.expand(1000))
    impossible = categorical.log_prob_of_codes(torch.tensor([[1]]), logits)
    assert impossible.exp() == 0


MASKED = torch.tensor([[0.3, -torch.inf, -0.4, -torch.inf], [1.0, 0.5, -torch.inf, 0.0]]).double()


def kept(logits: Tensor, classes: list[list[int]]) -> list[Tensor]:
    return [row[these] for row, these in zip(logits, classes, strict=True)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_ruled_out_class_is_as_if_it_were_not_there(dtype: torch.dtype) -> None:
    """Entropy and KL of the classes that are left, value and gradient, by torch's own."""
    logits = MASKED.to(dtype).requires_grad_()
    prior = torch.linspace(-1, 1, 8, dtype=dtype).view(2, 4)
    prior = prior.masked_fill(MASKED.isneginf(), -torch.inf).requires_grad_()
    left = [[0, 2], [0, 1, 3]]
    expected = {
        "entropy": [Categorical(logits=q).entropy() for q in kept(logits, left)],
        "kl": [
            torch_kl(Categorical(logits=q), Categorical(logits=p))
            for q, p in zip(kept(logits, left), kept(prior, left), strict=True)
        ],
    }
    found = {
        "entropy": categorical.entropy(logits),
        "kl": categorical.kl_divergence(logits, prior),
    }
    for name, value in found.items():
        torch.testing.assert_close(value, torch.stack(expected[name]))
        leaves = (logits,) if name == "entropy" else (logits, prior)
        ours = torch.autograd.grad(value.sum(), leaves)
        theirs = torch.autograd.grad(torch.stack(expected[name]).sum(), leaves)
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other)


def test_kl_is_infinite_where_the_prior_alone_rules_a_class_out() -> None:
    logits = torch.tensor([[0.0, 0.0], [0.0, -torch.inf], [0.0, -900.0]], requires_grad=True)
    prior = torch.tensor([0.0, -torch.inf])
    kl = categorical.kl_divergence(logits, prior.expand(3, 2))
    assert kl.tolist() == [torch.inf, 0.0, torch.inf]  # e^−900 is not zero, though float32 says so
    (gradient,) = torch.autograd.grad(kl.sum(), logits)
    assert gradient.isfinite().all()


def test_log_probabilities_of_ruled_out_classes_and_codes() -> None:
    logits = MASKED.clone().requires_grad_()
    codes = torch.cartesian_prod(torch.arange(4), torch.arange(4))
    z = categorical.sample(logits, 200)
    assert (z[:, MASKED.isneginf()] == 0).all()
    q = categorical.log_prob_of_codes(codes, logits).exp()
    assert float(q.sum().detach()) == pytest.approx(1)
    assert (q == 0).sum() == 10
    assert categorical.log_probabilities(logits).isfinite().all()
    for value in (q.sum(), categorical.log_prob(z, logits).sum()):
        (gradient,) = torch.autograd.grad(value, logits, retain_graph=True)
        assert gradient.isfinite().all()
        assert (gradient[MASKED.isneginf()] == 0).all()


def test_samples_have_the_right_frequencies_jointly() -> None:
    """Chi-square over all 16 joint codes; it fails by chance once in 10^6 runs."""
    logits = random_logits(3, 1, 2, 4, scale=1.0)  # one example, D = 2, K = 4
    logits = torch.cat([logits, logits.flip(-1)])  # two examples: the batch is not mixed up
    draws = 40_000
    codes = categorical.sample(logits, draws, torch.Generator().manual_seed(0)).argmax(-1)
    for example in range(2):
        p = logits[example].softmax(-1)
        expected = draws * (p[0][:, None] * p[1]).flatten()
        number = 4 * codes[:, example, 0] + codes[:, example, 1]
        observed = number.bincount(minlength=16)
        assert stats.chisquare(observed.numpy(), expected.numpy()).pvalue > 1e-6 / 2


def test_gumbel_noise_has_its_distribution() -> None:
    """Kolmogorov-Smirnov; it fails by chance once in 10^6 runs."""
    noise = categorical.gumbel((50_000,), torch.zeros(1), torch.Generator().manual_seed(0))
    assert noise.isfinite().all()
    assert stats.kstest(noise.double().numpy(), stats.gumbel_r.cdf).pvalue > 1e-6


def test_sampling_follows_its_generator_and_leaves_the_global_one() -> None:
    logits = torch.zeros(50, 4, 8, requires_grad=True)
    before = torch.get_rng_state()
    first, again, other = (
        categorical.sample(logits, 2, torch.Generator().manual_seed(seed)) for seed in (5, 5, 6)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not first.requires_grad
    assert torch.equal(before, torch.get_rng_state())


def test_ties_mark_one_category_only() -> None:
    assert categorical.one_hot_argmax(torch.zeros(3, 4)).sum(-1).tolist() == [1, 1, 1]
