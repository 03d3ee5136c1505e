"""One of K classes as a layer, against enumeration."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from discretevae.choices import OneHotChoice, mix_uniform
from discretevae.choices.balanced_kl import balanced_kl
from discretevae.estimators import POINTS, Exact, ReinMax

MeanIs = Callable[[Tensor, Tensor], None]
DRAWS = 40_000
D, K, U = 2, 3, 0.3
IN_BACKWARD = {"gumbel-rao", "reinmax-rao", "reinmax-cv"}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def leaf(*shape: int) -> Tensor:
    logits = torch.randn(*shape, dtype=torch.float64, generator=seeded(1))
    return logits.requires_grad_()


def linear(z: Tensor) -> Tensor:
    return (z * torch.arange(6, dtype=z.dtype).view(D, K)).sum((-2, -1))


def quadratic(z: Tensor) -> Tensor:
    return (linear(z) - 3).square()


def cubic(z: Tensor) -> Tensor:
    return (linear(z) - 3).pow(3)


def drawn(layer: OneHotChoice, f: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Values and gradients for the logits of many independent draws."""
    logits = leaf(D, K).detach().expand(DRAWS, D, K).clone().requires_grad_()
    value = f(layer(logits, seeded()))
    (gradient,) = torch.autograd.grad(value.sum(), logits)
    return value[:, None], gradient


def exact(f: Callable[[Tensor], Tensor], uniform: float = U) -> tuple[Tensor, Tensor]:
    logits = leaf(D, K)
    value = Exact()(f, mix_uniform(logits, uniform))
    return value, torch.autograd.grad(value, logits)[0]


@pytest.mark.parametrize("uniform", [0.0, U])
@pytest.mark.parametrize(("name", "f"), [("straight-through", linear), ("reinmax", quadratic)])
def test_value_and_gradient_are_of_the_mixed_distribution(
    name: str, f: Callable[[Tensor], Tensor], uniform: float, mean_is: MeanIs
) -> None:
    """Each false alarm 1e-6; a bias of 10 % is seen."""
    layer = OneHotChoice(D, K, name, uniform=uniform)
    for found, truth in zip(drawn(layer, f), exact(f, uniform), strict=True):
        mean_is(found, truth)


def test_a_biased_gradient_is_caught(mean_is: MeanIs) -> None:
    value, gradient = drawn(OneHotChoice(D, K, "straight-through", uniform=U), quadratic)
    true_value, true_gradient = exact(quadratic)
    mean_is(value, true_value)
    with pytest.raises(AssertionError, match="biased"):
        mean_is(gradient, true_gradient)


def test_a_mixture_that_the_gradient_does_not_see_is_caught(mean_is: MeanIs) -> None:
    """Samples of the mixture with the gradient of the softmax alone, a common slip."""
    logits = leaf(D, K).detach().expand(DRAWS, D, K).clone().requires_grad_()
    z = OneHotChoice(D, K, uniform=U)(logits.detach(), seeded())
    p = logits.softmax(-1)
    (gradient,) = torch.autograd.grad(linear(z + p - p.detach()).sum(), logits)
    with pytest.raises(AssertionError, match="biased"):
        mean_is(gradient, exact(linear)[1])


@pytest.mark.parametrize("batch", [(), (1,), (5,), (2, 5)])
@pytest.mark.parametrize("name", POINTS)
def test_both_layouts(name: str, batch: tuple[int, ...]) -> None:
    K = 2 if POINTS[name].binary_only else 4
    layer, logits = OneHotChoice(3, K, name), torch.randn(*batch, 3, K)
    z, flat = layer(logits, seeded()), layer(logits.flatten(-2), seeded())
    assert z.shape == (*batch, 3, K)
    assert torch.equal(z, flat)
    torch.testing.assert_close(z.sum(-1), torch.ones(*batch, 3))


@pytest.mark.parametrize("batch", [(), (1,), (5,), (2, 5)])
def test_of_one_latent_logits_are_rows_whatever_the_batch(batch: tuple[int, ...]) -> None:
    assert OneHotChoice(1, 4)(torch.zeros(*batch, 4)).shape == (*batch, 1, 4)


def test_it_is_the_estimator() -> None:
    """To the bit; the estimator may be an object with options."""
    logits = leaf(50, D, K)
    z = OneHotChoice(D, K, ReinMax(temperature=1.3))(logits, seeded())
    expected = ReinMax(temperature=1.3).draw(logits, 1, seeded())[0]
    found, truth = (torch.autograd.grad(cubic(v).sum(), logits)[0] for v in (z, expected))
    assert torch.equal(z, expected)
    assert torch.equal(found, truth)


def test_a_generator_decides_all_draws() -> None:
    layer, logits = OneHotChoice(4, 8, uniform=0.01), torch.zeros(50, 32)
    first, again, other = (layer(logits, seeded(s)) for s in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_mode_is_the_most_probable_code() -> None:
    mode = OneHotChoice(2, 3, uniform=0.1).mode(torch.tensor([0.0, 2.0, 1.0, 5.0, -9.0, 0.0]))
    assert mode.tolist() == [[0, 1, 0], [1, 0, 0]]


@pytest.mark.parametrize("uniform", [0.0, U])
def test_the_reported_kl_is_that_of_what_is_drawn(uniform: float) -> None:
    """By the sum over all codes; the trained one is another function of the same."""
    layer = OneHotChoice(D, K, uniform=uniform)
    posterior, prior = leaf(5, D, K), leaf(2, 5, D, K)[1]
    q, p = ((1 - uniform) * x.softmax(-1) + uniform / K for x in (posterior, prior))
    joint_q = (q[:, 0, :, None] * q[:, 1, None, :]).flatten(1)
    joint_p = (p[:, 0, :, None] * p[:, 1, None, :]).flatten(1)
    true = (joint_q * (joint_q / joint_p).log()).sum(-1)
    torch.testing.assert_close(layer.kl(posterior.flatten(-2), prior), true)
    trained = layer.balanced_kl(posterior, prior, 1.0, 0.1, free_nats=0.5)
    torch.testing.assert_close(trained, 1.1 * true.clamp_min(0.5))
    mixed = balanced_kl(layer.mixed(posterior), layer.mixed(prior), 1.0, 0.1, 0.5)
    assert torch.equal(trained, mixed)


def test_mixed_precision_does_not_reach_the_draws() -> None:
    layer = OneHotChoice(3, 4, uniform=0.05)
    logits = torch.randn(300, 12, generator=seeded()).bfloat16().requires_grad_()
    wide = logits.detach().float().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        z, kl = layer(logits, seeded()), layer.kl(logits, logits.flip(0))
    expected = layer(wide, seeded())
    assert z.dtype == torch.bfloat16
    assert kl.dtype == torch.float32
    assert torch.equal(z, expected.bfloat16())
    for drawn_ in (z, expected):
        (drawn_ * torch.arange(4.0).to(drawn_.dtype)).sum().backward()
    torch.testing.assert_close(logits.grad, wide.grad.bfloat16())


@pytest.mark.parametrize("name", [n for n in POINTS if n not in IN_BACKWARD])
def test_vmap_draws_for_each_element(name: str) -> None:
    layer = OneHotChoice(20, 2 if POINTS[name].binary_only else 4, name, uniform=0.01)
    logits = torch.zeros(6, 20 * layer.num_categories)
    z = torch.func.vmap(layer, randomness="different")(logits)
    assert len({tuple(row.flatten().tolist()) for row in z}) == 6
    gradient = torch.func.grad(lambda x: layer(x).square().cumsum(-1).sum())
    assert torch.func.vmap(gradient, randomness="different")(logits).isfinite().all()


def test_a_nan_is_no_code() -> None:
    logits = torch.zeros(2, 2, 3)
    logits[0, 1, 2] = torch.nan
    z = OneHotChoice(2, 3)(logits)
    assert z[0, 1].isnan().any()
    assert not z[1].isnan().any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OneHotChoice(2, 1), "`num_categories` at least 2, got 2 and 1"),
        (lambda: OneHotChoice(0, 2), "`num_latents` must be at least 1"),
        (lambda: OneHotChoice(2, 3, "rloo"), "`estimator` must be one of .*, got 'rloo'"),
        (lambda: OneHotChoice(2, 3, uniform=1.0), r"`uniform` must lie in \[0, 1\)"),
        (lambda: OneHotChoice(2, 3)(torch.zeros(5, 3, 2)), "must end in D × K = 2 × 3 or in 6"),
        (lambda: OneHotChoice(2, 3)(torch.zeros(5)), r"got \(5,\)"),
    ],
)
def test_refusals(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
