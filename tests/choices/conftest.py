"""What the tests of choices share: a mean compared with its exact value."""

from collections.abc import Callable
from statistics import NormalDist

import pytest
import torch
from torch import Tensor

FALSE_ALARM = 1e-6
"""Chance that one comparison of a right method fails, over all its coordinates together."""


def check_mean(drawn: Tensor, exact: Tensor) -> None:
    """Passes where the mean of n independent rows is the exact value but for chance.

    Raises:
        AssertionError: "biased" where it is not; "too few" where a bias of 10 % of the largest
            coordinate could not be seen.
    """
    drawn, exact = drawn.detach().flatten(1), exact.detach().flatten()
    quantile = NormalDist().inv_cdf(1 - FALSE_ALARM / 2 / exact.numel())
    bound = quantile * drawn.std(0) / len(drawn) ** 0.5
    assert bound.max() < 0.1 * exact.abs().max(), "too few draws to see a bias of 10 %"
    error = (drawn.mean(0) - exact).abs()
    assert (error <= bound + 1e-9).all(), f"biased by {float(error.max()):.3g}, beyond chance"


@pytest.fixture(scope="session")
def mean_is() -> Callable[[Tensor, Tensor], None]:
    assert torch.get_default_dtype() == torch.float32
    return check_mean
