"""Scores against their formulas and brute force, and K-means on groups that are known."""

import math
import warnings
from collections.abc import Callable
from functools import cache
from itertools import permutations
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans

from discretevae.evaluation import (
    Clustering,
    cluster_metrics,
    clustering,
    kmeans_clustering,
    kmeans_scores,
    label_silhouette,
    latent_metrics,
)

LABELLED = {"nmi", "ari", "accuracy", "purity"}
Score = Callable[[np.ndarray, np.ndarray], float]


def table_of(labels: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    return np.array(
        [[np.sum((labels == y) & (clusters == c)) for c in set(clusters)] for y in set(labels)]
    )


def entropy(counts: np.ndarray) -> float:
    return -sum(n / counts.sum() * math.log(n / counts.sum()) for n in counts.flat if n)


def nmi(labels: np.ndarray, clusters: np.ndarray) -> float:
    table = table_of(labels, clusters)
    h_y, h_c = entropy(table.sum(1)), entropy(table.sum(0))
    return (h_y + h_c - entropy(table)) / ((h_y + h_c) / 2) if h_y + h_c else 1.0


def ari(labels: np.ndarray, clusters: np.ndarray) -> float:
    table = table_of(labels, clusters)
    together = sum(math.comb(int(n), 2) for n in table.flat)
    rows = sum(math.comb(int(n), 2) for n in table.sum(1))
    columns = sum(math.comb(int(n), 2) for n in table.sum(0))
    expected, most = rows * columns / math.comb(len(labels), 2), (rows + columns) / 2
    return (together - expected) / (most - expected) if most != expected else 1.0


def rand_index(labels: np.ndarray, clusters: np.ndarray) -> float:
    pairs = [(i, j) for i in range(len(labels)) for j in range(i)]
    return sum((labels[i] == labels[j]) == (clusters[i] == clusters[j]) for i, j in pairs) / len(
        pairs
    )


def accuracy(labels: np.ndarray, clusters: np.ndarray) -> float:
    """Of ids below five: every one-to-one match of clusters with labels is tried."""
    return max(float(np.mean(np.array(m)[clusters] == labels)) for m in permutations(range(5)))


def greedy_accuracy(labels: np.ndarray, clusters: np.ndarray) -> float:
    """Matches the fullest cell first: not the best match."""
    table, matched = table_of(labels, clusters), 0
    while table.size:
        y, c = np.unravel_index(table.argmax(), table.shape)
        matched += table[y, c]
        table = np.delete(np.delete(table, y, 0), c, 1)
    return matched / len(labels)


def purity(labels: np.ndarray, clusters: np.ndarray) -> float:
    groups = [labels[clusters == c].tolist() for c in set(clusters)]
    return sum(max(group.count(y) for y in group) for group in groups) / len(labels)


def cases() -> list[tuple[np.ndarray, np.ndarray]]:
    """Small tables, among them noisy and one-sided ones."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(40):
        size, classes, clusters = rng.integers(2, 40), rng.integers(1, 6), rng.integers(1, 6)
        labels = rng.integers(0, classes, size)
        random = rng.integers(0, clusters, size)
        found.append((labels, np.where(rng.random(size) < 0.5, random, labels)))
    return found


def check_equal(score: str, truth: Score) -> None:
    for labels, clusters in cases():
        found = cluster_metrics(labels, clusters)[score]
        assert found == pytest.approx(truth(labels, clusters), abs=1e-9), "not by the formula"


@pytest.mark.parametrize(
    ("score", "truth"), [("nmi", nmi), ("ari", ari), ("accuracy", accuracy), ("purity", purity)]
)
def test_scores_follow_their_formulas(score: str, truth: Score) -> None:
    check_equal(score, truth)


@pytest.mark.parametrize(
    ("score", "wrong"), [("ari", rand_index), ("accuracy", greedy_accuracy), ("accuracy", purity)]
)
def test_a_wrong_score_is_caught(score: str, wrong: Score) -> None:
    with pytest.raises(AssertionError, match="not by the formula"):
        check_equal(score, wrong)


def test_the_match_is_the_best_and_not_the_greedy_one() -> None:
    labels = np.repeat([0, 0, 1], [5, 4, 4])
    clusters = np.repeat([0, 1, 0], [5, 4, 4])
    assert cluster_metrics(labels, clusters)["accuracy"] == pytest.approx(8 / 13)
    assert greedy_accuracy(labels, clusters) == pytest.approx(5 / 13)


def test_ids_that_are_permuted_negative_and_far_apart_are_perfect() -> None:
    labels = np.array([0, 0, 1, 1, 2, 2, 2])
    found = cluster_metrics(labels, np.array([7, 7, -10, -10, 10**9, 10**9, 10**9]))
    assert found == pytest.approx(dict.fromkeys(LABELLED, 1.0))


def test_clusters_beyond_the_labels_count_as_wrong_but_are_pure() -> None:
    found = cluster_metrics(np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 2, 2]))
    assert found["accuracy"] == pytest.approx(5 / 6)
    assert found["purity"] == 1


def test_one_cluster_tells_nothing() -> None:
    found = cluster_metrics(np.array([0, 0, 0, 1]), np.array([4, 4, 4, 4]))
    assert found == pytest.approx({"nmi": 0, "ari": 0, "accuracy": 0.75, "purity": 0.75})
    assert cluster_metrics(np.array([3, 3]), np.array([4, 4])) == dict.fromkeys(LABELLED, 1.0)


@cache
def chance() -> dict[str, np.ndarray]:
    """Scores of 200 clusterings of 100 rows that have nothing to do with the labels."""
    draws = np.random.default_rng(0).integers(0, 5, (200, 2, 100))
    scores = [cluster_metrics(labels, clusters) for labels, clusters in draws]
    return {name: np.array([score[name] for score in scores]) for name in LABELLED}


def check_chance_is_zero(score: str, false_alarm: float = 1e-6) -> None:
    """By the central limit over the draws; sees a mean of 0.01."""
    values = chance()[score]
    bound = NormalDist().inv_cdf(1 - false_alarm / 2) * values.std(ddof=1) / len(values) ** 0.5
    assert bound < 0.01, "too few draws to see the error stated"
    assert abs(values.mean()) <= bound, "not zero by chance"


def test_ari_is_zero_by_chance() -> None:
    check_chance_is_zero("ari")


@pytest.mark.parametrize("score", sorted(LABELLED - {"ari"}))
def test_scores_without_a_correction_for_chance_are_caught(score: str) -> None:
    with pytest.raises(AssertionError, match="not zero by chance"):
        check_chance_is_zero(score)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=25),
    st.permutations(range(4)),
    st.permutations(range(5)),
)
def test_relabelling_changes_nothing(
    rows: list[tuple[int, int]], of_labels: list[int], of_clusters: list[int]
) -> None:
    labels, clusters = np.array(rows).T
    found = cluster_metrics(labels, clusters)
    renamed = cluster_metrics(
        11 * np.array(of_labels)[labels] - 5, 3 - 7 * np.array(of_clusters)[clusters]
    )
    assert renamed == pytest.approx(found, abs=1e-9)
    swapped = cluster_metrics(clusters, labels)
    for symmetric in ("nmi", "ari", "accuracy"):
        assert swapped[symmetric] == pytest.approx(found[symmetric], abs=1e-9)
    assert 0 < found["accuracy"] <= found["purity"] <= 1


def test_no_rows_are_refused() -> None:
    none = np.zeros(0, dtype=int)
    with pytest.raises(ValueError, match="equally many, at least one, got 0 and 0"):
        cluster_metrics(none, none)


def test_each_latent_is_a_clustering() -> None:
    labels = np.array([0, 0, 1, 1, 2, 2])
    codes = np.array([[5, 0], [5, 1], [3, 0], [3, 1], [1, 0], [1, 1]])
    figures = latent_metrics(labels, codes)
    assert set(figures) == LABELLED
    for name, figure in figures.items():
        assert figure.value == [cluster_metrics(labels, codes[:, d])[name] for d in (0, 1)]
    assert figures["accuracy"].value == pytest.approx([1, 1 / 3])
    assert figures["nmi"].value == pytest.approx([1, 0])


def blobs(rows: int, spread: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three round groups at distance about 10; ids are 4, 9 and 2."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 3, rows)
    centres = np.array([[0.0, 0, 0], [10, 0, 0], [0, 10, 0]])
    return centres[group] + spread * rng.normal(size=(rows, 3)), np.array([4, 9, 2])[group]


def silhouette(x: np.ndarray, clusters: np.ndarray) -> float:
    distance, scores = cdist(x, x), []
    for i in range(len(x)):
        own = clusters == clusters[i]
        a = distance[i][own].sum() / (own.sum() - 1) if own.sum() > 1 else None
        b = min(distance[i][clusters == c].mean() for c in set(clusters[~own]))
        scores.append(0.0 if a is None else (b - a) / max(a, b))
    return float(np.mean(scores))


def test_groups_far_apart_are_found_for_every_seed() -> None:
    x, labels = blobs(150, 0.5)
    found = kmeans_clustering(x, 3, labels)
    assert found.skipped == {}
    assert set(found.values) == LABELLED | {"silhouette", "clusters"}
    for name in LABELLED:
        assert found.figures[name].value == pytest.approx(1)
        assert found.deviations[name] == pytest.approx(0)
    expected = np.full(5, silhouette(x, labels))
    np.testing.assert_allclose(found.values["silhouette"], expected)
    assert "fitted to 150 of 150 rows; mean over 5 seeds" in found.note


def scattered() -> tuple[Clustering, np.ndarray, np.ndarray]:
    x, labels = blobs(200, 6)
    return kmeans_clustering(x, 7, labels, seeds=(3, 1, 4)), x, labels


def test_seeds_are_those_of_kmeans_and_all_are_kept() -> None:
    found, x, labels = scattered()
    for i, seed in enumerate((3, 1, 4)):
        clusters = KMeans(7, n_init=10, random_state=seed).fit_predict(x)
        assert found.values["ari"][i] == pytest.approx(ari(labels, clusters))
        assert found.values["silhouette"][i] == pytest.approx(silhouette(x, clusters))


def test_mean_and_spread_are_over_seeds() -> None:
    found, *_ = scattered()
    for name, scores in found.values.items():
        mean = sum(scores) / 3
        deviation = math.sqrt(sum((s - mean) ** 2 for s in scores) / 2)
        assert found.figures[name].value == pytest.approx(mean)
        assert found.figures[name].se == pytest.approx(deviation / 3**0.5)
        assert found.deviations[name] == pytest.approx(deviation)
    assert found.deviations["silhouette"] > 0


def test_the_same_seeds_give_the_same_values() -> None:
    first, again = scattered()[0], scattered()[0]
    for name, scores in first.values.items():
        np.testing.assert_array_equal(scores, again.values[name])


def test_rows_beyond_the_limits_are_assigned_but_neither_fitted_nor_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clustering, "FITTED", 40)
    monkeypatch.setattr(clustering, "COMPARED", 30)
    x, labels = blobs(300, 0.5)
    found = kmeans_clustering(x, 3, labels)
    assert found.figures["accuracy"].value == 1  # over all 300 rows
    assert "fitted to 40 of 300 rows" in found.note
    full = silhouette(x, labels)
    assert found.values["silhouette"] == pytest.approx(full, abs=0.05)
    assert (found.values["silhouette"] != full).all()


def test_without_labels_what_needs_them_is_skipped_and_said() -> None:
    found = kmeans_clustering(blobs(60, 0.5)[0], 3)
    assert set(found.values) == {"silhouette", "clusters"}
    assert found.skipped == dict.fromkeys(LABELLED, "needs labels")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_all_equal_are_one_cluster(dtype: type) -> None:
    x = np.full((70, 9), 0.1, dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = kmeans_clustering(x, 10, np.arange(70) // 35)
    assert found.values["clusters"].tolist() == [1.0] * 5
    assert found.figures["clusters"].unit == "clusters of 10 that are not empty"
    assert found.values["accuracy"].tolist() == [0.5] * 5
    assert found.values["nmi"].tolist() == [0.0] * 5
    assert found.skipped == {
        "silhouette": "undefined for one cluster, or for as many clusters as rows"
    }


def test_fewer_distinct_rows_than_clusters_are_that_many_clusters() -> None:
    labels = np.arange(60) % 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = kmeans_clustering(np.eye(3, dtype=np.float32)[labels], 10, labels)
    assert found.values["clusters"].tolist() == [3.0] * 5
    assert found.values["ari"].tolist() == [1.0] * 5
    assert found.values["silhouette"] == pytest.approx(1)


def test_one_cluster_asked_for_has_no_silhouette() -> None:
    x, labels = blobs(60, 0.5)
    found = kmeans_clustering(x, 1, labels)
    assert "silhouette" in found.skipped
    assert found.values["purity"] == pytest.approx(max(np.bincount(labels)) / 60)


def test_as_many_clusters_as_rows_have_no_silhouette() -> None:
    found = kmeans_clustering(np.arange(4.0)[:, None], 4)
    assert found.values["clusters"].tolist() == [4.0] * 5
    assert "silhouette" in found.skipped


def test_bad_arguments_are_named() -> None:
    x = np.zeros((3, 2))
    with pytest.raises(ValueError, match="`clusters` must be at least 1, got 0"):
        kmeans_clustering(x, 0)
    with pytest.raises(ValueError, match=r"`seeds` must be two or more different ones, got \[5\]"):
        kmeans_clustering(x, 2, seeds=[5])
    with pytest.raises(ValueError, match=r"`seeds` must be two or more .*, got \[1, 1, 2\]"):
        kmeans_clustering(x, 2, seeds=[1, 1, 2])
    with pytest.raises(ValueError, match="`x` must be finite"):
        kmeans_clustering(x + np.inf, 2)


def test_the_scores_of_one_seed_are_those_of_that_seed_among_many() -> None:
    x = np.random.default_rng(0).normal(size=(60, 3))
    labels = np.arange(60) % 4
    many = kmeans_clustering(x, 4, labels, seeds=[3, 8])
    one = kmeans_scores(x, 4, labels, seed=8)
    assert one == {name: values[1] for name, values in many.values.items()}


def test_the_silhouette_of_classes_by_hand() -> None:
    """Two classes at distance 10, one of them two points 1 apart: a = (1, 1, 0), b = (10, 9, …)."""
    x = np.array([[0.0], [1.0], [10.0]])
    expected = (1 - 1 / 10 + 1 - 1 / 9 + 0) / 3  # alone in its class counts 0
    assert label_silhouette(x, np.array([5, 5, 2])) == pytest.approx(expected)
    assert np.isnan(label_silhouette(x, np.array([5, 5, 5])))
