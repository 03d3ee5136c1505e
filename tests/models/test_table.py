"""Models of tables with missing cells, whose every code, and every row, is summed over by hand."""

from itertools import product
from pathlib import Path
from statistics import NormalDist

import pytest
import torch
from torch import Tensor

from discretevae.data import Examples, Splits
from discretevae.likelihoods.columns import ColumnsLikelihood
from discretevae.models import DiscreteVAE, GaussianVAE
from discretevae.models.pretrained import from_pretrained
from discretevae.networks.columns import ColumnsNetwork
from discretevae.schema.columns import BinaryColumn, CategoricalColumn, Column, NumericColumn
from discretevae.training import TrainingOptions, train

GRAPE = CategoricalColumn("grape", ("A", "B", "C"))
STRONG, DARK = BinaryColumn("strong", ("no", "yes")), BinaryColumn("dark", ("no", "yes"))
ASH, HUE = NumericColumn("ash", 2.5, 0.5), NumericColumn("hue", -1.0, 4.0)
DISCRETE: tuple[Column, ...] = (STRONG, GRAPE, DARK)
MIXED: tuple[Column, ...] = (ASH, *DISCRETE, HUE)
D, K = 2, 3
NAN = torch.nan


def tiny(
    columns: tuple[Column, ...] = MIXED, hidden: float = 0.0, **options: object
) -> DiscreteVAE:
    network = ColumnsNetwork(columns, (6,), hidden)
    options = {"estimator": "exact", **options}
    model = DiscreteVAE((len(columns),), D, K, network, ColumnsLikelihood(columns), **options)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)  # far from uniform
    return model.double()


def table(columns: tuple[Column, ...], rows: int, missing: float = 0.3) -> Tensor:
    """Rows of two kinds, so that there is something to learn."""
    kind = torch.arange(rows) % 2
    cells = [
        column.mean + column.scale * (2 * kind - 1 + 0.3 * torch.randn(rows))
        if isinstance(column, NumericColumn)
        else kind * (len(column.categories) - 1.0)
        for column in columns
    ]
    x = torch.stack(cells, -1).double()
    return x.masked_fill(torch.rand(x.shape) < missing, NAN)


def log_joint_by_hand(model: DiscreteVAE, x: Tensor) -> Tensor:
    """log p(x, z) of every code, one code at a time, (K^D, B)."""
    rows = []
    for code in product(range(K), repeat=D):
        z = torch.eye(K, dtype=torch.float64)[list(code)].flatten()
        cells = model.likelihood(model.decoder(z)).log_prob_of_columns(x)
        log_p_x = torch.stack(
            [row[~given.isnan()].sum() for row, given in zip(cells, x, strict=True)]
        )
        rows.append(log_p_x - D * torch.tensor(K).log())
    return torch.stack(rows)


@pytest.mark.parametrize("columns", [MIXED, DISCRETE])
def test_exact_log_likelihood_is_the_sum_over_all_codes(columns: tuple[Column, ...]) -> None:
    model, x = tiny(columns), table(columns, 20)
    expected = log_joint_by_hand(model, x).logsumexp(0)
    torch.testing.assert_close(model.exact_log_likelihood(x), expected)


def test_the_likelihood_of_all_rows_sums_to_one() -> None:
    every = torch.tensor(list(product(range(2), range(3), range(2))), dtype=torch.float64)
    total = tiny(DISCRETE).exact_log_likelihood(every).exp().sum()
    torch.testing.assert_close(total, torch.ones((), dtype=torch.float64))


@pytest.mark.parametrize("place", range(len(DISCRETE)))
def test_a_missing_cell_is_the_sum_over_it(place: int) -> None:
    model, x = tiny(DISCRETE), table(DISCRETE, 8)
    x[:, place] = NAN
    parts = []
    for k in range(len(DISCRETE[place].categories)):
        filled = x.clone()
        filled[:, place] = k
        parts.append(model.exact_log_likelihood(filled))
    torch.testing.assert_close(model.exact_log_likelihood(x), torch.stack(parts).logsumexp(0))


def test_a_row_without_cells_is_certain() -> None:
    nothing = torch.full((2, len(MIXED)), NAN, dtype=torch.float64)
    torch.testing.assert_close(
        tiny().exact_log_likelihood(nothing), torch.zeros(2, dtype=torch.float64)
    )


@pytest.mark.parametrize("hidden", [0.0, 0.5])
def test_the_objective_is_below_the_log_likelihood_also_where_cells_are_hidden(
    hidden: float,
) -> None:
    model, x = tiny(hidden=hidden).train(), table(MIXED, 20)
    assert (model.objective(x) <= log_joint_by_hand(model, x).logsumexp(0) + 1e-9).all()


def test_the_bounds_are_in_order() -> None:
    """ELBO < IWAE(20) < log p(x), each further than chance takes it (10^-6)."""
    model, x = tiny(), table(MIXED, 2, missing=0.4)
    quantile = NormalDist().inv_cdf(1 - 1e-6 / 8)
    with torch.no_grad():
        log_p, exact_elbo = log_joint_by_hand(model, x).logsumexp(0), model.objective(x)
        many = x.expand(5_000, *x.shape)
        for values in (model.elbo(many), model.log_likelihood(many[:1000], 20)):
            bound = quantile * values.std(0) / len(values) ** 0.5
            assert (values.mean(0) <= log_p + bound).all()
            assert (values.mean(0) >= exact_elbo - bound).all()
        assert (values.mean(0) - bound > exact_elbo).all()


@pytest.mark.parametrize("estimator", ["exact", "rloo", "reinmax", "gumbel-softmax", "vimco"])
def test_gradients_are_finite(estimator: str) -> None:
    model, x = tiny(estimator=estimator, hidden=0.2).train(), table(MIXED, 20, missing=0.5)
    x[0] = NAN
    model.objective(x).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_missing_cells_do_not_tell_the_decoder_anything() -> None:
    """Rows that differ only in what is missing from both have the same gradient."""
    model, x = tiny(DISCRETE), table(DISCRETE, 6, missing=0)
    x[:, 1] = NAN
    part = tiny((STRONG, DARK))  # the same model without the column
    with torch.no_grad():
        part.decoder[0].load_state_dict(model.decoder[0].state_dict())
        part.decoder[-2].weight.copy_(model.decoder[-2].weight[:2])  # bits first, then categories
        part.decoder[-2].bias.copy_(model.decoder[-2].bias[:2])
    full, without = model.exact_log_likelihood(x), part.exact_log_likelihood(x[:, [0, 2]])
    torch.testing.assert_close(full, without)
    gradients = [
        torch.autograd.grad(value.sum(), m.decoder[0].weight)[0]
        for value, m in ((full, model), (without, part))
    ]
    torch.testing.assert_close(*gradients)


def test_a_model_of_tables_is_saved_and_loaded(tmp_path: Path) -> None:
    model, x = tiny(hidden=0.3).float().eval(), table(MIXED, 20).float()
    model.save_pretrained(tmp_path)
    again = from_pretrained(tmp_path)
    assert again.network == model.network
    assert again.dtype == torch.float32
    with torch.no_grad():
        assert torch.equal(model.log_likelihood(x), again.log_likelihood(x))


def test_rows_are_encoded_reconstructed_and_sampled() -> None:
    model, x = tiny(), table(MIXED, 20)
    assert model.encode(x).shape == (20, D)
    for rows in (model.reconstruct(x), model.sample(7)):
        assert rows.shape[1:] == (len(MIXED),)
        model.likelihood.check(rows)
        assert not rows.isnan().any()


def splits(columns: tuple[Column, ...]) -> Splits:
    parts = (Examples(table(columns, rows).float()) for rows in (60, 20, 20))
    return Splits("table", *parts)


@pytest.mark.parametrize("kind", [DiscreteVAE, GaussianVAE])
def test_tables_with_holes_train_as_any_data(kind: type[DiscreteVAE] | type[GaussianVAE]) -> None:
    data, network = splits(MIXED), ColumnsNetwork(MIXED, (16,), 0.2)
    model = kind((len(MIXED),), 2, network=network, likelihood=ColumnsLikelihood(MIXED))
    options = TrainingOptions(
        epochs=15,
        batch_size=10,
        optimizer="adam",
        learning_rate=2e-2,
        progress_bar=False,
        accelerator="cpu",
    )
    history = train(model, data, options)
    assert history[-1]["validation_elbo"] > history[0]["validation_elbo"] + 0.3


def test_a_table_may_have_a_condition() -> None:
    model, x = tiny(context_shape=(2,)), table(MIXED, 20)
    context = torch.eye(2, dtype=torch.float64)[torch.arange(20) % 2]
    model.objective(x, context=context).sum().backward()
    assert model.log_likelihood(x, context=context).shape == (20,)


def test_a_network_and_a_likelihood_of_different_tables_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`shape` must be \(5,\) for as many columns, got \(3,\)"):
        DiscreteVAE((3,), D, K, ColumnsNetwork(DISCRETE), ColumnsLikelihood(MIXED))
