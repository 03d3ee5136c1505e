import math
from collections.abc import Callable
from statistics import NormalDist

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from discretevae.objectives import SIMILARITIES, Similarity, info_nce
from discretevae.objectives.contrastive import cosine, dot

Loss = Callable[[Tensor, Tensor, Similarity], Tensor]


def views(b: int = 5, e: int = 3) -> tuple[Tensor, Tensor]:
    stream = torch.Generator().manual_seed(0)
    u, v = torch.randn(2, b, e, dtype=torch.float64, generator=stream)
    return u, v


def inner(u: list[float], v: list[float]) -> float:
    return sum(a * b for a, b in zip(u, v, strict=True))


def by_loops(u: Tensor, v: Tensor, temperature: float, name: str) -> list[float]:
    def score(a: list[float], b: list[float]) -> float:
        length = math.hypot(*a) * math.hypot(*b) if name == "cosine" else 1
        return inner(a, b) / length / temperature

    rows, others = u.tolist(), v.tolist()
    return [
        -math.log(math.exp(score(a, others[i])) / sum(math.exp(score(a, b)) for b in others))
        for i, a in enumerate(rows)
    ]


@pytest.mark.parametrize("name", SIMILARITIES)
@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_it_is_what_loops_give(name: str, temperature: float) -> None:
    u, v = views()
    of_v, of_u = (by_loops(*pair, temperature, name) for pair in ((u, v), (v, u)))
    loss = info_nce(u, v, temperature, SIMILARITIES[name], symmetric=False)
    assert loss.tolist() == pytest.approx(of_v)
    assert loss.tolist() != pytest.approx(of_u), "the test must tell the directions apart"
    both = info_nce(u, v, temperature, SIMILARITIES[name])
    assert both.tolist() == pytest.approx([(a + b) / 2 for a, b in zip(of_v, of_u, strict=True)])


@pytest.mark.parametrize("similarity", SIMILARITIES.values(), ids=SIMILARITIES)
def test_orthonormal_views_have_a_closed_form(similarity: Similarity) -> None:
    b, temperature = 6, 0.3
    rows = torch.linalg.qr(torch.randn(b, b, dtype=torch.float64)).Q
    expected = math.log1p((b - 1) * math.exp(-1 / temperature))
    loss = info_nce(rows, rows, temperature, similarity)
    assert loss.tolist() == pytest.approx([expected] * b)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("similarity", SIMILARITIES.values(), ids=SIMILARITIES)
def test_views_that_are_all_alike_cost_log_b(similarity: Similarity, symmetric: bool) -> None:
    rows = torch.randn(1, 4).expand(7, 4)
    loss = info_nce(rows, rows, similarity=similarity, symmetric=symmetric)
    assert loss.tolist() == pytest.approx([math.log(7)] * 7)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**30), st.integers(2, 6), st.floats(0.01, 10), st.booleans())
def test_the_loss_is_positive_and_the_batch_may_be_reordered(
    seed: int, b: int, temperature: float, symmetric: bool
) -> None:
    stream = torch.Generator().manual_seed(seed)
    u, v = torch.randn(2, b, 3, dtype=torch.float64, generator=stream)
    order = torch.randperm(b, generator=stream)
    loss = info_nce(u, v, temperature, symmetric=symmetric)
    again = info_nce(u[order], v[order], temperature, symmetric=symmetric)
    assert (loss >= 0).all()
    torch.testing.assert_close(again, loss[order])
    if symmetric:
        torch.testing.assert_close(info_nce(v, u, temperature), loss)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("similarity", SIMILARITIES.values(), ids=SIMILARITIES)
def test_gradients_are_finite_differences(similarity: Similarity, symmetric: bool) -> None:
    u, v = (x.requires_grad_() for x in views(4, 3))
    assert torch.autograd.gradcheck(lambda u, v: info_nce(u, v, 0.4, similarity, symmetric), (u, v))


def test_the_cosine_is_that_of_torch_at_any_scale() -> None:
    u, v = views()
    expected = torch.nn.functional.cosine_similarity(u[:, None], v, dim=-1)
    for scale in (1e-300, 1.0, 1e300):
        torch.testing.assert_close(cosine(scale * u, v), expected)


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e30])
def test_extreme_rows_stay_finite_under_the_cosine(scale: float) -> None:
    u, v = (x.float() for x in views())
    rows = (scale * u).requires_grad_()
    loss = info_nce(rows, v, temperature=1e-3)
    loss.sum().backward()
    assert loss.isfinite().all()
    assert rows.grad is not None
    assert rows.grad.isfinite().all()


def test_extreme_scores_stay_finite_under_the_dot() -> None:
    u, v = (1e15 * x.float() for x in views())
    u.requires_grad_()
    loss = info_nce(u, v, similarity=dot)
    loss.sum().backward()
    assert loss.isfinite().all()
    assert u.grad is not None
    assert u.grad.isfinite().all()


def test_half_precision_is_left_for_the_scores() -> None:
    u, v = (x.bfloat16() for x in views(16, 8))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = info_nce(u, v)
    assert loss.dtype == torch.float32
    exact = info_nce(u.double(), v.double())
    torch.testing.assert_close(loss.double(), exact, rtol=1e-5, atol=0)


RHO = 0.8
INFORMATION = -0.5 * math.log(1 - RHO**2)


def log_ratio(u: Tensor, v: Tensor) -> Tensor:
    """The best similarity for Gaussians of correlation ρ, log p(v | u) / p(v)."""
    residual = (v.T - RHO * u).square() / (1 - RHO**2)
    return INFORMATION + (v.T.square() - residual) / 2


def estimate(loss: Loss, b: int, batches: int) -> tuple[float, float]:
    """Returns log B − E[loss], and how far chance may move it with a false alarm of 1e-6."""
    stream = torch.Generator().manual_seed(0)
    u, noise = torch.randn(2, batches, b, 1, dtype=torch.float64, generator=stream)
    v = RHO * u + (1 - RHO**2) ** 0.5 * noise
    values = torch.stack(
        [math.log(b) - loss(*pair, log_ratio).mean() for pair in zip(u, v, strict=True)]
    )
    chance = NormalDist().inv_cdf(1 - 1e-6) * values.std() / batches**0.5
    return values.mean().item(), chance.item()


def without_the_positive(u: Tensor, v: Tensor, similarity: Similarity) -> Tensor:
    scores = similarity(u, v)
    others = scores.masked_fill(torch.eye(len(u), dtype=torch.bool), -torch.inf)
    return others.logsumexp(1) - math.log(len(u) - 1) + math.log(len(u)) - scores.diagonal()


@pytest.mark.parametrize("symmetric", [False, True])
def test_it_bounds_the_information_between_the_views(symmetric: bool) -> None:
    def loss(u: Tensor, v: Tensor, similarity: Similarity) -> Tensor:
        return info_nce(u, v, 1.0, similarity, symmetric)

    few, chance = estimate(loss, b=4, batches=1000)
    assert chance < 0.15, "too few batches to see the overshoot below"
    assert few <= INFORMATION + chance
    many, chance = estimate(loss, b=64, batches=100)
    assert chance < 0.1
    assert INFORMATION - 0.05 - chance <= many <= INFORMATION + chance


def test_a_loss_that_leaves_the_positive_out_is_caught() -> None:
    value, chance = estimate(without_the_positive, b=4, batches=1000)
    assert value > INFORMATION + 2 * chance


def test_what_cannot_be_contrasted_is_refused() -> None:
    u, v = views()
    with pytest.raises(ValueError, match=r"`second` must have the shape of `first`, \(5, 3\), got"):
        info_nce(u, v[:4])
    with pytest.raises(ValueError, match=r"`first` must hold at least 2 examples .* got 1"):
        info_nce(u[:1], v[:1])
    for temperature in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match=f"`temperature` must be positive, got {temperature}"):
            info_nce(u, v, temperature)
