"""Unordered sets: drawn without replacement, weighted as over all orders, unbiased."""

import math
from itertools import combinations, permutations
from statistics import NormalDist

import pytest
import torch
from torch import Tensor

from discretevae.estimators import RLOO, Exact, unordered_set
from discretevae.estimators.battery import (
    PROBLEMS,
    BiasedError,
    check_unbiased,
    measure,
)
from discretevae.estimators.unordered_set import UnorderedSet
from discretevae.latents import categorical, enumerate_codes


@pytest.mark.parametrize(("name", "samples"), [("smooth", 2), ("rough", 3), ("binary", 6)])
def test_agrees_with_enumeration_at_any_size(name: str, samples: int) -> None:
    check_unbiased(UnorderedSet(samples), PROBLEMS[name], 20_000)


def chance_of_set(q: Tensor, members: tuple[int, ...], gone: float = 0.0) -> float:
    """Sums over the orders in which the members can be drawn, once mass `gone` is out."""
    total = 0.0
    for order in permutations(members):
        chance, out = 1.0, gone
        for i in order:
            chance *= float(q[i]) / (1 - out)
            out += float(q[i])
        total += chance
    return total


def largest_excess(logits: Tensor, samples: int, count: int = 100_000) -> float:
    """The largest |z| of all sets' frequencies, over the bound that chance allows at 1e-6."""
    codes = enumerate_codes(*logits.shape)
    q = categorical.log_prob_of_codes(codes, logits).exp()
    drawn, *_ = unordered_set._without_replacement(
        logits.log_softmax(-1).expand(count, -1, -1), samples, torch.Generator().manual_seed(0)
    )
    number = (drawn[..., None, :] == codes).all(-1).long().argmax(-1).sort(-1).values
    assert (number.diff(dim=-1) > 0).all(), "a code was drawn twice"
    place = len(codes) ** torch.arange(samples)
    found = (number * place).sum(-1).bincount(minlength=len(codes) ** samples)

    sets = list(combinations(range(len(codes)), samples))
    chance = torch.tensor([chance_of_set(q, m) for m in sets], dtype=torch.float64)
    assert chance.sum() == pytest.approx(1)
    expected = count * chance
    seen = torch.stack([found[(torch.tensor(members) * place).sum()] for members in sets])
    z = (seen - expected) / (expected * (1 - chance)).sqrt()
    often = expected > 50  # the normal law holds
    assert often.sum() > 30
    return float(z[often].abs().max() / NormalDist().inv_cdf(1 - 1e-6 / 2 / int(often.sum())))


@pytest.mark.parametrize(("sizes", "samples"), [((3, 3), 2), ((4, 2), 3), ((2, 5), 3), ((1, 7), 4)])
def test_sets_against_their_chances(sizes: tuple[int, int], samples: int) -> None:
    logits = torch.randn(sizes, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert largest_excess(logits, samples) < 1
    assert largest_excess(logits.float(), samples, 50_000) < 1


def test_children_that_ignore_their_parent_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def unconditional(log_q: Tensor, largest: Tensor, generator: torch.Generator) -> Tensor:
        return log_q + categorical.gumbel(log_q.shape, log_q, generator)

    monkeypatch.setattr(unordered_set, "_perturb", unconditional)
    logits = torch.randn(4, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert largest_excess(logits, 3) > 2
    with pytest.raises(BiasedError):
        check_unbiased(UnorderedSet(), PROBLEMS["smooth"], 20_000)


@pytest.mark.parametrize("samples", [2, 3, 5])
def test_weights_against_all_orders(samples: int) -> None:
    q = torch.randn(8, dtype=torch.float64).softmax(-1)
    members = tuple(range(samples))
    w, w_others = unordered_set._weights(q[:samples].log(), q[samples:].sum().log())
    for i in members:
        others = tuple(j for j in members if j != i)
        once = chance_of_set(q, others, gone=float(q[i]))
        assert float(w[i]) == pytest.approx(float(q[i]) * once / chance_of_set(q, members))
        for j in others:
            rest = tuple(k for k in others if k != j)
            ratio = chance_of_set(q, rest, gone=float(q[i] + q[j])) / once
            assert float(w_others[i, j]) == pytest.approx(float(q[j]) * ratio)
        assert float(w_others[i, i]) == pytest.approx(float(q[i]))
    torch.testing.assert_close(w.sum(), torch.ones_like(w[0]))
    torch.testing.assert_close(w_others.sum(1), torch.ones_like(w))


def test_the_mass_of_all_other_codes() -> None:
    """To a relative error, however small: 1 − q(T) is lost to float32 from 1e-7 on."""
    logits = torch.tensor([[30.0, 0.0, -2.0], [0.0, 25.0, -3.0], [1.0, 20.0, 2.0]])
    codes, log_q, log_rest = unordered_set._without_replacement(
        logits.log_softmax(-1).expand(200, -1, -1), 4, torch.Generator().manual_seed(0)
    )
    every = enumerate_codes(3, 3)
    q = categorical.log_prob_of_codes(every, logits.double()).exp()
    taken = (codes[..., None, :] == every).all(-1).any(-2)
    rest = torch.where(taken, 0.0, q).sum(-1)
    assert rest.min() < 1e-9
    torch.testing.assert_close(log_rest.exp().double(), rest, rtol=1e-4, atol=0)
    direct = categorical.log_prob(one_hot(codes, 3), logits.expand(200, -1, -1))
    torch.testing.assert_close(log_q.T, direct)


def one_hot(codes: Tensor, num_categories: int) -> Tensor:
    return torch.nn.functional.one_hot(codes, num_categories).float().movedim(-3, 0)


def test_a_set_of_nearly_all_mass_is_the_exact_sum() -> None:
    """The ratios go to one by themselves."""
    q = torch.tensor([0.7, 0.2, 0.1 - 1e-6], dtype=torch.float64)
    for rest in (1e-6, 1e-12, 0.0):
        w, w_others = unordered_set._weights(q.log(), torch.tensor(rest).double().log())
        torch.testing.assert_close(w, q, rtol=0, atol=1.1e-5)
        torch.testing.assert_close(w_others, q.expand(3, 3), rtol=0, atol=1.1e-5)


@pytest.mark.parametrize("sizes", [(2, 2), (1, 5)])
def test_a_set_of_all_codes_is_exact(sizes: tuple[int, int]) -> None:
    logits = torch.randn(6, *sizes, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(math.prod(sizes), dtype=torch.float64, requires_grad=True)

    def f(z: Tensor) -> Tensor:
        return (z.flatten(-2) @ weight).tanh()

    whole = UnorderedSet(samples=sizes[1] ** sizes[0])
    ours, exact = (
        (value, *torch.autograd.grad(value.sum(), (logits, weight)))
        for value in (whole(f, logits), Exact()(f, logits))
    )
    for found, expected in zip(ours, exact, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_weights_without_ratios_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def plain(log_q: Tensor, log_rest: Tensor) -> tuple[Tensor, Tensor]:
        w = log_q.softmax(0)
        return w, w.expand(len(w), *w.shape)

    monkeypatch.setattr(unordered_set, "_weights", plain)
    with pytest.raises(BiasedError):
        check_unbiased(UnorderedSet(), PROBLEMS["smooth"], 20_000)


def test_a_baseline_that_sees_its_own_code_too_much_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def shared(log_q: Tensor, log_rest: Tensor) -> tuple[Tensor, Tensor]:
        w, _ = weights(log_q, log_rest)
        return w, w.expand(len(w), *w.shape)

    weights = unordered_set._weights
    monkeypatch.setattr(unordered_set, "_weights", shared)
    with pytest.raises(BiasedError, match="logits"):
        check_unbiased(UnorderedSet(), PROBLEMS["smooth"], 20_000)


def test_varies_less_than_rloo() -> None:
    ours, rloo = (
        measure(estimator, PROBLEMS["smooth"], 20_000)[1].standard_error.square().sum()
        for estimator in (UnorderedSet(samples=4), RLOO(samples=4))
    )
    assert ours < 0.95 * rloo


def test_a_constant_has_no_gradient() -> None:
    logits = torch.randn(50, 3, 4, dtype=torch.float64, requires_grad=True)
    value = UnorderedSet()(lambda z: z[..., 0, 0] * 0 + 100, logits)
    torch.testing.assert_close(value, torch.full_like(value, 100))
    (grad,) = torch.autograd.grad(value.sum(), logits)
    torch.testing.assert_close(grad, torch.zeros_like(grad))


def test_codes_beyond_enumeration() -> None:
    """64³² codes: a sum over latents has a known mean; 6 means at 1e-6, the seed is fixed."""
    generator, count = torch.Generator().manual_seed(0), 1000
    logits = torch.randn(32, 64, generator=generator)
    a = torch.randn(32, 64, generator=generator)
    directions = torch.randn(5, 32, 64, generator=generator)
    each = logits.expand(count, -1, -1).clone().requires_grad_()
    value = UnorderedSet()(lambda z: (z * a).sum((-2, -1)), each, generator)
    (grad,) = torch.autograd.grad(value.sum(), each)

    p = logits.softmax(-1)
    expected = p * (a - (p * a).sum(-1, keepdim=True))
    found = torch.cat([value.detach()[:, None], torch.einsum("ndk,cdk->nc", grad, directions)], 1)
    exact = torch.cat([(p * a).sum()[None], (directions * expected).sum((-2, -1))])
    z = (found.mean(0) - exact) / (found.std(0) / count**0.5)
    assert z.abs().max() < NormalDist().inv_cdf(1 - 1e-6 / 2 / 6)


def test_extreme_logits_give_finite_gradients() -> None:
    logits = torch.tensor([[1e4, -1e4, 0.0], [0.0, 0.0, 3e4], [-1e4, 1e4, 1e4]])
    logits = logits.repeat(500, 1, 1).requires_grad_()
    value = UnorderedSet()(lambda z: z[..., 1].sum(-1), logits)
    (grad,) = torch.autograd.grad(value.sum(), logits)
    assert grad.isfinite().all()
    torch.testing.assert_close(value.detach(), torch.full((500,), 0.5))  # both classes are seen
    torch.testing.assert_close(grad[0, 2], torch.tensor([0.0, 0.25, -0.25]))


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (1, "`samples` must be at least 2 to leave one out, got 1"),
        (7, "`samples` must be at most 6, got 7"),
    ],
)
def test_sizes_outside_the_range_are_refused(samples: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        UnorderedSet(samples)


def test_more_samples_than_codes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`samples` must be at most K\^D = 2\^1 = 2 codes, got 4"):
        UnorderedSet()(lambda z: z[..., 0].sum(-1), torch.zeros(5, 1, 2))
