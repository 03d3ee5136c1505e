"""The sum over the top codes: exact part, remainder and samples against enumeration."""

import math
from statistics import NormalDist

import pytest
import torch
from torch import Tensor

from discretevae.estimators import Exact, top_k
from discretevae.estimators.battery import (
    PROBLEMS,
    BiasedError,
    Problem,
    check_evaluations,
    check_points,
    check_unbiased,
    measure,
)
from discretevae.estimators.top_k import TopK
from discretevae.latents import categorical, enumerate_codes


# 11 cases × 3 quantities at 1e-6: less than one false alarm in 30,000 seeds; the seed is fixed.
@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS.keys())
def test_agrees_with_enumeration(problem: Problem) -> None:
    check_unbiased(TopK(top=3), problem, 20_000)


@pytest.mark.parametrize(("top", "samples"), [(1, 1), (8, 1), (5, 3)])
def test_agrees_with_enumeration_at_any_size(top: int, samples: int) -> None:
    check_unbiased(TopK(top, samples), PROBLEMS["smooth"], 20_000)


@pytest.mark.parametrize(("top", "samples"), [(2, 1), (3, 4), (8, 1), (100, 2)])
@pytest.mark.parametrize("name", ["smooth", "one latent", "binary"])
def test_claims(name: str, top: int, samples: int) -> None:
    check_points(TopK(top, samples), PROBLEMS[name])
    check_evaluations(TopK(top, samples), PROBLEMS[name])


@pytest.mark.parametrize("name", ["smooth", "one latent", "binary"])
@pytest.mark.parametrize("extra", [0, 5])
def test_all_codes_on_top_are_exact(name: str, extra: int) -> None:
    num_latents, num_categories = PROBLEMS[name].logits.shape
    whole = TopK(num_categories**num_latents + extra)
    for found in measure(whole, PROBLEMS[name], replicates=50):
        torch.testing.assert_close(found.mean, found.exact, rtol=1e-12, atol=1e-12)
        assert (found.standard_error < 1e-12).all()


def test_all_codes_but_one_are_exact() -> None:
    """The rest is one code: it is drawn for certain, with its own weight."""
    for found in measure(TopK(63), PROBLEMS["smooth"], replicates=50):
        torch.testing.assert_close(found.mean, found.exact, rtol=1e-12, atol=1e-12)
        assert (found.standard_error < 1e-12).all()


def enumerated(logits: Tensor) -> tuple[Tensor, Tensor]:
    codes = enumerate_codes(*logits.shape[-2:])
    return codes, categorical.log_prob_of_codes(codes, logits.double())


@pytest.mark.parametrize(("sizes", "top"), [((3, 4), 6), ((4, 3), 1), ((1, 5), 3), ((5, 2), 20)])
def test_top_codes_and_remainder_against_enumeration(sizes: tuple[int, int], top: int) -> None:
    logits = 2 * torch.randn(10, *sizes, dtype=torch.float64)
    inside, log_q, _, log_rest = top_k._split(logits.log_softmax(-1), top, 0, None)
    codes, log_q_all = enumerated(logits)
    order = log_q_all.argsort(0, descending=True)
    assert torch.equal(inside, codes[order[:top]].movedim(0, 1))
    torch.testing.assert_close(log_q, log_q_all.gather(0, order[:top]).T)
    torch.testing.assert_close(log_rest, log_q_all.gather(0, order[top:]).logsumexp(0))


def largest_excess(logits: Tensor, top: int, samples: int = 100_000) -> float:
    """The largest |z| of the sampled codes' frequencies, over the bound of chance at 1e-6."""
    codes, log_q = enumerated(logits)
    _, _, outside, _ = top_k._split(
        logits.log_softmax(-1), top, samples, torch.Generator().manual_seed(0)
    )
    found = (outside[:, None] == codes).all(-1).long().argmax(-1).bincount(minlength=len(codes))
    rest = log_q.argsort(descending=True)[top:]
    chance = log_q[rest].softmax(0)
    expected = samples * chance
    if found[rest].sum() < samples:
        return math.inf  # a code on top was sampled
    z = (found[rest] - expected) / (expected * (1 - chance)).sqrt()
    often = expected > 50  # the normal law holds
    assert often.sum() >= 5
    return float(z[often].abs().max() / NormalDist().inv_cdf(1 - 1e-6 / 2 / int(often.sum())))


@pytest.mark.parametrize(("sizes", "top"), [((3, 4), 6), ((2, 5), 1), ((1, 9), 3), ((4, 2), 8)])
def test_samples_have_the_law_of_the_rest(sizes: tuple[int, int], top: int) -> None:
    logits = torch.randn(sizes, generator=torch.Generator().manual_seed(0))
    assert largest_excess(logits, top) < 1
    assert largest_excess(logits.double(), top) < 1


def test_a_tiny_remainder_keeps_its_mass_and_law() -> None:
    """In float32 1 − q(C) is 0 here."""
    peaked = torch.tensor([[30.0, 0.0, 0.3, -0.5], [0.0, 32.0, -0.4, 0.2]])
    _, log_q, _, log_rest = top_k._split(peaked.log_softmax(-1), 2, 0, None)
    assert log_q.exp().sum() == 1
    _, log_q_all = enumerated(peaked)
    expected = log_q_all.sort(descending=True).values[2:].logsumexp(0)
    assert expected < -28
    torch.testing.assert_close(log_rest.double(), expected, rtol=1e-6, atol=1e-5)
    assert largest_excess(peaked, 2) < 1


def test_samples_of_all_codes_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    split = top_k._split

    def careless(log_p: Tensor, top: int, samples: int, generator: torch.Generator) -> tuple:
        inside, log_q, outside, log_rest = split(log_p, top, samples, generator)
        outside = categorical.sample(log_p, samples, generator).argmax(-1).movedim(0, -2)
        return inside, log_q, outside, log_rest

    monkeypatch.setattr(top_k, "_split", careless)
    assert largest_excess(torch.randn(3, 4), 6) > 1
    with pytest.raises(BiasedError):
        check_unbiased(TopK(top=3), PROBLEMS["smooth"], 20_000)


def test_a_lost_remainder_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    split = top_k._split
    monkeypatch.setattr(
        top_k, "_split", lambda *args: (*split(*args)[:3], split(*args)[3] - math.log(2))
    )
    with pytest.raises(BiasedError):
        check_unbiased(TopK(top=3), PROBLEMS["smooth"], 20_000)


def test_against_its_formula() -> None:
    problem, seen = PROBLEMS["smooth"], []

    def f(z: Tensor) -> Tensor:
        seen.append(z.detach())
        return problem.f(z, problem.parameters)

    logits = problem.logits.clone().requires_grad_()
    value = TopK(top=4, samples=2)(f, logits)
    (grad,) = torch.autograd.grad(value, logits)
    z = seen[0]
    f_z, q = problem.f(z, problem.parameters), categorical.log_prob(z, problem.logits).exp()
    b = (q[:4] * f_z[:4]).sum() / q[:4].sum()
    expected = torch.zeros(3, 4, dtype=torch.float64)
    for i in range(6):
        weight = q[i] if i < 4 else (1 - q[:4].sum()) / 2
        expected += weight * (f_z[i] - b) * (z[i] - problem.logits.softmax(-1))
    rest = (1 - q[:4].sum()) * f_z[4:].mean()
    torch.testing.assert_close(value, (q[:4] * f_z[:4]).sum() + rest)
    torch.testing.assert_close(grad, expected)


def test_a_constant_changes_no_gradient() -> None:
    logits = torch.randn(50, 3, 4, dtype=torch.float64, requires_grad=True)

    def gradient(constant: float) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        value = TopK()(lambda z: z[..., 0].sum(-1).square() + constant, logits, generator)
        return torch.autograd.grad(value.sum(), logits)[0]

    torch.testing.assert_close(gradient(0), gradient(1000), rtol=1e-9, atol=1e-9)


def test_more_codes_on_top_leave_less_to_chance() -> None:
    variances = [
        float(measure(TopK(top), PROBLEMS["smooth"], 5_000)[1].standard_error.square().sum())
        for top in (1, 4, 16)
    ]
    assert variances[0] > 1.5 * variances[1] > 1.5**2 * variances[2]


def test_codes_beyond_enumeration() -> None:
    """64³² codes: a sum over latents has a known mean; 6 means at 1e-6, the seed is fixed."""
    generator, count = torch.Generator().manual_seed(0), 1000
    logits = 5 * torch.randn(32, 64, generator=generator)
    a = torch.randn(32, 64, generator=generator)
    directions = torch.randn(5, 32, 64, generator=generator)
    each = logits.expand(count, -1, -1).clone().requires_grad_()
    value = TopK()(lambda z: (z * a).sum((-2, -1)), each, generator)
    (grad,) = torch.autograd.grad(value.sum(), each)

    p = logits.softmax(-1)
    expected = p * (a - (p * a).sum(-1, keepdim=True))
    found = torch.cat([value.detach()[:, None], torch.einsum("ndk,cdk->nc", grad, directions)], 1)
    exact = torch.cat([(p * a).sum()[None], (directions * expected).sum((-2, -1))])
    z = (found.mean(0) - exact) / (found.std(0) / count**0.5)
    assert z.abs().max() < NormalDist().inv_cdf(1 - 1e-6 / 2 / 6)


@pytest.mark.parametrize("batch", [(), (5,), (2, 3)])
@pytest.mark.parametrize("top", [3, 100])
def test_shapes_and_generators(batch: tuple[int, ...], top: int) -> None:
    logits = torch.randn(*batch, 3, 4)
    first, second = (
        TopK(top, 2)(lambda z: z[..., 0].sum(-1), logits, torch.Generator().manual_seed(3))
        for _ in range(2)
    )
    assert first.shape == batch
    assert torch.equal(first, second)


def test_extreme_logits_give_finite_gradients() -> None:
    logits = torch.tensor([[1e4, -1e4, 0.0], [0.0, 0.0, 3e4], [-1e4, 1e4, 1e4]])
    logits = logits.repeat(100, 1, 1).requires_grad_()

    def f(z: Tensor) -> Tensor:
        return z[..., 1].sum(-1)

    ours, exact = (
        torch.autograd.grad(estimator(f, logits).sum(), logits)[0]
        for estimator in (TopK(top=4), Exact())
    )
    torch.testing.assert_close(ours, exact)  # two codes have all of the mass


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top": 0}, "`top` must be at least 1, got 0"),
        ({"samples": 0}, "`samples` must be at least 1, got 0"),
    ],
)
def test_what_lies_outside_the_theory_is_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TopK(**options)
