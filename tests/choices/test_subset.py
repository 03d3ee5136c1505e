"""k of n as a layer: every estimator, its claims and its bias."""

from collections.abc import Callable
from itertools import combinations

import pytest
import torch
from torch import Tensor

from discretevae.choices import (
    SUBSET_ESTIMATORS,
    GumbelTopK,
    RelaxedTopK,
    Simple,
    SubsetChoice,
    conditional_poisson,
    plackett_luce,
)
from discretevae.choices.relaxed_top_k import relaxed_top_k
from discretevae.estimators import STGumbelSoftmax, StraightThrough

MeanIs = Callable[[Tensor, Tensor], None]
N, CHOSEN, DRAWS = 5, 2, 40_000
SETS = torch.zeros(10, N, dtype=torch.float64)
for row, chosen in zip(SETS, combinations(range(N), CHOSEN), strict=True):
    row[list(chosen)] = 1
WEIGHTS = torch.tensor([2.0, -1.0, 0.5, 3.0, 1.0], dtype=torch.float64)
each = pytest.mark.parametrize("name", SUBSET_ESTIMATORS)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def leaf(*shape: int) -> Tensor:
    logits = 1.5 * torch.randn(*shape, dtype=torch.float64, generator=seeded(1))
    return logits.requires_grad_()


def linear(z: Tensor) -> Tensor:
    return z @ WEIGHTS.to(z.dtype)


def quadratic(z: Tensor) -> Tensor:
    return (linear(z) - 2).square()


def drawn(name: str, f: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    logits = leaf(N).detach().expand(DRAWS, N).clone().requires_grad_()
    value = f(SubsetChoice(N, CHOSEN, name)(logits, seeded()))
    return value[:, None], torch.autograd.grad(value.sum(), logits)[0]


def log_p(name: str, logits: Tensor) -> Tensor:
    """Of all sets, of the distribution that the estimator says it draws from."""
    if SUBSET_ESTIMATORS[name].distribution == "conditional Poisson":
        return (logits @ SETS.T).log_softmax(-1)
    order = SETS.topk(CHOSEN).indices
    both = torch.stack([order, order.flip(-1)])
    return plackett_luce.log_prob(both, logits).logsumexp(0)


def exact(name: str, f: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    logits = leaf(N)
    value = (log_p(name, logits).exp() * f(SETS)).sum()
    return value, torch.autograd.grad(value, logits)[0]


HARD = [name for name, kind in SUBSET_ESTIMATORS.items() if not kind.relaxed]


@pytest.mark.parametrize("name", HARD)
def test_the_value_is_that_of_the_distribution_it_names(name: str, mean_is: MeanIs) -> None:
    """False alarm 1e-6; the other distribution is caught."""
    value, _ = drawn(name, quadratic)
    mean_is(value, exact(name, quadratic)[0])
    (other,) = set(HARD) - {name}
    with pytest.raises(AssertionError, match="biased"):
        mean_is(value, exact(other, quadratic)[0])


def test_simple_is_exact_for_a_linear_f() -> None:
    """Without variance even: the gradient of the marginals does not depend on the draw."""
    _, gradient = drawn("simple", linear)
    torch.testing.assert_close(gradient, exact("simple", linear)[1].expand_as(gradient))


@each
def test_a_biased_gradient_is_caught(name: str, mean_is: MeanIs) -> None:
    _, gradient = drawn(name, quadratic)
    with pytest.raises(AssertionError, match="biased"):
        mean_is(gradient, exact(name, quadratic)[1])


def test_a_gradient_that_forgets_k_is_caught() -> None:
    """k · softmax in the place of the marginals, a common slip."""
    logits = leaf(N)
    (wrong,) = torch.autograd.grad(linear(CHOSEN * logits.softmax(-1)), logits)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(wrong, exact("simple", linear)[1])


@each
def test_claims(name: str) -> None:
    z = SubsetChoice(12, 5, name)(torch.randn(200, 12))
    torch.testing.assert_close(z.sum(-1), torch.full((200,), 5.0))
    assert bool(((z == 0) | (z == 1)).all()) != SUBSET_ESTIMATORS[name].relaxed


def test_one_of_n_is_what_the_categorical_has() -> None:
    logits = leaf(50, N)
    z = GumbelTopK(0.7).draw(logits, 1, 3, seeded())
    expected = STGumbelSoftmax(temperature=0.7).draw(logits[:, None], 3, seeded())[..., 0, :]
    assert torch.equal(z, expected)
    marks = torch.randn(3, 50, N, dtype=torch.float64)
    found, truth = (torch.autograd.grad((v * marks).sum(), logits)[0] for v in (z, expected))
    torch.testing.assert_close(found, truth)
    simple, straight = (
        torch.autograd.grad((v * marks).sum(), logits)[0]
        for v in (
            Simple().draw(logits, 1, 3),
            StraightThrough().draw(logits[:, None], 3)[..., 0, :],
        )
    )
    torch.testing.assert_close(simple, straight)


def test_the_relaxation_is_that_of_the_paper() -> None:
    """Its recursion as it stands, where nothing rounds away; and the gradient by differences."""
    scores = leaf(20, 6)
    a, total = scores.detach(), torch.zeros(20, 6, dtype=torch.float64)
    for _ in range(3):
        p = (a / 0.7).softmax(-1)
        total = total + p
        a = a + (1 - p).log()
    torch.testing.assert_close(relaxed_top_k(scores.detach(), 3, 0.7), total)
    assert torch.autograd.gradcheck(lambda x: relaxed_top_k(x, 3, 0.7), scores)


def test_cold_it_is_gumbel_top_k() -> None:
    logits = leaf(300, 6).detach()
    cold = RelaxedTopK(1e-7).draw(logits, 3, 1, seeded())
    assert (cold - GumbelTopK().draw(logits, 3, 1, seeded())).abs().max() < 1e-3


def test_the_relaxation_keeps_float32_finite_where_one_item_has_all() -> None:
    scores = (50 * torch.randn(1000, 6, generator=seeded())).requires_grad_()
    z = relaxed_top_k(scores, 3, 0.1)
    torch.testing.assert_close(z.sum(-1), torch.full((1000,), 3.0))
    z.square().sum().backward()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()


@each
def test_an_item_ruled_out_is_not_chosen(name: str) -> None:
    logits = torch.zeros(200, 6)
    logits[:, 2] = -torch.inf
    logits.requires_grad_()
    z = SubsetChoice(6, 3, name)(logits)
    assert z[:, 2].abs().max() < 1e-6
    (z * torch.arange(6.0)).sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@each
def test_a_generator_decides_all_draws(name: str) -> None:
    choose, logits = SubsetChoice(10, 4, name), torch.zeros(50, 10)
    first, again, other = (choose(logits, seeded(s)) for s in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@each
@pytest.mark.parametrize("batch", [(), (7,), (2, 3)])
def test_any_leading_dimensions(name: str, batch: tuple[int, ...]) -> None:
    assert SubsetChoice(6, 2, name)(torch.zeros(*batch, 6)).shape == (*batch, 6)


@each
def test_mixed_precision_does_not_reach_the_draws(name: str) -> None:
    choose = SubsetChoice(10, 4, name)
    logits = torch.randn(100, 10, generator=seeded()).bfloat16().requires_grad_()
    wide = logits.detach().float().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        z = choose(logits, seeded())
    expected = choose(wide, seeded())
    assert torch.equal(z, expected.bfloat16())
    marks = torch.arange(10.0)
    for drawn_ in (z, expected):
        (drawn_ * marks.to(drawn_.dtype)).sum().backward()
    torch.testing.assert_close(logits.grad, wide.grad.bfloat16())


@each
def test_vmap_draws_for_each_element(name: str) -> None:
    choose, logits = SubsetChoice(20, 7, name), torch.zeros(6, 20)
    z = torch.func.vmap(choose, randomness="different")(logits)
    assert len({tuple(row.tolist()) for row in z}) == 6
    torch.testing.assert_close(z.sum(-1), torch.full((6,), 7.0))
    gradient = torch.func.grad(lambda x: (choose(x) * torch.arange(20.0)).sum().square())
    assert torch.func.vmap(gradient, randomness="different")(logits).isfinite().all()


def test_vmap_of_the_exact_quantities() -> None:
    logits = leaf(6, 9).detach()
    for f in (conditional_poisson.marginals, conditional_poisson.entropy):
        found = torch.func.vmap(lambda x, f=f: f(x, 4))(logits)
        torch.testing.assert_close(found, f(logits, 4))


def test_the_mode_is_the_most_probable_set() -> None:
    logits = leaf(4, N).detach()
    found = SubsetChoice(N, CHOSEN).mode(logits)
    for name in HARD:
        best = torch.stack([SETS[log_p(name, row).argmax()] for row in logits])
        assert torch.equal(found, best)


def test_a_nan_is_no_set() -> None:
    logits = torch.zeros(2, 6)
    logits[0, 2] = torch.nan
    z = SubsetChoice(6, 3)(logits)
    assert z[0].isnan().any()
    assert not z[1].isnan().any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SubsetChoice(4, 5), r"`num_chosen` must lie in \[1, `num_items`\] = \[1, 4\]"),
        (lambda: SubsetChoice(1, 1), "`num_items` must be at least 2, got 1"),
        (lambda: SubsetChoice(4, 2, "simpel"), "did you mean 'simple'"),
        (lambda: SubsetChoice(4, 2)(torch.zeros(5, 3)), r"must end in n = 4 items, got \(5, 3\)"),
        (lambda: SubsetChoice(4, 2).mode(torch.zeros(3)), "must end in n = 4 items"),
        (lambda: RelaxedTopK(0.0), "`temperature` must be positive, got 0"),
        (lambda: Simple().draw(torch.zeros(4), 2, 0), "`samples` must be at least 1, got 0"),
    ],
)
def test_refusals(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_network_learns_which_columns_matter() -> None:
    """Two of eight columns carry the answer: they are found."""
    torch.manual_seed(0)
    choose, logits = SubsetChoice(8, 2), torch.zeros(8, requires_grad=True)
    x = torch.randn(256, 8)
    adam = torch.optim.Adam([logits], 0.1)
    for _ in range(100):
        adam.zero_grad()
        z = choose(logits.expand(256, 8))
        ((z * x).sum(-1) - x[:, 2] - x[:, 5]).square().mean().backward()
        adam.step()
    assert choose.mode(logits).nonzero()[:, 0].tolist() == [2, 5]
