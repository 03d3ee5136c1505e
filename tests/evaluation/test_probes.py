"""Probes on classes that can be told apart, on chance, and against slow versions of themselves."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.stats import binom
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from discretevae.evaluation import Figure, knn_probe, linear_probe, probes

Probe = Callable[..., Figure]
Rows = tuple[np.ndarray, np.ndarray]
both = pytest.mark.parametrize("probe", [linear_probe, knn_probe])


def groups(rows: int, spread: float, seed: int) -> Rows:
    """Four groups at unit vectors of six dimensions; the labels are 3, 7, -2 and 40."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 4, rows)
    x = np.eye(4, 6)[group] + spread * rng.normal(size=(rows, 6))
    return x, np.array([3, 7, -2, 40])[group]


def one_hot_codes(rows: int, seed: int, latents: int = 4, categories: int = 3) -> Rows:
    """Random codes; the label is the first category, three times in four."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, categories, (rows, latents))
    labels = np.where(rng.random(rows) < 0.75, codes[:, 0], rng.integers(0, categories, rows))
    return np.eye(categories, dtype=np.float32)[codes].reshape(rows, -1), labels


@both
def test_separable_groups_are_told_apart(probe: Probe) -> None:
    figure = probe(*groups(200, 0.05, 0), *groups(100, 0.05, 1))
    assert (figure.value, figure.se) == (1.0, 0.0)


@both
def test_the_standard_error_is_that_of_a_share(probe: Probe) -> None:
    figure = probe(*groups(200, 0.5, 0), *groups(100, 0.5, 1))
    p = figure.value
    assert 0.5 < p < 1
    assert figure.se == pytest.approx((p * (1 - p) / 99) ** 0.5)
    assert figure.unit == "share of test rows"


def check_chance(probe: Probe, train: Rows, test: Rows, false_alarm: float = 1e-6) -> None:
    """Test labels drawn by themselves: hits are Binomial(M, 1/4) whatever the probe learned.

    With M = 400 the interval is about 1/4 ± 0.11.
    """
    hits = probe(*train, *test).value * len(test[1])
    low, high = binom.ppf([false_alarm / 2, 1 - false_alarm / 2], len(test[1]), 1 / 4)
    assert high - low < 0.25 * len(test[1]), "too few rows to see the error stated"
    assert low <= hits <= high, "beyond chance"


def random_rows(rows: int, seed: int) -> Rows:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, 500)), rng.integers(0, 4, rows)


@both
def test_random_labels_are_read_at_chance(probe: Probe) -> None:
    check_chance(probe, random_rows(400, 0), random_rows(400, 1))


@both
def test_scoring_on_the_training_rows_is_caught(probe: Probe) -> None:
    with pytest.raises(AssertionError, match="beyond chance"):
        check_chance(probe, random_rows(400, 0), random_rows(400, 0))


def softmax_regression(train: Rows, x_test: np.ndarray) -> np.ndarray:
    """Minimises the stated loss, its gradient by autograd, from a start of its own."""
    mean, deviation = train[0].mean(0), train[0].std(0)
    x, unseen = (torch.from_numpy((part - mean) / deviation) for part in (train[0], x_test))
    classes, y = np.unique(train[1], return_inverse=True)
    features = x.shape[1]

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        theta = torch.tensor(parameters.reshape(features + 1, -1), requires_grad=True)
        w, b = theta[:features], theta[features]
        nll = torch.nn.functional.cross_entropy(x @ w + b, torch.from_numpy(y), reduction="sum")
        value = nll + w.square().sum() / 2
        value.backward()
        return value.item(), theta.grad.numpy().ravel()

    start = np.random.default_rng(0).normal(size=(features + 1) * len(classes))
    theta = minimize(loss, start, jac=True, method="BFGS").x.reshape(features + 1, -1)
    return classes[(unseen.numpy() @ theta[:features] + theta[features]).argmax(1)]


@pytest.mark.parametrize("seed", range(3))
def test_the_linear_probe_minimises_what_it_states(seed: int) -> None:
    train, (x, y) = groups(60, 0.6, seed), groups(150, 0.6, seed + 10)
    expected = np.mean(softmax_regression(train, x) == y)
    assert linear_probe(*train, x, y).value == pytest.approx(expected)


def test_the_linear_probe_does_not_depend_on_units() -> None:
    (x, y), (x_test, y_test) = groups(100, 0.5, 0), groups(200, 0.5, 1)
    scale, shift = np.array([1e-4, 1e-4, 1e-4, 1e3, 1, 1e3]), np.arange(6.0)
    plain = linear_probe(x, y, x_test, y_test).value
    scaled = linear_probe(x * scale + shift, y, x_test * scale + shift, y_test).value
    assert scaled == pytest.approx(plain)
    unscaled = LogisticRegression(max_iter=10_000).fit(x * scale, y).score(x_test * scale, y_test)
    assert unscaled < plain - 0.1  # without standardisation the units decide


def test_a_constant_feature_changes_nothing() -> None:
    (x, y), (x_test, y_test) = groups(100, 0.5, 0), groups(200, 0.5, 1)
    plain = linear_probe(x, y, x_test, y_test).value
    wider = linear_probe(
        np.column_stack([x, np.ones(100)]), y, np.column_stack([x_test, np.ones(200)]), y_test
    )
    assert wider.value == pytest.approx(plain)


def hamming_votes(train: Rows, x_test: np.ndarray, k: int) -> np.ndarray:
    """Counts latents that differ, row by row; all that tie for the k-th place vote."""
    codes, unseen = (x.reshape(len(x), 4, 3).argmax(-1) for x in (train[0], x_test))
    predicted = []
    for code in unseen:
        distance = [sum(a != b for a, b in zip(code, other, strict=True)) for other in codes]
        last = sorted(distance)[k - 1]
        votes = Counter(y for y, d in zip(train[1].tolist(), distance, strict=True) if d <= last)
        predicted.append(max(sorted(votes), key=votes.__getitem__))
    return np.array(predicted)


@pytest.mark.parametrize("k", [1, 5, 40])
def test_neighbours_of_codes_are_those_of_hamming(k: int) -> None:
    train, (x, y) = one_hot_codes(60, 0), one_hot_codes(80, 1)
    expected = np.mean(hamming_votes(train, x, k) == y)
    assert knn_probe(*train, x, y, k=k).value == pytest.approx(expected)


@pytest.mark.parametrize("k", [1, 5, 40])
def test_neighbours_without_ties_are_those_of_scikit_learn(
    k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "CHUNK", 32)  # several, the last one short
    train, test = groups(100, 0.5, 0), groups(150, 0.5, 1)
    expected = KNeighborsClassifier(k).fit(*train).score(*test)
    assert knn_probe(*train, *test, k=k).value == pytest.approx(expected)


def test_the_order_of_the_training_rows_does_not_matter() -> None:
    (x, y), test = one_hot_codes(60, 0), one_hot_codes(200, 1)
    orders = [np.random.default_rng(i).permutation(60) for i in range(10)]
    assert len({knn_probe(x[o], y[o], *test, k=3).value for o in orders}) == 1
    by_order = {KNeighborsClassifier(3).fit(x[o], y[o]).score(*test) for o in orders}
    assert len(by_order) > 1  # a vote of exactly k depends on it


def test_rows_all_equal_vote_for_the_most_frequent_label() -> None:
    x, y = np.ones((5, 2)), np.array([8, 8, 8, 1, 1])
    assert knn_probe(x, y, x, y, k=1).value == pytest.approx(0.6)
    assert linear_probe(x, y, x, y).value == pytest.approx(0.6)


@both
def test_a_label_that_was_not_trained_on_counts_as_wrong(probe: Probe) -> None:
    x, y = groups(100, 0.05, 0)
    assert probe(x, y, x, np.full(100, 99)).value == 0


@both
def test_a_draw_of_rows_is_deterministic_and_keeps_labels_with_their_rows(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "MOST", 80)
    train, test = groups(300, 0.05, 0), groups(300, 0.05, 1)
    figure = probe(*train, *test)
    assert figure.value == 1
    assert "80 training rows" in str(figure.note)
    train, test = groups(300, 0.6, 0), groups(300, 0.6, 1)
    values = [probe(*train, *test, seed=seed).value for seed in range(5)]
    assert values == [probe(*train, *test, seed=seed).value for seed in range(5)]
    assert len(set(values)) > 1


def test_bad_arguments_are_named() -> None:
    x, y = groups(10, 0.1, 0)
    with pytest.raises(ValueError, match="`y_train` must hold at least 2 classes, got only 7"):
        linear_probe(x, np.full(10, 7), x, y)
    for k in (0, 11):
        with pytest.raises(ValueError, match=f"`k` must be between 1 and 10 .*, got {k}"):
            knn_probe(x, y, x, y, k=k)
    for probe in (linear_probe, knn_probe):
        with pytest.raises(ValueError, match="`x_test` must be finite"):
            probe(x, y, x + np.inf, y)
