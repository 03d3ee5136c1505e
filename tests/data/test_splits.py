from itertools import chain

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from discretevae.data import DataError, Examples, Splits, split


def numbered(n: int) -> Examples:
    return Examples(torch.arange(float(n)).reshape(n, 1), torch.arange(n))


def rows(splits: Splits) -> list[list[float]]:
    return [part.x[:, 0].tolist() for part in (splits.train, splits.validation, splits.test)]


@given(st.integers(20, 300), st.floats(0, 0.45), st.floats(0, 0.45), st.integers(0, 2**63))
def test_a_split_is_a_partition_of_the_stated_sizes(n: int, v: float, t: float, seed: int) -> None:
    if 0 < v * n <= 0.5 or 0 < t * n <= 0.5:
        return  # refused: tested below
    parts = rows(split(numbered(n), validation=v, test=t, seed=seed))
    assert sorted(chain(*parts)) == list(range(n))
    assert [len(part) for part in parts[1:]] == [round(v * n), round(t * n)]


def test_a_split_is_a_function_of_its_seed() -> None:
    first, again, other = (rows(split(numbered(100), seed=seed)) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_labels_follow_their_rows() -> None:
    splits = split(numbered(50), seed=1)
    for part in (splits.train, splits.validation, splits.test):
        assert part.labels is not None
        assert part.labels.tolist() == part.x[:, 0].tolist()


def test_parts_may_be_empty() -> None:
    splits = split(numbered(1), validation=0, test=0)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (1, 0, 0)
    assert splits.validation.shape == splits.shape == (1,)


@pytest.mark.parametrize(
    ("n", "validation", "test", "message"),
    [
        (10, -0.1, 0.1, r"`validation` must be a fraction in \[0, 1\), got -0.1"),
        (10, 1.0, 0.1, r"`validation` must be a fraction in \[0, 1\), got 1.0"),
        (10, 0.1, float("nan"), r"`test` must be a fraction in \[0, 1\), got nan"),
        (3, 0.1, 0.1, "too few examples to split: 3 .* leave 3 to train, 0 to validate"),
        (10, 0.5, 0.5, "leave 0 to train"),
        (0, 0.0, 0.0, "too few examples to split: 0"),
    ],
)
def test_what_cannot_be_split_is_refused(
    n: int, validation: float, test: float, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        split(numbered(n), validation=validation, test=test)
