"""Against integrals by SciPy over each number, and over two that are correlated."""

import itertools
import math
from statistics import NormalDist

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.integrate import quad
from torch import Tensor

from discretevae.data.quantiles import numeric_column
from discretevae.likelihoods import likelihood_from_config
from discretevae.likelihoods.columns import ColumnsDistribution, ColumnsLikelihood
from discretevae.schema.columns import BinaryColumn, Column, NumericColumn, QuantileColumn

NAN = math.nan
DRAWS = np.random.default_rng(0)
SKEWED = numeric_column("skewed", DRAWS.lognormal(size=200), np.ones(200, np.int64))
COUNTED = numeric_column("counted", np.arange(5.0), np.array([50, 30, 12, 6, 2]))
INFLATED = numeric_column(
    "inflated", np.append(0.0, DRAWS.gamma(2.0, size=60)), np.append(80, np.ones(60, np.int64))
)
PLAIN = NumericColumn("plain", 2.0, 0.5)
WITH_QUANTILES = [SKEWED, COUNTED, INFLATED]


def make(*columns: Column) -> ColumnsLikelihood:
    return ColumnsLikelihood(columns).double()


def given(likelihood: ColumnsLikelihood, *batch: int) -> ColumnsDistribution:
    size = likelihood.output_shape((len(likelihood.columns),))
    return likelihood(0.5 * torch.randn(*batch, *size, dtype=torch.float64))


def row(*cells: float) -> Tensor:
    return torch.tensor(cells, dtype=torch.float64)


def integral(column: NumericColumn, f: object) -> float:
    """Over the line, bin by bin."""
    edges = list(column.edges) if isinstance(column, QuantileColumn) else [column.mean]
    ends = [-math.inf, *edges, math.inf]
    return sum(quad(f, low, high, epsabs=0)[0] for low, high in itertools.pairwise(ends))


@pytest.mark.parametrize("column", WITH_QUANTILES)
def test_a_density_between_quantiles_integrates_to_one(column: QuantileColumn) -> None:
    p = given(make(column))
    assert integral(column, lambda x: p.log_prob(row(x)).exp().item()) == pytest.approx(1)


@pytest.mark.parametrize("column", WITH_QUANTILES)
def test_the_odds_below_an_edge_are_proportional(column: QuantileColumn) -> None:
    """F(e) = σ((u_e − m) / s), McCullagh's model, by integration up to every edge."""
    likelihood = make(column)
    p = given(likelihood)
    m, s = p.location.item(), p.log_scale.exp().item()
    ends = [-math.inf, *column.edges]
    parts = [
        quad(lambda x: p.log_prob(row(x)).exp().item(), *pair)[0]
        for pair in itertools.pairwise(ends)
    ]
    scores = likelihood.cells.quantiles.scores[0, : len(column.edges)].numpy()
    expected = 1 / (1 + np.exp(-(scores - m) / s))
    np.testing.assert_allclose(np.cumsum(parts), expected, atol=1e-6)


@pytest.mark.parametrize("column", [*WITH_QUANTILES, PLAIN])
def test_normal_scores_are_those_of_the_integral(column: NumericColumn) -> None:
    p = given(make(column))
    for x in (column.mean - column.scale, column.mean, column.mean + 3 * column.scale):
        inside = [e for e in getattr(column, "edges", ()) if e < x]
        ends = [-math.inf, *inside, x]
        below = sum(
            quad(lambda t: p.log_prob(row(t)).exp().item(), *pair)[0]
            for pair in itertools.pairwise(ends)
        )
        expected = NormalDist().inv_cdf(below)
        assert p.numbers.normal(row(x)).item() == pytest.approx(expected, abs=1e-4)


def test_normal_scores_are_finite_however_far_a_number_lies() -> None:
    p = make(SKEWED)(torch.tensor([0.0, -4.0], dtype=torch.float64))
    for x in (-1e9, 1e9):
        assert p.numbers.normal(row(x)).isfinite().all()
        assert p.log_prob(row(x)).isfinite()


def correlated(*columns: Column, strength: float = 0.8) -> ColumnsLikelihood:
    likelihood = make(*columns)
    size = likelihood.cells.num_numeric
    likelihood.correlate(strength + (1 - strength) * torch.eye(size, dtype=torch.float64))
    return likelihood.double()


def test_correlated_gaussians_are_those_of_scipy() -> None:
    other = NumericColumn("other", -1.0, 4.0)
    likelihood = correlated(PLAIN, other, strength=0.6)
    p = given(likelihood, 3)
    x = torch.randn(3, 2, dtype=torch.float64)
    means = p.location * likelihood.cells.scale + likelihood.cells.mean
    scales = p.log_scale.exp() * likelihood.cells.scale
    for i in range(3):
        s = scales[i].numpy()
        covariance = np.array([[1, 0.6], [0.6, 1]]) * np.outer(s, s)
        expected = stats.multivariate_normal(means[i].numpy(), covariance).logpdf(x[i].numpy())
        assert p.log_prob(x)[i].item() == pytest.approx(expected)


def test_a_correlated_density_integrates_to_one() -> None:
    likelihood = correlated(COUNTED, PLAIN)
    nodes, weights = np.polynomial.legendre.leggauss(60)
    edges = np.array([-40.0, *COUNTED.edges, 80.0])
    half, middle = np.diff(edges) / 2, (edges[1:] + edges[:-1]) / 2
    x, w = (middle[:, None] + np.outer(half, nodes)).ravel(), np.outer(half, weights).ravel()
    y, v = 2 + 6 * nodes, 6 * weights
    grid = torch.tensor(np.stack(np.meshgrid(x, y, indexing="ij"), -1))
    h = torch.tensor([0.5, -0.5, 0.2, 0.0], dtype=torch.float64)
    total = w @ likelihood(h).log_prob(grid).exp().numpy() @ v
    assert total == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("columns", [(SKEWED, PLAIN, COUNTED), (PLAIN, COUNTED, SKEWED)])
def test_a_missing_number_is_the_integral_over_it(columns: tuple[NumericColumn, ...]) -> None:
    """And what the others say of it, when it is missing, is its mean and its density."""
    likelihood, place = correlated(*columns), 2
    p, column = given(likelihood), columns[place]
    others = [c.mean + 0.3 * c.scale for c in columns[:place]]

    def density(x: float) -> float:
        return p.log_prob(row(*others, x)).exp().item()

    gap = row(*others, NAN)
    total = integral(column, density)
    assert p.log_prob(gap).exp().item() == pytest.approx(total, rel=1e-5)
    x = column.mean - 0.2 * column.scale
    alone = p.log_prob_of_columns(row(*others, x))[place].exp().item()
    assert alone == pytest.approx(density(x) / total, rel=1e-5)
    mean = integral_of_centres(column, density) / total
    numbers, _ = p.moments_given(gap, torch.ones((), dtype=torch.bool))
    at = likelihood.cells.numeric.tolist().index(place)
    assert numbers[at].item() * column.scale + column.mean == pytest.approx(mean, rel=1e-4)


def integral_of_centres(column: NumericColumn, density: object) -> float:
    """The sum over bins of what stands for each, times how much lies in it."""
    if not isinstance(column, QuantileColumn):
        return integral(column, lambda x: x * density(x))
    ends = [-math.inf, *column.edges, math.inf]
    return sum(
        centre * quad(density, low, high, epsabs=0)[0]
        for centre, low, high in zip(column.centres, ends[:-1], ends[1:], strict=True)
    )


def test_the_cells_of_a_complete_row_are_independent_without_a_correlation() -> None:
    likelihood = make(SKEWED, PLAIN, BinaryColumn("b", ("no", "yes")))
    x, p = row(1.0, 2.0, 1.0), given(likelihood)
    torch.testing.assert_close(p.log_prob_of_columns(x).sum(-1), p.log_prob(x))


@pytest.mark.parametrize("batch", [(), (4,), (2, 4)])
@pytest.mark.parametrize("matrix", [False, True])
def test_pairs_are_every_code_with_every_row(matrix: bool, batch: tuple[int, ...]) -> None:
    columns = SKEWED, BinaryColumn("b", ("no", "yes")), COUNTED, PLAIN
    likelihood = correlated(*columns) if matrix else make(*columns)
    h = torch.randn(5, *likelihood.output_shape((4,)), dtype=torch.float64, requires_grad=True)
    x = torch.rand(*batch, 4, dtype=torch.float64).mul(3)
    x[..., 1] = x[..., 1].round().clamp(0, 1)
    x = x.masked_fill(torch.rand(x.shape) < 0.3, NAN)
    pairs = likelihood.log_prob_pairs(h, x)
    one_by_one = likelihood(h.view(5, *[1] * len(batch), -1)).log_prob(x)
    torch.testing.assert_close(pairs, one_by_one)
    rows = x.expand(5, *x.shape)
    torch.testing.assert_close(likelihood(h.view(5, *[1] * len(batch), -1)).log_prob(rows), pairs)
    found = [torch.autograd.grad(v.sum(), h)[0] for v in (pairs, one_by_one)]
    torch.testing.assert_close(*found)
    assert found[0].isfinite().all()


def test_draws_are_as_the_probabilities_and_as_fine_as_the_data() -> None:
    """It fails by chance once in 10^6 runs; it would see a mean off by 0.05 scales."""
    likelihood = correlated(COUNTED, INFLATED, PLAIN)
    p = likelihood(torch.zeros(6, dtype=torch.float64))
    x = p.sample((20_000,))
    assert torch.equal(x[:, 0], x[:, 0].round())
    assert 0.5 < (x[:, 1] == 0).double().mean() < 0.65
    numbers = likelihood.cells.numbers(x)
    bound = NormalDist().inv_cdf(1 - 1e-6 / 6) * numbers.std(0) / len(x) ** 0.5
    assert (bound < 0.05).all()
    assert ((numbers.mean(0) - p.moments[0]).abs() <= bound).all()
    scores = p.numbers.normal(x)[:, [1, 2]]
    assert torch.corrcoef(scores.T)[0, 1] > 0.6


def test_the_configuration_rebuilds_it() -> None:
    likelihood = correlated(SKEWED, COUNTED)
    again = likelihood_from_config(likelihood.config(), 1)
    again.load_state_dict(likelihood.state_dict())
    x, h = row(1.0, 2.0), torch.zeros(4, dtype=torch.float64)
    torch.testing.assert_close(again.double()(h).log_prob(x), likelihood(h).log_prob(x))
    assert "correlated" not in make(SKEWED).config()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edges": (0.0, 0.0)}, "`edges` of column 'a' must be finite and increase"),
        ({"edges": (0.0,)}, "must be one fewer than the bins, got 1"),
        ({"shares": (0.5, 0.25, 0.5)}, "`shares` of column 'a' must be positive and sum to 1"),
        ({"atoms": (True, False, False)}, "`atoms` of column 'a' must leave both ends open"),
        ({"centres": (-1.0, 2.0, 3.0)}, "`centres` of column 'a' must lie inside of their bins"),
    ],
)
def test_quantiles_that_do_not_fit_are_refused(changes: dict, message: str) -> None:
    right = {
        "edges": (0.0, 1.0),
        "shares": (0.25, 0.5, 0.25),
        "centres": (-1.0, 0.5, 3.0),
        "atoms": (False, True, False),
    }
    QuantileColumn("a", 0.0, 1.0, **right)
    with pytest.raises(ValueError, match=message):
        QuantileColumn("a", 0.0, 1.0, **{**right, **changes})
