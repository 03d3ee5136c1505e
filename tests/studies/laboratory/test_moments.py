"""Moments of replicates against figures known beforehand."""

import math

import pytest
import torch
from torch import Tensor

from discretevae.studies.laboratory.moments import GROUPS, Interval, Moments, Truth

EXAMPLES, D, K = 3, 2, 4
DIRECTION = torch.linspace(-1, 1, EXAMPLES * D * K, dtype=torch.float64).view(EXAMPLES, D, K)
SPREAD = 0.7


def collected(
    bias: float, count: int, generator: torch.Generator, truth: Truth | None = None
) -> Moments:
    """Replicates of DIRECTION · (1 + bias) with Gaussian noise of a known spread."""
    moments = Moments(truth or Truth(DIRECTION))
    for group in range(GROUPS):
        for size in (count // GROUPS // 2, count // GROUPS - count // GROUPS // 2):
            noise = torch.randn(size, EXAMPLES, D, K, dtype=torch.float64, generator=generator)
            moments.add((1 + bias) * DIRECTION + SPREAD * noise, group)
    return moments


def test_variance_error_and_cosine_are_those_of_the_noise() -> None:
    """Relative errors of 1 % are four standard errors or more: one false alarm in 10^4 seeds."""
    generator = torch.Generator().manual_seed(0)
    moments = collected(0.3, 40_000, generator)
    variance = SPREAD**2 * D * K
    bias = 0.09 * float(DIRECTION.square().sum()) / EXAMPLES
    assert moments.replicates == 40_000
    assert moments.variance == pytest.approx(variance, rel=0.01)
    assert moments.mean_squared_error == pytest.approx(variance + bias, rel=0.01)
    noise = torch.randn(40_000, EXAMPLES, D, K, dtype=torch.float64, generator=generator)
    estimates = (1.3 * DIRECTION + SPREAD * noise).flatten(2)
    cosine = torch.cosine_similarity(estimates, DIRECTION.flatten(1)[None], -1).mean()
    assert moments.cosine == pytest.approx(float(cosine), abs=0.01)


def misses(bias: float, intervals: list[Interval]) -> int:
    return sum(not (interval.low <= bias <= interval.high) for interval in intervals)


@pytest.mark.parametrize("bias", [0.0, 0.05, 0.5])
def test_the_interval_holds_the_bias_as_often_as_it_says(bias: float) -> None:
    """At 5 % each, more than 60 of 600 intervals miss by chance in fewer than one in 10^6 runs;
    intervals for which that share was 15 % would be caught with near certainty."""
    generator = torch.Generator().manual_seed(1)
    intervals = [collected(bias, 200, generator).relative_bias for _ in range(600)]
    assert misses(bias, intervals) <= 60


def test_intervals_without_the_unbiased_square_would_miss() -> None:
    """The square of the mean's deviation, noise and all, calls every unbiased estimator biased."""
    generator = torch.Generator().manual_seed(2)
    naive = []
    for _ in range(50):
        moments = collected(0.0, 200, generator)
        mean = torch.stack(moments.sums).sum(0) / moments.replicates
        naive.append(math.sqrt(float(mean.square().sum() / DIRECTION.square().sum())))
    assert min(naive) > 0.05


def test_the_noise_of_a_long_run_is_taken_off() -> None:
    """A truth with an error of its own does not pass for a bias: 600 intervals as above."""
    generator = torch.Generator().manual_seed(3)
    error = 0.05
    intervals = []
    for _ in range(600):
        noise = torch.randn(DIRECTION.shape, dtype=torch.float64, generator=generator)
        truth = Truth(DIRECTION + error * noise, error**2 * DIRECTION.numel())
        intervals.append(collected(0.0, 2_000, generator, truth).relative_bias)
    assert misses(0.0, intervals) <= 60
    assert truth.relative_error == pytest.approx(
        error * math.sqrt(DIRECTION.numel() / float(DIRECTION.square().sum())), rel=0.2
    )


def test_a_gradient_of_zero_has_no_relative_bias() -> None:
    zero: Tensor = torch.zeros_like(DIRECTION)
    moments = collected(0.0, 200, torch.Generator().manual_seed(4), Truth(zero))
    assert moments.relative_bias.value == math.inf
