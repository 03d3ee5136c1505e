"""Ids of clusters that are known, and scikit-learn's own checks."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_mutual_info_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from discretevae.sklearn import SemanticIds


def small(**options: Any) -> SemanticIds:
    usual = {"num_digits": 2, "num_codes": 8, "widths": (16,), "epochs": 3, "random_state": 0}
    return SemanticIds(**{**usual, **options})


def clusters(per_cluster: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Eight clusters far apart, in columns of very different units."""
    draws = np.random.default_rng(0)
    label = np.repeat(np.arange(8), per_cluster)
    x = draws.normal(size=(8, 5))[label] + 0.02 * draws.normal(size=(len(label), 5))
    return x * [1, 1000, 0.01, 1, 1] + [0, 5, 0, 0, 0], label


@parametrize_with_checks([small()])
def test_it_is_an_estimator(estimator: SemanticIds, check: Any) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def trained() -> SemanticIds:
    return small(epochs=100, learning_rate=1e-2).fit(clusters()[0])


def test_rows_of_a_cluster_share_their_first_digit(trained: SemanticIds) -> None:
    """Drawn digits would agree with the clusters to 0.00 ± 0.01."""
    x, label = clusters()
    assert adjusted_mutual_info_score(label, trained.transform(x)[:, 0]) > 0.6


def test_rows_come_back_in_their_units(trained: SemanticIds) -> None:
    x, _ = clusters()
    back = trained.inverse_transform(trained.transform(x))
    assert (np.square(x - back).mean(0) / x.var(0)).mean() < 0.3


def test_collisions_are_those_of_the_ids() -> None:
    x, _ = clusters()
    fitted = small().fit(x)
    ids = [tuple(row) for row in fitted.transform(x)]
    assert fitted.collisions_ == pytest.approx(np.mean([ids.count(one) > 1 for one in ids]))


def test_the_same_seed_gives_the_same_ids_and_leaves_torch_alone() -> None:
    x, _ = clusters(5)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, second = small().fit(x).transform(x), small().fit(x).transform(x)
    assert (first == second).all()
    assert torch.equal(torch.get_rng_state(), before)


def test_it_stands_in_a_pipeline_with_names() -> None:
    x, _ = clusters(5)
    pipe = make_pipeline(MinMaxScaler(), small()).set_output(transform="pandas").fit(x)
    assert [*pipe.transform(x).columns] == ["z0", "z1"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_digits": 0}, "`num_digits` must be at least 1, got 0"),
        ({"num_codes": 1}, "`num_codes` must be at least 2, got 1"),
        ({"epochs": 0}, "`epochs` must be at least 1, got 0"),
        ({"batch_size": 0}, "`batch_size` must be at least 1, got 0"),
        ({"learning_rate": -1.0}, "`learning_rate` must be positive and finite, got -1.0"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**options).fit(clusters(2)[0])


def test_what_is_no_id_is_refused() -> None:
    x, _ = clusters(5)
    fitted = small().fit(x)
    with pytest.raises(ValueError, match="must hold ids of 2 whole numbers, got 3"):
        fitted.inverse_transform(np.zeros((1, 3)))
    with pytest.raises(ValueError, match=r"must lie in \[0, 8\), got 9"):
        fitted.inverse_transform(np.full((1, 2), 9))
