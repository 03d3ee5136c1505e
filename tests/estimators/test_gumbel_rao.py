"""Gumbel-Rao: the mean of ST-Gumbel-Softmax, with less variance."""

from statistics import NormalDist

import pytest

from discretevae.estimators import STGumbelSoftmax
from discretevae.estimators.battery import (
    PROBLEMS,
    Measurement,
    measure,
)
from discretevae.estimators.gumbel_rao import GumbelRao


def gradient(estimator: GumbelRao | STGumbelSoftmax, seed: int) -> Measurement:
    _, logits, _ = measure(estimator, PROBLEMS["smooth"], 50_000, seed)
    return logits


def share_beyond_chance(one: Measurement, other: Measurement) -> float:
    """The largest difference of two means over what chance allows once in a million seeds."""
    quantile = NormalDist().inv_cdf(1 - 1e-6 / 2 / one.mean.numel())
    bound = quantile * (one.standard_error**2 + other.standard_error**2).sqrt()
    assert bound.max() < 0.1 * one.mean.abs().max(), "too few replicates to see 10 %"
    return float(((one.mean - other.mean).abs() / bound).max())


def test_mean_of_st_gumbel_softmax_with_less_variance() -> None:
    """The ratio of variances is near 0.35; its Monte-Carlo error is below 0.02."""
    plain = gradient(STGumbelSoftmax(temperature=0.5), seed=1)
    averaged = gradient(GumbelRao(temperature=0.5, perturbations=5), seed=2)
    assert share_beyond_chance(plain, averaged) < 1
    variances = [float(found.standard_error.square().sum()) for found in (averaged, plain)]
    assert variances[0] < 0.5 * variances[1]


def test_the_mean_at_another_temperature_is_told_apart() -> None:
    plain = gradient(STGumbelSoftmax(temperature=0.5), seed=1)
    assert share_beyond_chance(plain, gradient(GumbelRao(temperature=0.7), seed=2)) > 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 0}, "`samples` must be at least 1, got 0"),
        ({"temperature": 0.0}, "`temperature` must be positive, got 0.0"),
        ({"perturbations": 0}, "`perturbations` must be at least 1, got 0"),
    ],
)
def test_what_lies_outside_the_theory_is_refused(
    options: dict[str, int | float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        GumbelRao(**options)  # type: ignore[arg-type]
