"""Against closed forms of a Gaussian, and exact bounds of small models."""

from dataclasses import replace

import pandas as pd
import pytest
import torch
from torch import Tensor

from discretevae.data import Splits, load
from discretevae.likelihoods import ColumnsLikelihood
from discretevae.likelihoods.correlation import Correlation
from discretevae.models import DiscreteVAE
from discretevae.networks import ColumnsNetwork
from discretevae.priors import AutoregressivePrior
from discretevae.training import TrainingOptions, train
from discretevae.training.correlation import correlate, fit_correlation
from discretevae.training.prior import improve_prior, validation_bound

MATRIX = torch.tensor([[1.0, 0.7, -0.4], [0.7, 1.0, 0.1], [-0.4, 0.1, 1.0]], dtype=torch.float64)
OPTIONS = TrainingOptions(epochs=3, batch_size=50, accelerator="cpu", progress_bar=False)


def scores(rows: int) -> Tensor:
    return torch.randn(rows, 3, dtype=torch.float64) @ torch.linalg.cholesky(MATRIX).T


def table(rows: int = 300, gaps: float = 0.1) -> Splits:
    """Three numbers that are correlated, and a category that goes with one of them."""
    x = scores(rows)
    frame = pd.DataFrame(x.numpy(), columns=list("abc"))
    frame = frame.mask(torch.rand(rows, 3).numpy() < gaps)
    frame["d"] = ["high" if value > 0 else "low" for value in x[:, 0].tolist()]
    return load(frame, likelihood="columns", test=0.1)


def model_of(data: Splits, **options: object) -> DiscreteVAE:
    assert data.likelihood is not None
    columns = data.likelihood["columns"]
    network, likelihood = ColumnsNetwork(columns, (16,)), ColumnsLikelihood(columns)
    return DiscreteVAE(data.shape, 2, 3, network, likelihood, **options)


@pytest.mark.parametrize("gaps", [0.0, 0.3])
def test_the_correlation_is_found_again(gaps: float) -> None:
    """To within 0.05, six standard errors of 20,000 rows of which half are there in pairs."""
    e = scores(20_000)
    observed = torch.rand(e.shape) >= gaps
    found = fit_correlation(e.masked_fill(~observed, 9.0), observed, prior=0.1)
    torch.testing.assert_close(found, MATRIX.float(), atol=0.05, rtol=0)
    assert torch.equal(found.diagonal(), torch.ones(3))


def test_it_is_definite_however_few_rows_there_are() -> None:
    e = torch.ones(2, 30, dtype=torch.float64)
    found = fit_correlation(e, torch.ones_like(e, dtype=torch.bool), prior=3.0)
    assert torch.linalg.eigvalsh(found).min() > 0


def test_what_is_missing_has_the_conditional_mean_and_variance() -> None:
    observed = torch.tensor([[True, False, True], [False, True, True], [False] * 3, [True] * 3])
    e = scores(4)
    found = Correlation(MATRIX, observed)
    mean, variance = found.given(e)
    for row, there in enumerate(observed):
        gone = ~there
        gain = MATRIX[gone][:, there] @ torch.linalg.inv(MATRIX[there][:, there])
        left = MATRIX[gone][:, gone] - gain @ MATRIX[there][:, gone]
        torch.testing.assert_close(mean[row, gone], gain @ e[row, there])
        torch.testing.assert_close(variance[row, gone], left.diagonal())
        one = Correlation(MATRIX, there[None]).missing_covariance()
        torch.testing.assert_close(one[gone][:, gone], left)
        torch.testing.assert_close(one.sum(), left.sum())


def test_training_leaves_numbers_correlated_and_codes_as_they_occur() -> None:
    data = table()
    model = model_of(data)
    history = train(model, data, OPTIONS)
    matrix = model.likelihood.correlation
    assert matrix is not None
    assert not torch.equal(matrix, torch.eye(3))
    assert validation_bound(model, data, 0) > history[-1]["validation_elbo"] - 0.5
    x = data.test.values()
    bound, exact = model.elbo(x, 500), model.exact_log_likelihood(x)
    assert (bound <= exact + 0.05).all()


def test_a_saved_model_is_the_same(tmp_path: object) -> None:
    data = table()
    model = model_of(data)
    correlate(model, data)
    improve_prior(model, data)
    model.save_pretrained(tmp_path)  # type: ignore[arg-type]
    again = DiscreteVAE.from_pretrained(tmp_path)  # type: ignore[arg-type]
    x = data.test.values()
    torch.testing.assert_close(again.exact_log_likelihood(x), model.exact_log_likelihood(x))


def test_neither_stays_where_the_bound_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    falling = iter(range(100, 0, -1))
    for module in ("correlation", "prior"):
        name = f"discretevae.training.{module}.validation_bound"
        monkeypatch.setattr(name, lambda *_: float(next(falling)))
    data = table()
    model = model_of(data)
    assert not correlate(model, data)
    assert not improve_prior(model, data)
    assert model.likelihood.correlation is None
    assert model.prior.kind == "uniform"


def test_an_uneven_prior_raises_the_exact_likelihood_of_new_rows() -> None:
    data = table(600)
    model = model_of(data)
    train(model, data, OPTIONS)
    model.prior = model_of(data).prior
    x = data.test.values()
    before = model.exact_log_likelihood(x).mean()
    if improve_prior(model, data):
        assert isinstance(model.prior, AutoregressivePrior)
        assert model.exact_log_likelihood(x).mean() > before - 0.05


def test_a_prior_that_was_asked_for_stays() -> None:
    data = table()
    model = model_of(data, prior="learned")
    assert not improve_prior(model, data)
    assert model.prior.kind == "learned"


def test_without_validation_rows_numbers_are_correlated_and_the_prior_stays() -> None:
    data = table()
    empty = data.validation.take(slice(0))
    data = replace(data, validation=empty)
    model = model_of(data)
    train(model, data, OPTIONS)
    assert model.likelihood.correlation is not None
    assert model.prior.kind == "uniform"
