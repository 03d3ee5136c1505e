"""Against SciPy, cell by cell; sums and integrals over all that a cell may be."""

import json
import math
from itertools import product
from statistics import NormalDist

import pytest
import torch
from scipy import stats
from scipy.integrate import quad
from torch import Tensor

from discretevae.likelihoods import likelihood_from_config
from discretevae.likelihoods.columns import ColumnsLikelihood
from discretevae.schema.columns import BinaryColumn, CategoricalColumn, Column, NumericColumn

GRAPE = CategoricalColumn("grape", ("A", "B", "C"))
ASH, HUE = NumericColumn("ash", 2.5, 0.5), NumericColumn("hue", -1.0, 4.0)
STRONG, DARK = BinaryColumn("strong", ("no", "yes")), BinaryColumn("dark", ("no", "yes"))
CASK = CategoricalColumn("cask", ("oak", "none"))

MIXED: tuple[Column, ...] = (GRAPE, ASH, STRONG, HUE, CASK, DARK)
DISCRETE: tuple[Column, ...] = (GRAPE, STRONG, CASK)
TABLES = [MIXED, DISCRETE, (ASH, HUE), (DARK, STRONG), (GRAPE,)]
BATCHES = [(), (4,), (2, 4)]
LEAST = 0.05
NAN = math.nan


def make(columns: tuple[Column, ...] = MIXED, least_scale: float = LEAST) -> ColumnsLikelihood:
    return ColumnsLikelihood(columns, least_scale).double()


def outputs(likelihood: ColumnsLikelihood, *batch: int) -> Tensor:
    size = likelihood.output_shape((len(likelihood.columns),))
    return torch.randn(*batch, *size, dtype=torch.float64)


def rows(columns: tuple[Column, ...], *batch: int, missing: float = 0.3) -> Tensor:
    cells = [
        column.mean + column.scale * torch.randn(batch, dtype=torch.float64)
        if isinstance(column, NumericColumn)
        else torch.randint(len(column.categories), batch).double()
        for column in columns
    ]
    x = torch.stack(cells, -1)
    return x.masked_fill(torch.rand(x.shape) < missing, NAN)


def by_scipy(columns: tuple[Column, ...], h: Tensor, x: Tensor) -> Tensor:
    """log p of each cell of one row, 0 where it is missing."""
    numeric = [c for c in columns if isinstance(c, NumericColumn)]
    binary = [c for c in columns if isinstance(c, BinaryColumn)]
    others = [c for c in columns if isinstance(c, CategoricalColumn)]
    h, found, n = h.tolist(), {}, len(numeric)
    for i, c in enumerate(numeric):
        scale = c.scale * (LEAST + math.exp(h[n + i]))
        found[c.name] = stats.norm(c.mean + c.scale * h[i], scale).logpdf
    h = h[2 * n :]
    for i, c in enumerate(binary):
        found[c.name] = stats.bernoulli(1 / (1 + math.exp(-h[i]))).logpmf
    h = h[len(binary) :]
    for c in others:
        logits, h = h[: len(c.categories)], h[len(c.categories) :]
        p = torch.tensor(logits, dtype=torch.float64).softmax(0).numpy()
        found[c.name] = stats.rv_discrete(values=(range(len(p)), p)).logpmf
    cells = [
        0.0 if math.isnan(value) else float(found[c.name](value))
        for c, value in zip(columns, x.tolist(), strict=True)
    ]
    return torch.tensor(cells, dtype=torch.float64)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("columns", TABLES)
def test_log_probs_are_those_of_scipy(columns: tuple[Column, ...], batch: tuple[int, ...]) -> None:
    likelihood, x = make(columns), rows(columns, *batch)
    h = outputs(likelihood, 3, *batch)
    p, row = likelihood(h), h.shape[-1:]
    pairs = zip(h.view(-1, *row), x.expand(3, *x.shape).reshape(-1, len(columns)), strict=True)
    expected = torch.stack([by_scipy(columns, *pair) for pair in pairs])
    expected = expected.view(3, *batch, len(columns))
    torch.testing.assert_close(p.log_prob_of_columns(x), expected)
    torch.testing.assert_close(p.log_prob(x), expected.sum(-1))


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("columns", TABLES)
def test_pairs_are_every_code_with_every_row(
    columns: tuple[Column, ...], batch: tuple[int, ...]
) -> None:
    likelihood, x = make(columns), rows(columns, *batch)
    h = outputs(likelihood, 5).requires_grad_()
    pairs = likelihood.log_prob_pairs(h, x)
    one_by_one = likelihood(h.view(5, *[1] * len(batch), -1)).log_prob(x)
    assert pairs.shape == (5, *batch)
    torch.testing.assert_close(pairs, one_by_one)
    weights = torch.rand_like(pairs)
    gradient, truth = (
        torch.autograd.grad((weights * value).sum(), h)[0] for value in (pairs, one_by_one)
    )
    torch.testing.assert_close(gradient, truth)


def test_the_probabilities_of_all_rows_sum_to_one() -> None:
    likelihood = make(DISCRETE)
    every = torch.tensor(list(product(range(3), range(2), range(2))), dtype=torch.float64)
    total = likelihood(outputs(likelihood, 4, 1)).log_prob(every).exp().sum(-1)
    torch.testing.assert_close(total, torch.ones(4, dtype=torch.float64))


def test_the_density_of_a_number_integrates_to_one_in_natural_units() -> None:
    likelihood = make((HUE,))
    h = outputs(likelihood)

    def density(x: float) -> float:
        return likelihood(h).log_prob(torch.tensor([x], dtype=torch.float64)).exp().item()

    assert quad(density, -60, 60, points=[-1.0])[0] == pytest.approx(1)


@pytest.mark.parametrize("place", range(len(MIXED)))
def test_a_missing_cell_is_the_integral_over_it(place: int) -> None:
    likelihood, x = make(), rows(MIXED, missing=0)
    p, column = likelihood(outputs(likelihood)), MIXED[place]

    def density(value: float) -> float:
        x[place] = value
        return p.log_prob(x).exp().item()

    if isinstance(column, NumericColumn):
        mean, far = p.point[place].item(), 12 * column.scale * p.log_scale.exp().max().item()
        total = quad(density, mean - far, mean + far, points=[mean])[0]
    else:
        total = sum(density(k) for k in range(len(column.categories)))
    assert density(NAN) == pytest.approx(total)


def test_a_row_without_cells_has_probability_one() -> None:
    likelihood = make()
    nothing = torch.full((3, len(MIXED)), NAN, dtype=torch.float64)
    assert torch.equal(
        likelihood(outputs(likelihood, 3)).log_prob(nothing), torch.zeros(3).double()
    )


@pytest.mark.parametrize("place", range(len(MIXED)))
def test_no_gradient_comes_from_a_missing_cell(place: int) -> None:
    """Wherever a cell is missing, what the decoder says of it has a gradient of exactly 0."""
    likelihood, x = make(), rows(MIXED, missing=0)
    h = outputs(likelihood).requires_grad_()
    (full,) = torch.autograd.grad(likelihood(h).log_prob(x), h)
    x[place] = NAN
    (gradient,) = torch.autograd.grad(likelihood(h).log_prob(x), h)
    (in_pairs,) = torch.autograd.grad(likelihood.log_prob_pairs(h[None], x).sum(), h)
    silent = gradient != full
    widths = {GRAPE: 3, CASK: 2, ASH: 2, HUE: 2}
    assert silent.sum() == widths.get(MIXED[place], 1)
    for found in (gradient, in_pairs):
        assert (found[silent] == 0).all()
        torch.testing.assert_close(found[~silent], full[~silent])


def test_the_density_is_bounded() -> None:
    """However sure the decoder is, and with a gradient that stays finite."""
    likelihood = make((ASH,), least_scale=0.1)
    h = torch.tensor([0.0, -1e3], dtype=torch.float64, requires_grad=True)
    highest = likelihood(h).log_prob(torch.tensor([2.5], dtype=torch.float64))
    expected = -math.log(0.1 * 0.5 * math.sqrt(2 * math.pi))
    torch.testing.assert_close(highest, torch.tensor(expected, dtype=torch.float64))
    assert torch.autograd.grad(highest, h)[0].isfinite().all()


def test_pairs_keep_their_digits_at_the_least_scale() -> None:
    """Rows far from the mean, close to their code: an expanded square would lose them."""
    columns = tuple(NumericColumn(str(i), 0.0, 1.0) for i in range(20))
    likelihood = ColumnsLikelihood(columns, least_scale=1e-3)
    h = torch.cat([30 * torch.rand(4, 20), torch.full((4, 20), -20.0)], -1)
    x = h[:, :20] + 1e-3 * torch.randn(4, 20)
    exact = make(columns, 1e-3)(h.double()).log_prob(x.double()).float()
    torch.testing.assert_close(likelihood.log_prob_pairs(h, x).diagonal(), exact, rtol=1e-4, atol=0)


def test_draws_follow_the_probabilities() -> None:
    """It fails by chance once in 10^6 runs; it would see a probability or mean off by 0.03."""
    likelihood = make()
    p = likelihood(outputs(likelihood))
    x = p.sample((20_000,))
    likelihood.check(x)
    assert x.shape == (20_000, len(MIXED))
    values, numbers = likelihood.cells.one_hot(x), likelihood.cells.numbers(x)
    seen = torch.cat([values, numbers, (numbers - p.location).square()], -1)
    variance = (2 * p.log_scale).exp()
    truth = torch.cat([p.moments[1], p.location, variance])
    quantile = NormalDist().inv_cdf(1 - 1e-6 / 2 / len(truth))
    bound = quantile * seen.std(0) / len(x) ** 0.5
    assert (bound[: -len(variance)] < 0.03 * (1 + variance.max().sqrt())).all()
    assert ((seen.mean(0) - truth).abs() <= bound).all()


def test_what_stands_for_a_row() -> None:
    likelihood = make()
    h = torch.tensor([2.0, -1, 9, 9, 0.4, -3, 0, 1, 0.5, 1, 2], dtype=torch.float64)
    p = likelihood(h)  # ash, hue; strong, dark; grape, cask
    expected = torch.tensor([1, 3.5, 1, -5, 1, 0], dtype=torch.float64)
    torch.testing.assert_close(likelihood.point(p), expected)
    expected[2], expected[5] = torch.sigmoid(h[4]), torch.sigmoid(h[5])
    torch.testing.assert_close(p.mean, expected)
    assert p.sample().shape == p.sample(()).shape == (6,)
    assert p.batch_shape == ()
    assert p.event_shape == (6,)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (0, 3.0, "a category of 0 … 2, or NaN where it is missing, in column 'grape', got 3"),
        (0, -1.0, "column 'grape', got -1"),
        (0, 0.5, "column 'grape', got 0.5"),
        (0, math.inf, "column 'grape', got inf"),
        (2, 2.0, "a category of 0 … 1.* column 'strong', got 2"),
        (1, -math.inf, "finite, or NaN where it is missing, in column 'ash', got -inf"),
    ],
)
def test_cells_outside_the_support_are_refused(place: int, value: float, message: str) -> None:
    x = rows(MIXED, 5)
    make().check(x)
    x[3, place] = value
    with pytest.raises(ValueError, match=message):
        make().check(x)


def test_rows_of_another_table_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`x` must end in 6 columns, got shape \(2, 5\)"):
        make().check(torch.zeros(2, 5))
    with pytest.raises(ValueError, match=r"`shape` must be \(6,\) for as many columns, got \(5,\)"):
        make().output_shape((5,))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"least_scale": 0.0}, "`least_scale` must be a positive number, got 0"),
        ({"least_scale": NAN}, "`least_scale` must be a positive number, got nan"),
        ({"event_dims": 2}, "`event_dims` must be 1"),
        ({"columns": []}, "`columns` must be at least one"),
    ],
)
def test_what_makes_no_likelihood_is_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ColumnsLikelihood(**{"columns": MIXED, **options})


def test_the_configuration_rebuilds_it() -> None:
    config = json.loads(json.dumps(make(least_scale=0.2).config()))
    again = likelihood_from_config(config, 1)
    assert isinstance(again, ColumnsLikelihood)
    assert again.columns == MIXED
    assert again.least_scale == 0.2
    assert again.label == "columns"
