"""Every claim of every estimator; and that the battery catches what is wrong."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import comb

import pytest
import torch
from torch import Tensor

from discretevae import categorical
from discretevae.estimators import (
    ESTIMATORS,
    RLOO,
    Estimator,
    Exact,
    Reinforce,
    StraightThrough,
)
from discretevae.estimators.base import evaluate
from discretevae.estimators.battery import (
    PROBLEMS,
    BiasedError,
    Problem,
    check_evaluations,
    check_points,
    check_unbiased,
    measure,
)

# 7 problems × 3 quantities × fewer than 20 estimators, each failing by chance once in a million:
# the whole file raises a false alarm less than once in 2,000 seeds, and the seed is fixed.
VARIANTS: dict[str, Callable[[], Estimator]] = {
    **ESTIMATORS,
    "reinforce, no baseline": lambda: Reinforce(baseline=0.0),
    "reinforce, constant": lambda: Reinforce(samples=2, baseline=1.0),
    "rloo, 2 samples": lambda: RLOO(samples=2),
    "straight-through, τ=0.7": lambda: StraightThrough(temperature=0.7),
}


UNBIASED = [name for name, make in VARIANTS.items() if make().unbiased]
BIASED = [name for name, make in VARIANTS.items() if not make().unbiased]
HARD = [name for name, make in VARIANTS.items() if not make().relaxed]


def replicates(estimator: Estimator) -> int:
    """One sample with a poor baseline has a large variance; enumeration has none."""
    return 100 if isinstance(estimator, Exact) else 100_000


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS.keys())
@pytest.mark.parametrize("name", UNBIASED)
def test_unbiased_ones_agree_with_enumeration(name: str, problem: Problem) -> None:
    estimator = VARIANTS[name]()
    check_unbiased(estimator, problem, replicates(estimator))


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS.keys())
@pytest.mark.parametrize("name", [name for name in HARD if name in BIASED])
def test_hard_ones_have_unbiased_values_and_inner_gradients(name: str, problem: Problem) -> None:
    check_unbiased(VARIANTS[name](), problem, 100_000, quantities=("value", "parameters"))


@pytest.mark.parametrize("problem_name", ["smooth", "rough", "one latent", "binary"])
@pytest.mark.parametrize("name", BIASED)
def test_biased_ones_are_caught(name: str, problem_name: str) -> None:
    with pytest.raises(BiasedError, match="logits"):
        check_unbiased(VARIANTS[name](), PROBLEMS[problem_name], quantities=("logits",))


@pytest.mark.parametrize("name", VARIANTS)
def test_f_sees_codes_unless_relaxed(name: str) -> None:
    check_points(VARIANTS[name](), PROBLEMS["smooth"])


@pytest.mark.parametrize("problem_name", ["smooth", "binary"])
@pytest.mark.parametrize("name", VARIANTS)
def test_evaluations_are_counted(name: str, problem_name: str) -> None:
    check_evaluations(VARIANTS[name](), PROBLEMS[problem_name])


@pytest.mark.parametrize(
    ("name", "problem_name"),
    [("straight-through", "linear"), ("reinmax", "linear"), ("reinmax", "quadratic")],
)
def test_low_orders_are_exact_where_the_theory_says_so(name: str, problem_name: str) -> None:
    problem = PROBLEMS[problem_name]
    if problem_name == "quadratic":  # quadratic in each latent, not jointly: one latent decides
        problem = replace(problem, logits=problem.logits[:1])
    check_unbiased(ESTIMATORS[name](), problem, quantities=("logits",))


def blind(problem: Problem) -> Problem:
    """The same function, not differentiable in z."""
    return replace(problem, f=lambda z, w: problem.f(z.detach(), w))


@pytest.mark.parametrize("name", UNBIASED)
def test_score_functions_do_not_need_the_gradient_of_f(name: str) -> None:
    estimator = VARIANTS[name]()
    assert not estimator.needs_gradient_of_f
    check_unbiased(estimator, blind(PROBLEMS["smooth"]), replicates(estimator))


@pytest.mark.parametrize("name", BIASED)
def test_the_others_have_no_gradient_without_it(name: str) -> None:
    estimator, problem = VARIANTS[name](), blind(PROBLEMS["smooth"])
    assert estimator.needs_gradient_of_f
    logits = problem.logits.clone().requires_grad_()
    assert not estimator(lambda z: problem.f(z, problem.parameters), logits).requires_grad


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
