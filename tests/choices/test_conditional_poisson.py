"""k of n whose weights multiply: everything exact, against the sum over all subsets."""

from collections.abc import Callable
from itertools import combinations
from math import comb, log

import pytest
import torch
from torch import Tensor

from discretevae.choices import conditional_poisson, plackett_luce
from discretevae.choices.conditional_poisson import require_chosen

MeanIs = Callable[[Tensor, Tensor], None]
SIZES = [(2, 1), (2, 2), (3, 2), (5, 1), (5, 3), (6, 5), (7, 7), (8, 4), (9, 2)]
each = pytest.mark.parametrize(("n", "k"), SIZES)


def leaf(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return (2 * torch.randn(*shape, dtype=torch.float64, generator=generator)).requires_grad_()


def subsets(n: int, k: int) -> Tensor:
    """All subsets as k ones among n numbers, (C(n, k), n)."""
    sets = torch.zeros(comb(n, k), n, dtype=torch.float64)
    for row, chosen in zip(sets, combinations(range(n), k), strict=True):
        row[list(chosen)] = 1
    return sets


def enumerated(logits: Tensor, k: int) -> Tensor:
    """log p of all subsets, (*B, C(n, k)), from the definition."""
    return (logits @ subsets(logits.shape[-1], k).T).log_softmax(-1)


@each
def test_log_partition_and_log_prob(n: int, k: int) -> None:
    logits, sets = leaf(4, n), subsets(n, k)
    total = (logits @ sets.T).logsumexp(-1)
    torch.testing.assert_close(conditional_poisson.log_partition(logits, k), total)
    found = conditional_poisson.log_prob(sets[:, None].expand(-1, 4, -1), logits, k)
    torch.testing.assert_close(found, enumerated(logits, k).T)


@each
def test_marginals_and_their_gradient(n: int, k: int) -> None:
    logits = leaf(4, n)
    found, true = (
        conditional_poisson.marginals(logits, k),
        enumerated(logits, k).exp() @ subsets(n, k),
    )
    torch.testing.assert_close(found, true)
    weights = torch.cos(torch.arange(4 * n, dtype=torch.float64)).view(4, n)
    gradients = [torch.autograd.grad((m * weights).sum(), logits)[0] for m in (found, true)]
    torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-10)


@each
def test_entropy_and_kl_and_their_gradients(n: int, k: int) -> None:
    logits, prior = leaf(4, n), leaf(2, 4, n)[1]
    log_q, log_p = enumerated(logits, k), enumerated(prior, k)
    pairs = [
        (conditional_poisson.entropy(logits, k), -(log_q.exp() * log_q).sum(-1)),
        (
            conditional_poisson.kl_divergence(logits, prior, k),
            (log_q.exp() * (log_q - log_p)).sum(-1),
        ),
    ]
    for found, true in pairs:
        torch.testing.assert_close(found, true)
        gradients = [
            torch.autograd.grad(v.sum(), logits, retain_graph=True)[0] for v in (found, true)
        ]
        torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-10)


@each
def test_the_marginals_are_the_gradient_of_the_log_partition(n: int, k: int) -> None:
    """Two ways through the same tree: up with autograd, and down."""
    logits = leaf(4, n)
    (gradient,) = torch.autograd.grad(conditional_poisson.log_partition(logits, k).sum(), logits)
    torch.testing.assert_close(conditional_poisson.marginals(logits, k), gradient)


@pytest.mark.parametrize(("n", "k"), [(5, 2), (6, 3), (7, 6)])
def test_sets_have_their_frequencies(n: int, k: int, mean_is: MeanIs) -> None:
    """20,000 sets; each false alarm 1e-6. Plackett-Luce is caught in the same test."""
    logits, sets = leaf(n).detach(), subsets(n, k)
    p = enumerated(logits, k).exp()

    def indicators(z: Tensor) -> Tensor:
        return (z @ sets.T == k).double()

    generator = torch.Generator().manual_seed(0)
    z = conditional_poisson.sample(logits, k, 20_000, generator)
    assert torch.equal(z.sum(-1), torch.full((20_000,), k, dtype=torch.float64))
    mean_is(indicators(z), p)
    order = plackett_luce.sample(logits, k, 20_000, generator)
    other = torch.zeros(20_000, n, dtype=torch.float64).scatter(-1, order, 1.0)
    with pytest.raises(AssertionError, match="biased"):
        mean_is(indicators(other), p)


def test_the_score_of_the_exact_log_prob_is_unbiased(mean_is: MeanIs) -> None:
    """∇E f = E f ∇log p for a black box f; 40,000 draws, false alarm 1e-6, 10 % is seen."""
    n, k = 6, 3
    value = torch.sin(torch.arange(comb(n, k), dtype=torch.float64) * 1.3) * 3
    logits = leaf(n)
    true = (enumerated(logits, k).exp() * value).sum()
    (exact,) = torch.autograd.grad(true, logits)
    rows = logits.detach().expand(40_000, n).clone().requires_grad_()
    z = conditional_poisson.sample(rows, k, 1, torch.Generator().manual_seed(0))[0]
    f = value[(z @ subsets(n, k).T).argmax(-1)] - true.detach()
    score = f * conditional_poisson.log_prob(z, rows, k)
    mean_is(torch.autograd.grad(score.sum(), rows)[0], exact)


def test_one_of_n_is_the_categorical() -> None:
    logits = leaf(4, 7)
    torch.testing.assert_close(conditional_poisson.marginals(logits, 1), logits.softmax(-1))


def test_a_logit_of_minus_infinity_rules_its_item_out() -> None:
    logits = leaf(6).detach()
    logits[[1, 4]] = -torch.inf
    logits.requires_grad_()
    left = logits.detach()[[0, 2, 3, 5]]
    mu = conditional_poisson.marginals(logits, 2)
    assert mu[[1, 4]].tolist() == [0, 0]
    torch.testing.assert_close(mu[[0, 2, 3, 5]], conditional_poisson.marginals(left, 2))
    (mu[2] + conditional_poisson.entropy(logits, 2)).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    z = conditional_poisson.sample(logits, 2, 500)
    assert not z[:, [1, 4]].any()
    torch.testing.assert_close(
        conditional_poisson.entropy(logits, 2), conditional_poisson.entropy(left, 2)
    )


def test_extreme_logits_in_float32() -> None:
    logits = torch.tensor([1e4, -1e4, 0.0, 3.0, -2e4], requires_grad=True)
    mu = conditional_poisson.marginals(logits, 3)
    assert mu.tolist() == [1, 0, 1, 1, 0]
    (mu * torch.arange(5.0)).sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize(("n", "k", "error"), [(64, 12, 3e-5), (784, 50, 2e-4)])
def test_float32_is_enough(n: int, k: int, error: float) -> None:
    """Of marginals and log p, against float64; some four times what is found."""
    logits = 2 * torch.randn(4, n, generator=torch.Generator().manual_seed(0))
    mu, wide = (conditional_poisson.marginals(x, k) for x in (logits, logits.double()))
    assert (mu - wide).abs().max() < error
    z = conditional_poisson.sample(logits, k)
    narrow, exact = (conditional_poisson.log_prob(z.to(x), x, k) for x in (logits, logits.double()))
    assert (narrow - exact).abs().max() < error


def test_leading_dimensions_and_a_generator() -> None:
    logits = torch.zeros(2, 3, 10)
    first, again = (
        conditional_poisson.sample(logits, 4, 5, torch.Generator().manual_seed(1)) for _ in range(2)
    )
    assert first.shape == (5, 2, 3, 10)
    assert torch.equal(first, again)
    assert conditional_poisson.log_prob(first, logits, 4).shape == (5, 2, 3)
    assert float(conditional_poisson.entropy(logits, 4)[0, 0]) == pytest.approx(log(210), abs=1e-4)


@pytest.mark.parametrize(
    ("n", "k", "message"),
    [
        (4, 5, r"`num_chosen` must lie in \[1, `num_items`\] = \[1, 4\], got 5"),
        (4, 0, "got 0"),
        (1, 1, "`num_items` must be at least 2, got 1"),
        (2**20, 2**10, "must be at most 4194304, got 1073741824"),
    ],
)
def test_sizes_without_a_choice_or_beyond_the_budget_are_refused(
    n: int, k: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        require_chosen(n, k)


def test_no_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="`samples` must be at least 1, got 0"):
        conditional_poisson.sample(torch.zeros(4), 2, 0)
