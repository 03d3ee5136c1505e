"""Holds every multi-sample estimator to the exact bound and its gradients, by enumeration.

The problems are those of `discretevae.estimators.battery`, with f as log p(x, z): the log-weight
is f(z) − log q(z), with its graph to the logits.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.estimators import Exact
from discretevae.estimators.battery import (
    FALSE_ALARM,
    RESOLUTION,
    BiasedError,
    Measurement,
    Problem,
)
from discretevae.estimators.multisample.multi_sample_estimator import MultiSampleEstimator
from discretevae.latents import categorical
from discretevae.objectives import importance_weighted_bound

__all__ = ["check_unbiased", "expected_bound", "measure"]

Estimate = Callable[[Callable[[Tensor], Tensor], Tensor], Tensor]


def expected_bound(
    log_weight: Callable[[Tensor], Tensor], logits: Float[Tensor, "*B D K"], samples: int
) -> Float[Tensor, "*B"]:
    r"""Sums the bound over all :math:`K^{DS}` S-tuples of codes, with its exact gradient.

    S samples of D latents are one sample of S·D latents whose logits are repeated.

    Raises:
        EnumerationError: If there are more than 65,536 tuples.

    Example:
        >>> logits = torch.zeros(5, 2, 3)  # w is constant: every sample gives log p(x) = log 9
        >>> expected_bound(lambda z: -categorical.log_prob(z, logits), logits, samples=2)
        tensor([2.1972, 2.1972, 2.1972, 2.1972, 2.1972])
    """

    def bound(z: Float[Tensor, "N *B SD K"]) -> Float[Tensor, "N *B"]:
        z = z.unflatten(-2, (samples, -1)).movedim(-3, 0)
        log_w = log_weight(z.flatten(0, 1)).unflatten(0, (samples, -1))
        return importance_weighted_bound(log_w)

    repeated = torch.cat([logits] * samples, dim=-2)
    return Exact()(bound, repeated)


def measure(
    estimator: MultiSampleEstimator, problem: Problem, replicates: int = 50_000, seed: int = 0
) -> list[Measurement]:
    """Compares n replicates of value, gradient for logits and gradient inside log w with the sum.

    Example:
        >>> from discretevae.estimators.battery import PROBLEMS
        >>> from discretevae.estimators.multisample import VIMCO
        >>> value, *_ = measure(VIMCO(samples=2), PROBLEMS["linear"], replicates=1000)
        >>> value.quantity, value.relative_bias < 0.1
        ('value', True)
    """
    generator = torch.Generator().manual_seed(seed)

    def exact(log_weight: Callable[[Tensor], Tensor], logits: Tensor) -> Tensor:
        return expected_bound(log_weight, logits, estimator.samples)

    def estimate(log_weight: Callable[[Tensor], Tensor], logits: Tensor) -> Tensor:
        return estimator(log_weight, logits, generator)

    truth = _value_and_gradients(exact, problem, 1)
    _value_and_gradients(estimate, problem, 100)  # what remembers has seen a batch
    drawn = _value_and_gradients(estimate, problem, replicates)
    return [
        Measurement(name, values.mean(0), values.std(0) / replicates**0.5, truth[name][0])
        for name, values in drawn.items()
    ]


def check_unbiased(
    estimator: MultiSampleEstimator,
    problem: Problem,
    replicates: int = 50_000,
    seed: int = 0,
    false_alarm: float = FALSE_ALARM,
) -> None:
    """Passes where value and both gradients agree with enumeration.

    Raises:
        BiasedError: Where a coordinate differs beyond chance; an unbiased estimator gets here
            with a probability of at most `false_alarm` for each of the three quantities.
        AssertionError: Where there are too few replicates to see a bias of 10 %.
    """
    for found in measure(estimator, problem, replicates, seed):
        bound, scale = found.bound(false_alarm), found.exact.abs().max()
        where = f"{type(estimator).__name__}: {found.quantity} of {problem.name}"
        assert bound.max() < RESOLUTION * scale, (
            f"{where}: too few replicates to see a bias of {RESOLUTION:.0%}, only one of "
            f"{float(bound.max() / scale):.0%}"
        )
        if ((found.mean - found.exact).abs() > bound + 1e-10 * scale).any():
            raise BiasedError(
                f"{where} is biased by {found.relative_bias:.2%}, beyond chance at {false_alarm:g}"
            )


def _value_and_gradients(
    estimate: Estimate, problem: Problem, replicates: int
) -> dict[str, Tensor]:
    logits = problem.logits.repeat(replicates, 1, 1).requires_grad_()
    parameters = problem.parameters.repeat(replicates, 1).requires_grad_()

    def log_weight(z: Tensor) -> Tensor:
        return problem.f(z, parameters) - categorical.log_prob(z, logits)

    value = estimate(log_weight, logits)
    of_logits, of_parameters = torch.autograd.grad(value.sum(), (logits, parameters))
    return {
        "value": value.detach()[:, None],
        "logits": of_logits.flatten(1),
        "parameters": of_parameters,
    }
