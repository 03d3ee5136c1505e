"""Every claim of every estimator; and that the battery catches what is wrong."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from inspect import signature
from math import comb

import pytest
import torch
from torch import Tensor

from discretevae.estimators import (
    ESTIMATORS,
    RLOO,
    Estimator,
    Exact,
    Reinforce,
    StraightThrough,
)
from discretevae.estimators.battery import (
    PROBLEMS,
    BiasedError,
    Problem,
    check_evaluations,
    check_points,
    check_unbiased,
    measure,
)
from discretevae.estimators.estimator import evaluate
from discretevae.latents import categorical

# 7 problems × 3 quantities × fewer than 30 estimators, each failing by chance once in a million:
# the whole file raises a false alarm less than once in 1,500 seeds, and the seed is fixed.
VARIANTS: dict[str, Callable[[], Estimator]] = {
    **ESTIMATORS,
    "reinforce, no baseline": lambda: Reinforce(baseline=0.0),
    "reinforce, constant": lambda: Reinforce(samples=2, baseline=1.0),
    "rloo, 2 samples": lambda: RLOO(samples=2),
    "straight-through, τ=0.7": lambda: StraightThrough(temperature=0.7),
}

SEVERAL: dict[str, Callable[[], Estimator]] = {
    f"{name}, 3 samples": partial(make, samples=3)  # type: ignore[call-arg]
    for name, make in ESTIMATORS.items()
    if "samples" in signature(make).parameters
}
"""The same with more than one sample, for what costs no draws to check."""

CLAIMS = {name: make() for name, make in (VARIANTS | SEVERAL).items()}
UNBIASED = [name for name in VARIANTS if CLAIMS[name].unbiased]
BIASED = [name for name in VARIANTS if not CLAIMS[name].unbiased]
QUADRATIC = ["reinmax", "mve", "reinmax-cv", "darn"]
LINEAR = ["straight-through", *QUADRATIC]
"""Those whose gradient is exact for an f of that degree in each latent."""


def pairs(names: list[str], problems: list[str]) -> list[tuple[str, str]]:
    """Every estimator with every problem, the binary ones with binary problems only."""
    return [
        (name, problem)
        for name in names
        for problem in problems
        if not CLAIMS[name].binary_only or PROBLEMS[problem].logits.shape[-1] == 2
    ]


def replicates(estimator: Estimator) -> int:
    """One sample with a poor baseline has a large variance; enumeration has none."""
    return 100 if isinstance(estimator, Exact) else 100_000


@pytest.mark.parametrize(("name", "problem"), pairs(UNBIASED, [*PROBLEMS]))
def test_unbiased_ones_agree_with_enumeration(name: str, problem: str) -> None:
    estimator = VARIANTS[name]()
    check_unbiased(estimator, PROBLEMS[problem], replicates(estimator))


@pytest.mark.parametrize(
    ("name", "problem"), pairs([n for n in BIASED if not CLAIMS[n].relaxed], [*PROBLEMS])
)
def test_hard_ones_have_unbiased_values_and_inner_gradients(name: str, problem: str) -> None:
    quantities = ("value", "parameters")
    check_unbiased(VARIANTS[name](), PROBLEMS[problem], 100_000, quantities=quantities)


@pytest.mark.parametrize(
    ("name", "problem_name"), pairs(BIASED, ["smooth", "rough", "one latent", "binary"])
)
def test_biased_ones_are_caught(name: str, problem_name: str) -> None:
    with pytest.raises(BiasedError, match="logits"):
        check_unbiased(VARIANTS[name](), PROBLEMS[problem_name], quantities=("logits",))


@pytest.mark.parametrize(("name", "problem"), pairs([*CLAIMS], ["smooth", "one latent", "binary"]))
def test_claims_of_points_and_costs(name: str, problem: str) -> None:
    """f sees codes unless the estimator is relaxed, and as many rows as it says."""
    make = (VARIANTS | SEVERAL)[name]
    check_points(make(), PROBLEMS[problem])
    check_evaluations(make(), PROBLEMS[problem])


def one_latent(name: str, problem_name: str) -> Problem:
    """Quadratic in each latent is not quadratic jointly: one latent, of two classes for some."""
    problem = PROBLEMS[problem_name]
    classes = 2 if CLAIMS[name].binary_only else 5
    logits = PROBLEMS["one latent"].logits[:, :classes]
    return replace(problem, logits=logits, parameters=problem.parameters)


@pytest.mark.parametrize(
    ("name", "problem_name"),
    [*((n, "linear") for n in LINEAR), *((n, "quadratic") for n in QUADRATIC)],
)
def test_low_orders_are_exact_where_the_theory_says_so(name: str, problem_name: str) -> None:
    check_unbiased(ESTIMATORS[name](), one_latent(name, problem_name), quantities=("logits",))


@pytest.mark.parametrize("name", [n for n in BIASED if n not in LINEAR])
def test_the_others_are_biased_even_for_a_linear_f(name: str) -> None:
    with pytest.raises(BiasedError, match="logits"):
        check_unbiased(VARIANTS[name](), one_latent(name, "linear"), quantities=("logits",))


def test_straight_through_is_biased_for_a_quadratic_f() -> None:
    with pytest.raises(BiasedError, match="logits"):
        check_unbiased(
            StraightThrough(), one_latent("straight-through", "quadratic"), quantities=("logits",)
        )


def blind(problem: Problem) -> Problem:
    """The same function, not differentiable in z."""
    return replace(problem, f=lambda z, w: problem.f(z.detach(), w))


@pytest.mark.parametrize(
    ("name", "problem"),
    pairs([n for n in UNBIASED if not CLAIMS[n].needs_gradient_of_f], ["smooth", "binary"]),
)
def test_score_functions_do_not_need_the_gradient_of_f(name: str, problem: str) -> None:
    estimator = VARIANTS[name]()
    check_unbiased(estimator, blind(PROBLEMS[problem]), replicates(estimator))


@pytest.mark.parametrize(("name", "problem"), pairs(BIASED, ["smooth", "binary"]))
def test_the_biased_ones_have_no_gradient_without_it(name: str, problem: str) -> None:
    estimator, wanted = VARIANTS[name](), blind(PROBLEMS[problem])
    assert estimator.needs_gradient_of_f
    logits = wanted.logits.clone().requires_grad_()
    assert not estimator(lambda z: wanted.f(z, wanted.parameters), logits).requires_grad


@pytest.mark.parametrize("name", [n for n in UNBIASED if CLAIMS[n].needs_gradient_of_f])
def test_control_variates_refuse_an_f_that_is_not_differentiable(name: str) -> None:
    problem = blind(PROBLEMS["smooth"])
    with pytest.raises(ValueError, match="`f` must be differentiable"):
        check_unbiased(VARIANTS[name](), problem, replicates=100)


@dataclass(frozen=True)
class _OwnSampleInBaseline(Estimator):
    """The classic mistake: the mean of all samples, this one too, as the baseline."""

    unbiased = True

    def __call__(
        self,
        f: Callable[[Tensor], Tensor],
        logits: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        z = categorical.sample(logits, 4, generator)
        value, log_q = evaluate(f, z), categorical.log_prob(z, logits)
        score = (value - value.mean(0)).detach() * log_q
        return (value + (score - score.detach())).mean(0)

    def evaluations(self, num_latents: int, num_categories: int) -> int:
        return 4


@dataclass(frozen=True)
class _ForgetsTheInnerGradient(RLOO):
    """f is detached: right for the logits, wrong for the decoder."""

    def __call__(
        self,
        f: Callable[[Tensor], Tensor],
        logits: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        return super().__call__(lambda z: 0.7 * f(z) + 0.3 * f(z).detach(), logits, generator)


@pytest.mark.parametrize(
    ("wrong", "what"),
    [(_OwnSampleInBaseline(), "logits"), (_ForgetsTheInnerGradient(), "parameters")],
)
def test_wrong_methods_are_caught(wrong: Estimator, what: str) -> None:
    for name in ("smooth", "rough", "quadratic"):
        with pytest.raises(BiasedError, match=what):
            check_unbiased(wrong, PROBLEMS[name])


def test_false_alarms_come_at_the_stated_rate() -> None:
    """At a rate of 5 % a right method fails about 5 of 100 seeds, by Bonferroni at most that.

    More than 16 failures have a probability below 1e-5 (binomial tail, computed here).
    """
    seeds, rate, most = 100, 0.05, 16
    tail = sum(
        comb(seeds, k) * rate**k * (1 - rate) ** (seeds - k) for k in range(most + 1, seeds + 1)
    )
    assert tail < 1e-5
    failures = 0
    for seed in range(seeds):
        _, found, _ = measure(RLOO(), PROBLEMS["smooth"], 5_000, seed)
        failures += bool(((found.mean - found.exact).abs() > found.bound(rate)).any())
    assert failures <= most


def test_too_few_replicates_are_refused() -> None:
    with pytest.raises(AssertionError, match="too few replicates"):
        check_unbiased(RLOO(), PROBLEMS["rough"], replicates=50)
