"""Against sums over all codes, and over all that a missing cell may be, written out by hand."""

import math
from itertools import product

import pytest
import torch
from torch import Tensor

from discretevae.evaluation import imputation
from discretevae.evaluation.imputation import anomaly_scores, impute
from discretevae.likelihoods.columns import ColumnsLikelihood
from discretevae.models import (
    VAE,
    DiscreteVAE,
    GaussianVAE,
    HierarchicalVAE,
    JointVAE,
    SemiSupervisedVAE,
)
from discretevae.networks.columns import ColumnsNetwork
from discretevae.priors import CategoricalPrior
from discretevae.schema.columns import BinaryColumn, CategoricalColumn, Column, NumericColumn

GRAPE = CategoricalColumn("grape", ("A", "B", "C"))
STRONG, DARK = BinaryColumn("strong", ("no", "yes")), BinaryColumn("dark", ("no", "yes"))
ASH, HUE = NumericColumn("ash", 2.5, 0.5), NumericColumn("hue", -1.0, 4.0)
MIXED: tuple[Column, ...] = (ASH, STRONG, GRAPE, DARK, HUE)
NUMERIC = [0, 4]
D, K = 2, 3
NAN = math.nan


def tiny(**options: object) -> DiscreteVAE:
    prior = CategoricalPrior(torch.linspace(-1, 1, D * K).view(D, K))
    options = {"prior": prior, **options}
    network, likelihood = ColumnsNetwork(MIXED, (6,), 0.5), ColumnsLikelihood(MIXED)
    model = DiscreteVAE((5,), D, K, network, likelihood, **options)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)  # far from uniform
    return model.double()


def rows(*batch: int, missing: float = 0.3) -> Tensor:
    cells = [
        column.mean + column.scale * torch.randn(batch, dtype=torch.float64)
        if isinstance(column, NumericColumn)
        else torch.randint(len(column.categories), batch).double()
        for column in MIXED
    ]
    x = torch.stack(cells, -1)
    return x.masked_fill(torch.rand(x.shape) < missing, NAN)


def by_hand(model: DiscreteVAE, x: Tensor) -> tuple[Tensor, list, Tensor]:
    """Of one row: p(z | x) of every code, p(x | z) of every code, log p(x)."""
    log_joint, distributions = [], []
    for code in product(range(K), repeat=D):
        z = torch.eye(K, dtype=torch.float64)[list(code)].flatten()
        p = model.likelihood(model.decoder(z))
        log_prior = sum(model.prior.logits.log_softmax(-1)[d, k] for d, k in enumerate(code))
        log_joint.append(p.log_prob(x) + log_prior)
        distributions.append(p)
    log_joint = torch.stack(log_joint)
    return log_joint.softmax(0), distributions, log_joint.logsumexp(0)


def imputed_by_hand(model: DiscreteVAE, x: Tensor) -> Tensor:
    """Of one row: the best guess of each missing cell under the exact mixture."""
    posterior, distributions, _ = by_hand(model, x)
    filled = x.clone()
    for place, column in enumerate(MIXED):
        if not x[place].isnan():
            continue
        if isinstance(column, NumericColumn):
            means = torch.stack([p.mean[place] for p in distributions])
            filled[place] = (posterior * means).sum()
        else:
            chances = []
            for k in range(len(column.categories)):
                one = torch.full_like(x, NAN)
                one[place] = k
                chances.append(
                    sum(
                        w * p.log_prob(one).exp()
                        for w, p in zip(posterior, distributions, strict=True)
                    )
                )
            filled[place] = torch.stack(chances).argmax()
    return filled


def score_by_hand(model: DiscreteVAE, x: Tensor) -> tuple[Tensor, Tensor]:
    """−log p(x) and −log p(x_f | the rest), from log p of rows with one cell less."""
    scales = torch.tensor(
        [c.scale if isinstance(c, NumericColumn) else 1.0 for c in MIXED]
    ).double()
    log_p, cells = by_hand(model, x)[2], []
    for place in range(5):
        rest = x.clone()
        rest[place] = NAN
        log_rest = by_hand(model, rest)[2]
        cells.append(log_rest - log_p - scales[place].log())
    missing = x.isnan()
    row = -log_p - scales[~missing].log().sum()
    return row, torch.stack(cells).masked_fill(missing, NAN)


@pytest.mark.parametrize(("codes", "size"), [(2**16, 2**10), (7, 3)])
def test_filled_cells_are_those_of_the_sum_over_all_codes(
    codes: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imputation, "PAIRS", codes)
    monkeypatch.setattr(imputation, "ROWS", size)
    model, x = tiny(), rows(8)
    x[3] = NAN
    with torch.no_grad():
        expected = torch.stack([imputed_by_hand(model, row) for row in x])
    torch.testing.assert_close(impute(model, x), expected)


def test_a_plain_average_over_the_posterior_of_the_encoder_is_caught() -> None:
    """Were the weights left out, numbers would be those of q(z|x), not of p(z|x)."""
    model, x = tiny(), rows(20, missing=0.5)
    with torch.no_grad():
        q = model.eval().logits(x).softmax(-1)
        codes = torch.tensor(list(product(range(K), repeat=D)))
        means = torch.stack([model.decode(code).mean for code in codes])
        weights = torch.stack([q[:, 0, a] * q[:, 1, b] for a, b in codes], -1)
    wrong, missing = weights @ means, x[:, 0].isnan()
    assert (impute(model, x)[missing, 0] - wrong[missing, 0]).abs().max() > 0.05 * ASH.scale


@pytest.mark.parametrize("batch", [(), (4,), (2, 4), (0,)])
@pytest.mark.parametrize("samples", [None, 3])
def test_observed_cells_come_back_bit_for_bit(batch: tuple[int, ...], samples: int | None) -> None:
    model, x = tiny().float(), rows(*batch).float()
    before = x.clone()
    filled = impute(model, x, samples)
    seen = ~x.isnan()
    assert filled.shape == x.shape
    assert torch.equal(filled[seen].view(torch.int32), before[seen].view(torch.int32))
    assert torch.equal(x.view(torch.int32), before.view(torch.int32))
    assert not filled.isnan().any()
    model.likelihood.check(filled)


def test_samples_come_to_the_same() -> None:
    """Deviations of 20,000 weighted samples, a tenth of a standard deviation at most."""
    model, x = tiny(), rows(6, missing=0.5)
    exact, sampled = impute(model, x), impute(model, x, 20_000)
    scale = torch.tensor([ASH.scale, HUE.scale])
    assert ((exact - sampled)[:, NUMERIC].abs() < 0.1 * scale).all()


def test_samples_follow_their_generator_and_not_the_mode() -> None:
    model, x = tiny().train(), rows(6, missing=0.5)
    state = torch.get_rng_state()
    first = impute(model, x, 5, torch.Generator().manual_seed(3))
    assert model.training
    again = impute(model.eval(), x, 5, torch.Generator().manual_seed(3))
    assert torch.equal(first, again)
    assert torch.equal(state, torch.get_rng_state())
    assert not model.training


@pytest.mark.parametrize(("codes", "size"), [(2**16, 2**10), (7, 3)])
def test_scores_are_those_of_the_sum_over_all_codes(
    codes: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imputation, "PAIRS", codes)
    monkeypatch.setattr(imputation, "ROWS", size)
    model, x = tiny(), rows(2, 4)
    scores = anomaly_scores(model, x)
    with torch.no_grad():
        expected = [score_by_hand(model, row) for row in x.view(-1, 5)]
    torch.testing.assert_close(scores.rows.view(-1), torch.stack([row for row, _ in expected]))
    cells = torch.stack([cells for _, cells in expected])
    torch.testing.assert_close(scores.cells.view(-1, 5), cells, equal_nan=True)


def test_the_score_of_complete_rows_is_their_log_likelihood_up_to_units() -> None:
    model, x = tiny(), rows(20, missing=0)
    constant = (anomaly_scores(model, x).rows + model.exact_log_likelihood(x)).detach()
    expected = -math.log(ASH.scale * HUE.scale)
    torch.testing.assert_close(constant, torch.full((20,), expected, dtype=torch.float64))


def test_sampled_scores_come_to_the_same() -> None:
    """Deviations of 20,000 weighted samples."""
    model, x = tiny(), rows(6)
    exact, sampled = anomaly_scores(model, x), anomaly_scores(model, x, 20_000)
    torch.testing.assert_close(exact.rows, sampled.rows, rtol=0, atol=0.2)
    torch.testing.assert_close(exact.cells, sampled.cells, rtol=0, atol=0.2, equal_nan=True)


def test_a_spoilt_cell_stands_out() -> None:
    model, x = tiny(), rows(20, missing=0)
    x[7, 4] += 40 * HUE.scale
    scores = anomaly_scores(model, x)
    assert scores.rows.argmax() == 7
    assert scores.cells.argmax() == 7 * 5 + 4


@pytest.mark.parametrize("samples", [None, 4])
def test_a_context_goes_with_its_row(samples: int | None) -> None:
    model, x = tiny(context_shape=(2,)), rows(3, 4, missing=0.5)
    context = torch.randn(3, 4, 2, dtype=torch.float64)
    together = impute(model, x, samples, torch.Generator().manual_seed(0), context)
    scores = anomaly_scores(model, x, samples, context=context)
    assert scores.rows.shape == (3, 4)
    if samples is None:
        alone = [impute(model, x[i], context=context[i]) for i in range(3)]
        torch.testing.assert_close(together, torch.stack(alone))
        one = anomaly_scores(model, x[1], context=context[1])
        torch.testing.assert_close(one.cells, scores.cells[1], equal_nan=True)


def test_many_codes_are_sampled() -> None:
    model = DiscreteVAE((5,), 40, 10, ColumnsNetwork(MIXED, (6,)), ColumnsLikelihood(MIXED))
    assert not impute(model, rows(3).float()).isnan().any()
    assert anomaly_scores(model, rows(3).float()).rows.isfinite().all()


@pytest.mark.parametrize("call", [impute, anomaly_scores])
def test_what_does_not_fit_is_refused(call: object) -> None:
    with pytest.raises(ValueError, match=r"`model` must be .* with the bernoulli likelihood"):
        call(DiscreteVAE((5,), 2, 3), rows(2).float())
    with pytest.raises(ValueError, match="`samples` must be at least 1, got 0"):
        call(tiny(), rows(2), 0)
    with pytest.raises(ValueError, match="column 'grape', got 7"):
        call(
            tiny(),
            torch.full((2, 5), 7.0, dtype=torch.float64).index_fill(1, torch.tensor([1, 3]), 0),
        )


def of_a_table(kind: type[VAE], **options: object) -> VAE:
    torch.manual_seed(5)
    network, likelihood = ColumnsNetwork(MIXED, (6,), 0.5), ColumnsLikelihood(MIXED)
    model = kind((5,), network=network, likelihood=likelihood, **options)
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.mul_(0.3)  # near the prior, so that few weights are large
    return model.double().eval()


def joint_of_codes(model: VAE, x: Tensor) -> tuple[list, Tensor]:
    """Of one row: p(x | code) of every code, and log p(x, code), each z decoded by hand.

    The Gaussian vectors, of one number, are summed over on a grid: p(u) du.
    """
    grid = torch.linspace(-6, 6, 241, dtype=torch.float64)
    log_u = -0.5 * grid.square() - 0.5 * math.log(2 * math.pi) + math.log(12 / 240)
    if isinstance(model, GaussianVAE):
        codes, log_p = grid[:, None], log_u
    elif isinstance(model, JointVAE):
        pairs = [(k, u) for k in range(K) for u in range(len(grid))]
        codes = torch.stack([torch.stack([torch.tensor(float(k)), grid[u]]) for k, u in pairs])
        log_p = torch.stack([log_u[u] - math.log(K) for _, u in pairs])
    elif isinstance(model, HierarchicalVAE):
        codes = torch.tensor(list(product(range(K), repeat=2)))
        above = model.to_layers(codes)[1]
        log_below = model.prior_logits(0, {1: above}).log_softmax(-1)[:, 0]
        log_p = log_below.gather(-1, codes[:, :1])[:, 0] - math.log(K)
    else:
        codes = torch.tensor(list(product(range(4), range(K))))
        log_p = torch.full((len(codes),), -math.log(4 * K), dtype=torch.float64)
    distributions = [model.decode(code) for code in codes]
    return distributions, torch.stack([p.log_prob(x) for p in distributions]) + log_p


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (GaussianVAE, {"num_latents": 1}),
        (JointVAE, {"num_latents": 1, "num_categories": K, "num_continuous": 1}),
        (HierarchicalVAE, {"num_latents": (1, 1), "num_categories": (K, K)}),
        (SemiSupervisedVAE, {"num_classes": 4, "num_latents": 1, "num_categories": K}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_every_kind_of_model_fills_and_scores(kind: type[VAE], options: dict[str, object]) -> None:
    """Against sums over all codes; 20,000 weights leave 0.002 nats or so, ten times that passes."""
    model = of_a_table(kind, **options)
    x = rows(4, missing=0.4)
    x[:, 0] = NAN
    with torch.no_grad():
        filled = impute(model, x, 20_000, torch.Generator().manual_seed(0))
        scores = anomaly_scores(model, x, 20_000, torch.Generator().manual_seed(0))
        for row, guess, score in zip(x, filled, scores.rows, strict=True):
            distributions, log_joint = joint_of_codes(model, row)
            means = torch.stack([p.mean[0] for p in distributions])
            expected = (log_joint.softmax(0) * means).sum()
            assert abs(guess[0] - expected) < 0.1 * ASH.scale
            scale = HUE.scale if not row[4].isnan() else 1.0
            assert abs(score + log_joint.logsumexp(0) + math.log(scale)) < 0.02
    assert not impute(model, rows(3), 7).isnan().any()
