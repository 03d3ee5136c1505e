"""Standard errors against the jackknife, which knows no formula."""

import pytest
import torch
from torch import Tensor

from discretevae.evaluation.figure import mean_figure, ratio_figure


def jackknife(totals: Tensor, counts: Tensor) -> float:
    n = len(totals)
    without = (totals.sum() - totals) / (counts.sum() - counts)
    return float(((n - 1) / n * (without - without.mean()).square().sum()).sqrt())


def test_a_ratio_is_of_totals_and_not_a_mean_of_ratios() -> None:
    figure = ratio_figure(torch.tensor([2.0, 4.0]), torch.tensor([1, 3]), "bits")
    assert (figure.value, figure.se) == (1.5, 0.25)  # by hand: residuals ± 1/2, mean count 2


def test_counts_that_are_all_alike_give_the_mean() -> None:
    values, counts = torch.randn(50).double(), torch.full((50,), 4)
    ratio, mean = ratio_figure(values, counts, "bits"), mean_figure(values / 4, "bits")
    assert ratio.value == pytest.approx(mean.value)
    assert ratio.se == pytest.approx(mean.se)


def test_the_standard_error_is_that_of_the_jackknife() -> None:
    """The two differ by terms of order 1/N: 1 % of 2,000 examples is far above."""
    counts = torch.randint(1, 20, (2000,))
    totals = 3 * counts + 5 * torch.randn(2000) * counts.sqrt()
    figure = ratio_figure(totals, counts, "bits")
    assert figure.se == pytest.approx(jackknife(totals.double(), counts.double()), rel=0.01)


def test_one_example_has_no_standard_error() -> None:
    assert ratio_figure(torch.ones(1), torch.ones(1), "bits").se is None
