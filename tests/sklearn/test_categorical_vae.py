"""Tiny transformers, D = 2, K = 3, whose every code is summed over here by hand."""

import copy
import pickle
import re
from itertools import count, product
from statistics import NormalDist
from threading import Thread
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.special import logsumexp
from scipy.stats import norm
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from discretevae.estimators import Exact
from discretevae.likelihoods import GaussianLikelihood
from discretevae.sklearn import OUTPUTS, CategoricalVAE
from discretevae.sklearn import categorical_vae as module

D, K = 2, 3
CODES = np.array(list(product(range(K), repeat=D)))


def tiny(**options: Any) -> CategoricalVAE:
    adam = {"optimizer": "adam", "learning_rate": 3e-3, "batch_size": 32}
    sizes = {"num_latents": D, "num_categories": K, "epochs": 3, "random_state": 0}
    return CategoricalVAE(widths=(8,), **{**adam, **sizes, **options})


def numbers(rows: int = 90) -> np.ndarray:
    """Three clusters in columns of very different units; the last column is constant."""
    draws = np.random.default_rng(0)
    centres = np.array([[0, 0, 0], [4, 1, 0], [0, 1, 4]])[np.arange(rows) % 3]
    x = (centres + draws.normal(size=(rows, 3))) * [1, 1000, 0.01] + [0, 7, -1]
    return np.c_[x, np.full(rows, 5.0)]


def bits(rows: int = 60) -> np.ndarray:
    draws = np.random.default_rng(1)
    return (draws.random((rows, 5)) < np.where(np.arange(rows) % 2, 0.8, 0.2)[:, None]).astype(
        float
    )


@pytest.fixture(scope="module")
def fitted() -> CategoricalVAE:
    """On numbers; its code says something of the row."""
    return tiny(epochs=60, learning_rate=0.02).fit(numbers())


def with_output(fitted: CategoricalVAE, output: str) -> CategoricalVAE:
    return copy.copy(fitted).set_params(output=output)


def log_joint_by_hand(vae: CategoricalVAE, x: np.ndarray) -> np.ndarray:
    """log p(x, z) of Gaussian data in their own units, one code at a time: (K^D, N)."""
    log_prior = vae.model_.prior.logits.log_softmax(-1).detach().numpy()
    sigma = vae.model_.likelihood.log_scale.exp().item() * vae.scale_
    rows = []
    for code in CODES:
        with torch.no_grad():
            h = vae.model_.decoder(torch.eye(K, dtype=torch.float64)[code].flatten()).numpy()
        log_p_x = norm.logpdf(x, vae.mean_ + vae.scale_ * h, sigma).sum(-1)
        rows.append(log_p_x + log_prior[range(D), code].sum())
    return np.stack(rows)


def quantile(false_alarm: float, comparisons: int) -> float:
    return NormalDist().inv_cdf(1 - false_alarm / 2 / comparisons)


OWN_CHECKS = parametrize_with_checks(
    [tiny(epochs=1, random_state=None), tiny(epochs=1, output="probabilities", random_state=None)]
)
CHECKS = [  # what is not about `transform` is the same for both
    (estimator, check)
    for estimator, check in OWN_CHECKS.args[1]
    if estimator.output == "codes" or re.search("transform|methods|dtype", check.func.__name__)
]


@pytest.mark.parametrize(OWN_CHECKS.args[0], CHECKS, ids=OWN_CHECKS.kwargs["ids"])
def test_scikit_learns_own_checks(estimator: CategoricalVAE, check: Any) -> None:
    check(estimator)


def test_the_score_is_the_sum_over_all_codes_in_the_units_of_the_data(
    fitted: CategoricalVAE,
) -> None:
    x = numbers()
    expected = logsumexp(log_joint_by_hand(fitted, x), axis=0)
    np.testing.assert_allclose(fitted.score_samples(x), expected, rtol=1e-9)
    np.testing.assert_allclose(fitted.score(x), expected.mean(), rtol=1e-9)
    assert abs(np.log(fitted.scale_).sum()) > 1  # what it would be wrong by without the units


def test_importance_weights_are_unbiased_and_their_bound_lies_below(
    fitted: CategoricalVAE, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails by chance once in 10^6 runs; a weight wrong by a fifth does not pass."""
    x = numbers(4)
    exact = fitted.score_samples(x)
    seeds = count()
    monkeypatch.setattr(module, "BUDGET", 0)
    monkeypatch.setattr(module, "SAMPLES", 16)
    monkeypatch.setattr(module, "generator", lambda *_: torch.Generator().manual_seed(next(seeds)))
    surplus = np.stack([fitted.score_samples(x) for _ in range(400)]) - exact
    weights = np.exp(surplus)
    chance = quantile(1e-6, 4) * weights.std(0) / len(weights) ** 0.5
    assert chance.max() < 0.2
    assert (abs(weights.mean(0) - 1) <= chance).all()
    noise = quantile(1e-6, 4) * surplus.std(0) / len(surplus) ** 0.5
    assert (surplus.mean(0) < noise).all()


def test_the_bound_is_a_function_of_the_row(
    fitted: CategoricalVAE, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = numbers()
    exact = fitted.score_samples(x)
    monkeypatch.setattr(module, "BUDGET", 0)
    bound = fitted.score_samples(x)
    assert np.abs(bound - exact).max() > 0
    assert np.abs(bound - exact).mean() < 0.5
    one_by_one = np.concatenate([fitted.score_samples(row[None]) for row in x[::-1]])[::-1]
    np.testing.assert_allclose(bound, one_by_one, rtol=1e-10)


def test_anomalies_score_lower(fitted: CategoricalVAE) -> None:
    strange = numbers() * [1, -1, 1, 1] + [8, 0, 0, 0]
    assert fitted.score(numbers()) > fitted.score(strange) + 5


def test_binary_data_get_a_bernoulli_whose_score_is_a_log_probability() -> None:
    vae = tiny().fit(bits())
    assert vae.model_.likelihood.name == "bernoulli"
    assert set(vae.scale_) == {1}
    every = np.array(list(product([0.0, 1.0], repeat=5)))
    np.testing.assert_allclose(np.exp(vae.score_samples(every)).sum(), 1)
    assert set(np.unique(vae.sample(50))) == {0, 1}


@pytest.mark.parametrize(
    ("likelihood", "found"),
    [
        ("auto", "gaussian"),
        ("continuous-bernoulli", "continuous-bernoulli"),
        (GaussianLikelihood(1, scale=0.5), "gaussian"),
    ],
)
def test_the_likelihood_can_be_chosen(likelihood: Any, found: str) -> None:
    x = MinMaxScaler().fit_transform(numbers())
    vae = tiny(likelihood=likelihood).fit(x)
    assert vae.model_.likelihood.name == found
    assert (vae.scale_[:3] != 1).all() == (found == "gaussian")
    if isinstance(likelihood, GaussianLikelihood):  # a parameter of the estimator: untouched
        assert likelihood.log_scale.item() == pytest.approx(np.log(0.5))


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("x", [numbers(), bits()], ids=["gaussian", "bernoulli"])
def test_there_and_back_is_the_models_reconstruction(output: str, x: np.ndarray) -> None:
    vae = tiny(output=output).fit(x)
    with torch.no_grad():
        u = vae.model_.reconstruct(torch.from_numpy((x - vae.mean_) / vae.scale_)).numpy()
    back = vae.inverse_transform(vae.transform(x))
    np.testing.assert_allclose(back, u * vae.scale_ + vae.mean_, rtol=1e-12)


def test_the_forms_of_the_code_agree(fitted: CategoricalVAE) -> None:
    x = numbers()
    z = {name: with_output(fitted, name).transform(x) for name in OUTPUTS}
    logits = fitted.model_.logits(torch.from_numpy((x - fitted.mean_) / fitted.scale_))
    q = logits.softmax(-1).detach().numpy()
    assert z["codes"].dtype.kind == "i"
    assert len(np.unique(z["codes"], axis=0)) > 1
    np.testing.assert_array_equal(z["codes"], q.argmax(-1))
    np.testing.assert_array_equal(z["one-hot"], np.eye(K)[q.argmax(-1)].reshape(len(x), D * K))
    np.testing.assert_allclose(z["probabilities"], q.reshape(len(x), D * K), rtol=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, K - 1)] * D), min_size=1, max_size=5))
def test_all_forms_of_a_code_decode_alike(fitted: CategoricalVAE, codes: list[Any]) -> None:
    one_hot = np.eye(K)[np.array(codes)].reshape(len(codes), D * K)
    forms = {"codes": np.array(codes), "one-hot": one_hot, "probabilities": one_hot * 0.9 + 0.03}
    x = [with_output(fitted, name).inverse_transform(z) for name, z in forms.items()]
    np.testing.assert_array_equal(x[0], x[1])
    np.testing.assert_array_equal(x[0], x[2])


def test_samples_have_the_mean_of_the_model(fitted: CategoricalVAE) -> None:
    """It fails by chance once in 10^6 runs; the mean of the decoder alone would pass, the rest
    of the test asks for its noise."""
    x = fitted.sample(4000)
    log_prior = fitted.model_.prior.logits.log_softmax(-1).detach().numpy()
    p = np.exp([log_prior[range(D), code].sum() for code in CODES])
    means = fitted.inverse_transform(CODES)
    chance = quantile(1e-6, 4) * x.std(0) / len(x) ** 0.5
    assert (abs(x.mean(0) - p @ means) <= chance).all()
    sigma = fitted.model_.likelihood.log_scale.exp().item() * fitted.scale_
    variance = p @ means**2 - (p @ means) ** 2 + sigma**2
    np.testing.assert_allclose(x.var(0), variance, rtol=0.15)
    np.testing.assert_array_equal(x, fitted.sample(4000))


def test_an_integer_seed_repeats_the_fit_and_touches_no_other_random_state() -> None:
    x = numbers()
    torch.manual_seed(3)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first = tiny(random_state=1).fit(x)
    first.sample(3), first.score(x)
    assert torch.equal(before, torch.get_rng_state())
    assert (numpy_before == np.random.get_state()[1]).all()  # noqa: NPY002
    torch.manual_seed(4)
    again, other = tiny(random_state=1).fit(x), tiny(random_state=2).fit(x)
    np.testing.assert_array_equal(first.score_samples(x), again.score_samples(x))
    assert first.history_ == again.history_ != other.history_
    state = np.random.RandomState(0)
    assert tiny(random_state=state).fit(x).history_ != tiny(random_state=state).fit(x).history_


def test_training_raises_the_bound() -> None:
    x = numbers()
    untrained, trained = tiny(epochs=1), tiny(epochs=60, learning_rate=0.02)
    assert trained.fit(x).score(x) > untrained.fit(x).score(x) + 0.3
    assert trained.n_iter_ == len(trained.history_)


def test_the_weights_with_the_best_held_out_elbo_are_kept() -> None:
    x = np.random.default_rng(2).normal(size=(40, 4))  # nothing to learn but by heart
    vae = tiny(epochs=300, learning_rate=0.02, validation_fraction=0.3, patience=5).fit(x)
    elbos = [row.get("validation_elbo", -np.inf) for row in vae.history_]
    best = int(np.argmax(elbos))
    assert 5 < vae.n_iter_ < 300
    assert best < vae.n_iter_ - 1
    held_out = torch.randperm(40, generator=module.generator("split", vae._seed))[:12]
    rows = module.Rows(x, vae.mean_, vae.scale_)
    draws = module.generator("validation", vae._seed)
    elbo = module._elbo(vae.model_, rows, held_out, draws)
    assert elbo == pytest.approx(elbos[best], abs=1e-4)
    assert vae.model_.beta == 1


def test_without_rows_held_out_every_epoch_is_made() -> None:
    vae = tiny(epochs=12, patience=1, validation_fraction=0).fit(numbers())
    assert vae.n_iter_ == 12
    assert "validation_elbo" not in vae.history_[-1]


def test_partial_fit_goes_on_and_survives_a_pickle() -> None:
    x = numbers()
    vae, stored = tiny(learning_rate=0.01), tiny(learning_rate=0.01)
    for _ in range(10):
        vae.partial_fit(x)
    for _ in range(10):
        stored = pickle.loads(pickle.dumps(stored.partial_fit(x)))
    assert vae.n_iter_ == 10
    np.testing.assert_array_equal(vae.score_samples(x), stored.score_samples(x))
    assert vae.score(x) > tiny(learning_rate=0.01).partial_fit(x).score(x) + 0.03


def test_partial_fit_goes_on_from_fit() -> None:
    x = numbers()
    vae = tiny().fit(x)
    scale, score = vae.scale_, vae.score(x)
    vae.partial_fit(x[:50] * 2)
    assert vae.n_iter_ == 4
    assert vae.scale_ is scale
    assert vae.score(x) != score
    assert vae.fit(x).n_iter_ == 3
    assert vae.score(x) == score


def test_pickle_joblib_and_clone(fitted: CategoricalVAE, tmp_path: Any) -> None:
    x = numbers()
    joblib.dump(fitted, tmp_path / "vae.joblib")
    for copied in (pickle.loads(pickle.dumps(fitted)), joblib.load(tmp_path / "vae.joblib")):
        np.testing.assert_array_equal(copied.transform(x), fitted.transform(x))
        np.testing.assert_array_equal(copied.score_samples(x), fitted.score_samples(x))
    fresh = clone(fitted)
    assert fresh.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        fresh.transform(x)


def test_grid_search_in_a_pipeline() -> None:
    x, y = load_iris(return_X_y=True)
    vae = CategoricalVAE(
        output="one-hot", widths=(32,), epochs=12, learning_rate=0.01, random_state=0
    )
    pipeline = make_pipeline(StandardScaler(), vae, LogisticRegression())
    grid = {"categoricalvae__num_latents": [1, 6], "categoricalvae__num_categories": [2, 6]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(x, y)
    assert search.best_score_ > 0.75
    assert search.best_params_ != {
        "categoricalvae__num_latents": 1,
        "categoricalvae__num_categories": 2,
    }


def test_fits_in_threads_do_not_disturb_each_other() -> None:
    x, grid = numbers(), {"num_latents": [1, 2], "num_categories": [2, 3]}
    alone = GridSearchCV(tiny(), grid, cv=2).fit(x)
    with joblib.parallel_config("threading"):
        together = GridSearchCV(tiny(), grid, cv=2, n_jobs=2).fit(x)
    score = "mean_test_score"
    np.testing.assert_array_equal(alone.cv_results_[score], together.cv_results_[score])
    assert alone.best_score_ == alone.cv_results_[score].max()


def test_one_thread_at_a_time_seeds_pytorch() -> None:
    def draw() -> None:
        with module._seeded(1):
            drawn.append(torch.rand(1))

    drawn: list[torch.Tensor] = []
    other = Thread(target=draw)
    with module._seeded(0):
        other.start()
        other.join(0.05)
        assert not drawn
    other.join()
    assert len(drawn) == 1


def test_sizes_may_be_numpys() -> None:
    options = {"num_latents": np.int64(D), "epochs": np.int64(3), "batch_size": np.int32(32)}
    x = numbers()
    vae = tiny().set_params(**options, learning_rate=np.float32(3e-3)).fit(x)
    np.testing.assert_allclose(vae.score(x), tiny().fit(x).score(x), rtol=1e-5)


def test_pandas_and_names(fitted: CategoricalVAE) -> None:
    x = pd.DataFrame(numbers(), columns=["a", "b", "c", "d"])
    vae = tiny().set_output(transform="pandas").fit(x)
    assert list(vae.feature_names_in_) == ["a", "b", "c", "d"]
    z = vae.transform(x)
    assert list(z.columns) == ["z0", "z1"]
    assert (z.index == x.index).all()
    assert vae.inverse_transform(z).shape == x.shape
    vae.set_params(output="one-hot")
    assert list(vae.transform(x)) == ["z0_0", "z0_1", "z0_2", "z1_0", "z1_1", "z1_2"]
    with pytest.raises(ValueError, match="feature names"):
        vae.transform(x[["b", "a", "c", "d"]])


@pytest.mark.parametrize("x", [numbers()[:, :3], bits()], ids=["gaussian", "bernoulli"])
def test_sparse_rows_are_the_same_as_dense_ones(x: np.ndarray) -> None:
    x = x * (np.abs(x) > 0.5)
    dense, filled = tiny().fit(x), tiny().fit(sparse.csr_matrix(x))
    np.testing.assert_allclose(dense.scale_, filled.scale_)
    with_sparse = filled.score_samples(sparse.csc_array(x))
    np.testing.assert_allclose(dense.score_samples(x), with_sparse, rtol=1e-4)
    np.testing.assert_array_equal(dense.transform(x), dense.transform(sparse.csr_array(x)))


@pytest.mark.parametrize("estimator", ["vimco", "nvil", "relax", "rloo", Exact()], ids=str)
def test_any_estimator_trains_and_pickles(estimator: Any) -> None:
    x = numbers(40)
    vae = tiny(estimator=estimator, epochs=2).fit(x).partial_fit(x)
    assert vae.model_.beta == 1
    copied = pickle.loads(pickle.dumps(vae))
    np.testing.assert_array_equal(
        copied.partial_fit(x).score_samples(x), vae.partial_fit(x).score_samples(x)
    )


def test_digits_are_told_apart_by_their_codes() -> None:
    x, y = load_digits(return_X_y=True)
    x = (x[:600] > 7).astype(float)
    vae = CategoricalVAE(output="one-hot", widths=(64,), epochs=8, batch_size=32, random_state=0)
    pipeline = make_pipeline(vae, LogisticRegression())
    assert pipeline.fit(x[:400], y[:400]).score(x[400:], y[400:600]) > 0.4  # by chance 0.1


def test_one_line_an_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    tiny(verbose=1, epochs=2).fit(numbers())
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("[CategoricalVAE] epoch 2, objective ")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("epochs", -1, r"`epochs` must be a whole number of at least 1, got -1\."),
        ("epochs", 1.5, r"`epochs` must be a whole number"),
        ("batch_size", 0, "`batch_size` must be a whole number of at least 1, got 0"),
        ("patience", 0, "`patience` must"),
        ("num_latents", 0, "`num_latents` must"),
        ("num_categories", 1, "`num_categories` must be a whole number of at least 2, got 1"),
        ("widths", 64, "`widths` must be a sequence of whole numbers, got 64"),
        ("widths", (8, 0), "`widths` must be a whole number of at least 1, got 0"),
        ("learning_rate", 0.0, "`learning_rate` must be a positive number, got 0"),
        ("learning_rate", "fast", "`learning_rate` must be a positive number, got 'fast'"),
        ("learning_rate", 1e30, "`learning_rate` must be low enough"),
        ("validation_fraction", 1.0, r"`validation_fraction` must lie in \[0, 1\), got 1.0"),
        ("output", "onehot", "`output` must be one of .*did you mean 'one-hot'"),
        ("likelihood", "gauss", "`likelihood` must be one of .*did you mean 'gaussian'"),
        ("likelihood", "bernoulli", "`x` must be 0 or 1"),
        ("estimator", "exakt", "`estimator` must be one of .*did you mean 'exact'"),
        ("random_state", "x", "cannot be used to seed"),
    ],
)
def test_bad_options_are_refused_and_leave_the_model(name: str, value: Any, message: str) -> None:
    x = numbers()
    vae = tiny().fit(x)
    score = vae.score(x)
    with pytest.raises(ValueError, match=message):
        vae.set_params(**{name: value}).fit(x[:, :3])
    vae.set_params(output="codes")
    assert vae.n_features_in_ == 4
    assert vae.score(x) == score


def test_a_pass_that_fails_leaves_the_model() -> None:
    x = numbers()
    vae = tiny().fit(x).partial_fit(x)
    score, again = vae.score(x), pickle.loads(pickle.dumps(vae))
    x[-1, 0] = 1e300  # its square is not finite, after steps that are
    with pytest.raises(ValueError, match="`learning_rate` must be low enough"):
        vae.partial_fit(x)
    assert vae.n_iter_ == again.n_iter_
    assert vae.score(numbers()) == score
    goes_on, would_have = vae.partial_fit(numbers()), again.partial_fit(numbers())
    assert goes_on.score(numbers()) == would_have.score(numbers())


def test_bad_rows_are_refused(fitted: CategoricalVAE) -> None:
    x = numbers()
    x[3, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        tiny().fit(x)
    for method in (fitted.transform, fitted.score_samples, fitted.partial_fit):
        with pytest.raises(ValueError, match="NaN"):
            method(x)
        with pytest.raises(ValueError, match="expecting 4 features"):
            method(numbers()[:, :2])
    with pytest.raises(ValueError, match="`x` must be 0 or 1"):
        tiny().fit(bits()).score_samples(bits() / 2)


def test_bad_codes_are_refused(fitted: CategoricalVAE) -> None:
    for codes, message in [
        ([[0, 3]], r"`codes` must lie in \[0, 3\)"),
        ([[0, 0.5]], "`X` must hold codes, which are whole numbers"),
        ([[0, 0, 0]], "`X` must have 2 columns where `output` is 'codes', got 3"),
        ([[0, np.nan]], "NaN"),
    ]:
        with pytest.raises(ValueError, match=message):
            fitted.inverse_transform(codes)
    with pytest.raises(ValueError, match="`n_samples` must be a whole number of at least 1"):
        fitted.sample(0)


@pytest.mark.parametrize("method", ["transform", "inverse_transform", "score_samples", "score"])
def test_nothing_comes_of_an_unfitted_one(method: str) -> None:
    with pytest.raises(NotFittedError):
        getattr(tiny(), method)(numbers())
    for call in (tiny().sample, tiny().get_feature_names_out):
        with pytest.raises(NotFittedError):
            call()


class TestMixedFrames:
    """Data frames with names, dates and gaps."""

    @pytest.fixture
    def frame(self) -> pd.DataFrame:
        rng = np.random.default_rng(0)
        job = rng.choice(["cook", "nurse", "pilot"], 200)
        age = rng.integers(18, 80, 200)
        pay = np.where(rng.random(200) < 0.2, np.nan, 100.0 * age + 5000 * (job == "pilot"))
        since = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 700, 200), "D")
        return pd.DataFrame(
            {"key": [f"u{i}" for i in range(200)], "job": pd.Categorical(job), "age": age,
             "pay": pay, "since": since, "ok": rng.random(200) < 0.3}
        )  # fmt: skip

    @pytest.fixture
    def vae(self, frame: pd.DataFrame) -> CategoricalVAE:
        return CategoricalVAE(num_latents=3, epochs=5, random_state=0).fit(frame)

    def test_codes_and_rows_of_the_same_kinds(
        self, vae: CategoricalVAE, frame: pd.DataFrame
    ) -> None:
        codes = vae.transform(frame)
        assert codes.shape == (200, 3)
        for rows in (vae.inverse_transform(codes), vae.sample(50)):
            assert list(rows.columns) == ["job", "age", "pay", "since", "ok"]
            assert set(rows.job) <= {"cook", "nurse", "pilot"}
            assert rows.ok.dtype == bool
            assert pd.api.types.is_integer_dtype(rows.age)
            assert pd.api.types.is_datetime64_any_dtype(rows.since)
        assert bool(np.isfinite(vae.score_samples(frame)).all())

    def test_a_row_means_the_same_alone(self, vae: CategoricalVAE, frame: pd.DataFrame) -> None:
        alone = [vae.transform(frame.iloc[[row]])[0] for row in range(9)]
        assert (np.stack(alone) == vae.transform(frame)[:9]).all()

    def test_what_is_no_such_frame_is_refused(
        self, vae: CategoricalVAE, frame: pd.DataFrame
    ) -> None:
        with pytest.raises(ValueError, match="must be a data frame"):
            vae.transform(frame.to_numpy())
        with pytest.raises(ValueError, match="must have the column 'age'"):
            vae.transform(frame.drop(columns="age"))
