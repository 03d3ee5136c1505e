"""What the numbers of a column teach of how they spread."""

import numpy as np
import pytest
from scipy import stats

from discretevae.data.quantiles import LEAST, numeric_column
from discretevae.schema.columns import NumericColumn, QuantileColumn


def learned(values: np.ndarray) -> QuantileColumn:
    different, counts = np.unique(values, return_counts=True)
    column = numeric_column("a", different, counts)
    assert isinstance(column, QuantileColumn)
    return column


def rows_in(column: QuantileColumn, values: np.ndarray) -> np.ndarray:
    found = np.searchsorted(column.edges, values)
    return np.bincount(found, minlength=len(column.shares))


def test_bins_hold_about_as_many_rows_each_and_the_ends_thin_out() -> None:
    values = np.random.default_rng(0).normal(size=6_400)
    column = learned(values)
    rows = rows_in(column, values)
    assert (rows[10:-10] >= 100).all()
    assert (rows[10:-10] <= 101).all()
    below = np.cumsum(column.shares)[:-1]
    truth = stats.norm.cdf(column.edges)
    assert np.abs(below - truth).max() < 0.03  # of a mean of 6,400: 0.02 once in 400 times
    assert column.digits is None


def test_numbers_that_repeat_are_atoms() -> None:
    column = learned(np.repeat([0.0, 1.0, 2.0, 5.0], [60, 40, 20, 10]))
    assert column.atoms == (False, True, True, True, True, False)
    assert column.centres[1:-1] == (0.0, 1.0, 2.0, 5.0)
    assert column.edges == (-0.5, 0.5, 1.5, 3.5, 6.5)
    assert column.digits == 0


@pytest.mark.parametrize("seed", range(20))
def test_no_bin_is_of_a_few_rows(seed: int) -> None:
    """But for open ends beyond atoms, which hold none, and the parts of the others."""
    draws = np.random.default_rng(seed)
    values = np.append(draws.geometric(0.3, 60), np.round(draws.lognormal(size=40), 1))
    column = learned(values.astype(float))
    rows = rows_in(column, values)
    if column.atoms[1]:
        rows = rows[1:]
    if column.atoms[-2]:
        rows = rows[:-1]
    inner = rows[10:-10]
    assert ((inner >= LEAST) | (inner == 0)).all()


def test_a_table_is_the_same_upside_down() -> None:
    values = np.random.default_rng(1).lognormal(size=300)
    column, mirror = learned(values), learned(-values)
    np.testing.assert_allclose(column.edges, -np.array(mirror.edges)[::-1], rtol=1e-6)
    np.testing.assert_allclose(column.shares, mirror.shares[::-1])


@pytest.mark.parametrize(
    ("values", "digits"), [([1.0, 2.5], 1), ([1.25, 3.5], 2), ([1e6, 2e6], 0), ([np.pi, 1], None)]
)
def test_how_fine_numbers_are(values: list[float], digits: int | None) -> None:
    assert learned(np.repeat(values, 20)).digits == digits


@pytest.mark.parametrize(
    ("values", "counts"),
    [([1.0, 2.0], [3, 4]), ([1.0], [100]), ([1e7, 1e7 + 1, 1e7 + 2], [30, 30, 30])],
)
def test_too_few_or_too_close_numbers_have_mean_and_scale_alone(
    values: list[float], counts: list[int]
) -> None:
    column = numeric_column("a", np.array(values), np.array(counts))
    assert type(column) is NumericColumn or len(np.unique(np.float32(column.edges))) > 1
    assert column.mean == pytest.approx(np.average(values, weights=counts))


@pytest.mark.parametrize("seed", range(20))
def test_no_edge_beside_a_number_that_is_told_tells_one_of_a_few_rows(seed: int) -> None:
    """Half-way edges would: twice the edge less the number that is told is its neighbour."""
    draws = np.random.default_rng(seed)
    few = np.round(draws.lognormal(8, 1, 12 + seed), 2)
    values = np.concatenate([np.zeros(60), np.full(40, 1000.0), few])
    numbers, counts = np.unique(np.append(values, 0.37), return_counts=True)
    column = numeric_column("a", numbers, counts)
    assert isinstance(column, QuantileColumn)
    rare = numbers[counts < LEAST]
    edges, centres = np.array(column.edges), np.array(column.centres)
    told = centres[[*column.atoms]]
    assert 0.0 in told
    guesses = np.concatenate([(2 * edges[:, None] - told).ravel(), edges, centres])
    assert np.abs(guesses[:, None] - rare).min() > 1e-3


def test_one_row_beside_a_number_that_all_others_have_is_not_told() -> None:
    column = learned(np.append(np.zeros(30), 737.25))
    told = np.concatenate([column.edges, column.centres])
    guesses = np.concatenate([told, 2 * told])
    assert np.abs(guesses - 737.25).min() > 1
    # From mean, scale and how many rows there are it could be solved for.
    n = 31
    solved = [column.mean + column.scale * (n - 1) ** 0.5, column.mean + n * column.mean]
    solved += [column.scale * n / (n - 1) ** 0.5]
    assert np.abs(np.array(solved) - 737.25).min() > 1


def test_few_rows_do_not_tell_the_odd_one_by_mean_and_scale() -> None:
    column = numeric_column("a", np.array([5.0, 731.0]), np.array([10, 1]))
    assert column.mean == 5.0
    assert column.scale == 256.0  # of 208.7
    plain = numeric_column("a", np.array([5.0, 731.0, 900.0]), np.array([10, 3, 3]))
    assert plain.mean == pytest.approx((50 + 3 * 1631) / 16)
