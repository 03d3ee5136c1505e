"""Layouts of groups that are known, of rows that break the libraries, and their cache."""

import pickle
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist
from threadpoolctl import threadpool_limits

from discretevae.evaluation import (
    NotInstalledError,
    cached_array,
    embedded_rows,
    tsne,
    umap,
    umap_installed,
)

Method = Callable[[np.ndarray, int], np.ndarray]
# umap is compiled at its first call, for most of a minute.
COMPILED = pytest.param(umap, marks=pytest.mark.audit, id="umap")
METHODS = pytest.mark.parametrize("method", [pytest.param(tsne, id="tsne"), COMPILED])
rng = np.random.default_rng(0)


def groups() -> tuple[np.ndarray, np.ndarray]:
    """Three Gaussian groups in six dimensions; one row of each group comes five times."""
    rng = np.random.default_rng(0)
    labels = np.arange(150) % 3
    x = 20 * np.eye(6)[labels] + rng.normal(size=(150, 6))
    x = np.concatenate([x, *[x[:3]] * 4])
    return x, np.concatenate([labels, *[labels[:3]] * 4])


@cache
def layout(method: Method, seed: int = 0) -> np.ndarray:
    return method(groups()[0], seed)


def check_separated(y: np.ndarray) -> None:
    """At least 99% of the nearest ten belong to the group of the row."""
    labels = groups()[1]
    nearest = cdist(y, y).argsort(1)[:, 1:11]
    assert (labels[nearest] == labels[:, None]).mean() >= 0.99, "groups are mixed"


@METHODS
def test_groups_far_apart_stay_apart(method: Method) -> None:
    y = layout(method)
    assert y.shape == (162, 2)
    assert y.dtype == np.float32
    check_separated(y)


def test_a_layout_that_mixes_groups_is_caught() -> None:
    shuffled = np.random.default_rng(0).permutation(layout(tsne))
    with pytest.raises(AssertionError, match="mixed"):
        check_separated(shuffled)


def check_near(y: np.ndarray) -> None:
    """Within a group, the nearest in the plane are nearer than most in x as well."""
    x = groups()[0][:150]
    inside = np.equal.outer(np.arange(150) % 3, np.arange(150) % 3)
    ranks = np.where(inside, cdist(x, x), np.inf).argsort(1).argsort(1)
    nearest = cdist(y[:150], y[:150]).argsort(1)[:, 1:6]
    assert np.take_along_axis(ranks, nearest, 1).mean() < 0.6 * 25, "neighbours are lost"


@METHODS
def test_neighbours_inside_a_group_stay_near(method: Method) -> None:
    check_near(layout(method))


def test_groups_without_their_inner_order_are_caught() -> None:
    rng = np.random.default_rng(0)
    y = layout(tsne).copy()
    for group in range(3):
        y[group:150:3] = rng.permutation(y[group:150:3])
    check_separated(y)
    with pytest.raises(AssertionError, match="lost"):
        check_near(y)


@METHODS
def test_the_seed_gives_the_bits_on_any_number_of_threads(method: Method) -> None:
    with threadpool_limits(2):
        again = method(groups()[0], 0)
    np.testing.assert_array_equal(again, layout(method))


@pytest.mark.audit
def test_another_seed_of_umap_gives_another_layout() -> None:
    assert (layout(umap, 1) != layout(umap)).any()
    check_separated(layout(umap, 1))


@METHODS
def test_equal_rows_get_one_point_and_different_rows_different_ones(method: Method) -> None:
    y = layout(method)
    for copy in range(150, 162, 3):
        np.testing.assert_array_equal(y[copy : copy + 3], y[:3])
    assert len(np.unique(y, axis=0)) == 150


@METHODS
def test_order_and_unit_do_not_matter(method: Method) -> None:
    """Powers of two are exact; 2³⁰⁰ and its inverse are beyond float32."""
    x = groups()[0]
    order = np.random.default_rng(0).permutation(len(x))
    np.testing.assert_array_equal(method(x[order] * 2.0**300, 0), layout(method)[order])
    np.testing.assert_array_equal(method(x * 2.0**-300, 0), layout(method))


@METHODS
@pytest.mark.parametrize(
    "x",
    [
        np.eye(4, dtype=np.float32)[np.arange(200) % 4],
        np.eye(5, dtype=np.float16)[np.arange(200) % 5],
        np.eye(40)[np.arange(200) % 40],
        rng.normal(size=(4, 3)),
        rng.normal(size=(50, 1)),
        np.arange(30.0)[:, None] * np.array([1.0, 2.0, 3.0]),
        np.concatenate([rng.normal(size=(30, 3)), np.full((1, 3), 1e12)]),
        np.concatenate([rng.normal(size=(30, 3)), 1e6 + rng.normal(size=(30, 3))]),
        np.where(rng.normal(size=(30, 6)) > 0, 1.7e308, -1.7e308),
    ],
    ids=["four", "five", "forty", "fewest", "column", "line", "outlier", "apart", "largest"],
)
def test_degenerate_rows_are_laid_out(method: Method, x: np.ndarray) -> None:
    y = method(x, 0)
    assert y.shape == (len(x), 2)
    assert np.isfinite(y).all()
    assert len(np.unique(y, axis=0)) > 1


@METHODS
@pytest.mark.parametrize("different", [1, 2, 3])
def test_three_different_rows_or_fewer_keep_their_shape(method: Method, different: int) -> None:
    corners = np.array([[0.0, 0, 0, 7], [3, 0, 0, 7], [0, 0, 4, 7]])[:different]
    y = method(corners[np.arange(100) % different], 0)
    assert len(np.unique(y, axis=0)) == different
    # `corners` centred, the largest coordinate is the unit
    unit = np.abs(corners - corners.mean(0)).max() or 1
    np.testing.assert_allclose(pdist(y[:different]), pdist(corners) / unit, rtol=1e-5)


@METHODS
@pytest.mark.parametrize("columns", [0, 3])
def test_equal_rows_are_all_one_point(method: Method, columns: int) -> None:
    np.testing.assert_array_equal(method(np.full((6, columns), 0.1), 0), np.zeros((6, 2)))


@METHODS
def test_rows_too_few_or_not_finite_are_refused(method: Method) -> None:
    with pytest.raises(ValueError, match="`x` must have at least one row, got none"):
        method(np.zeros((0, 2)), 0)
    with pytest.raises(ValueError, match="`x` must have at least 4 rows, got 3"):
        method(np.eye(3), 0)
    with pytest.raises(ValueError, match="`x` must be finite, got 1 numbers"):
        method(np.array([[0.0], [1.0], [np.nan], [2.0]]), 0)


def test_umap_is_part_of_the_development_install() -> None:
    assert umap_installed()


def test_without_umap_the_install_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    assert not umap_installed()
    with pytest.raises(NotInstalledError, match=r'pip install "discretevae\[analysis\]"'):
        umap(np.eye(5))


def test_rows_beyond_the_limit_are_drawn_by_the_seed() -> None:
    rows = embedded_rows(20_000, 3)
    assert len(rows) == 5_000
    assert (np.diff(rows) > 0).all()
    assert rows.max() > 10_000  # not the first ones: 2 ** -5000 by chance
    np.testing.assert_array_equal(rows, embedded_rows(20_000, 3))
    assert (rows != embedded_rows(20_000, 4)).any()
    np.testing.assert_array_equal(embedded_rows(5_000, 3), np.arange(5_000))


class Counted:
    """Squares that are counted."""

    def __init__(self, x: np.ndarray) -> None:
        self.x, self.calls = x, 0

    def __call__(self) -> np.ndarray:
        self.calls += 1
        return np.square(self.x)


X = np.arange(6.0).reshape(3, 2)
KEY = {"x": X, "method": "squares", "seed": 0, "versions": {"numpy": "2.0"}}


def stored(path: Path) -> bytes:
    cached_array(path, Counted(X), KEY)
    return path.read_bytes()


@pytest.mark.parametrize("name", ["a.npz", "a.cache", "folder/a"])
def test_an_array_is_computed_once_and_kept_bit_for_bit(tmp_path: Path, name: str) -> None:
    compute = Counted(X)
    first = cached_array(tmp_path / name, compute, KEY)
    again = cached_array(str(tmp_path / name), compute, dict(reversed(KEY.items())))
    assert compute.calls == 1
    np.testing.assert_array_equal(again, first)
    assert again.dtype == first.dtype
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [tmp_path / name]


@pytest.mark.parametrize(
    "change",
    [
        {"x": X + 1e-15},
        {"x": X.T},
        {"x": X.reshape(2, 3)},
        {"x": X.view(np.int64)},
        {"method": "cubes"},
        {"seed": 1},
        {"seed": "0"},
        {"versions": {"numpy": "2.1"}},
        {"more": None},
    ],
    ids=str,
)
def test_another_key_computes_anew_and_replaces(tmp_path: Path, change: Mapping[str, Any]) -> None:
    stored(tmp_path / "a.npz")
    compute = Counted(X + 1)
    for _ in range(2):
        found = cached_array(tmp_path / "a.npz", compute, KEY | change)
        np.testing.assert_array_equal(found, np.square(X + 1))
    assert compute.calls == 1


def test_a_truncated_file_is_computed_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    whole = stored(path)
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        compute = Counted(X)
        np.testing.assert_array_equal(cached_array(path, compute, KEY), np.square(X))
        assert compute.calls == 1


def test_a_flipped_bit_never_gives_another_array(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    whole = stored(path)
    calls = 0
    for position in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        compute = Counted(X)
        np.testing.assert_array_equal(cached_array(path, compute, KEY), np.square(X))
        calls += compute.calls
    assert calls > len(whole) / 3 / 2  # the rest are bits that nothing reads, as times


class Trap:
    """What runs if a pickle is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("a pickle was loaded",)


@pytest.mark.parametrize("content", ["text", "array", "pickle", "no key", "objects"])
def test_other_content_is_computed_anew(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.npz"
    with path.open("wb") as file:
        if content == "text":
            file.write(b"a,b\n1,2\n")
        elif content == "array":
            np.save(file, X)
        elif content == "pickle":
            pickle.dump(Trap(), file)
        elif content == "no key":
            np.savez(file, array=X)
        else:
            np.savez(file, key=np.array(Trap(), dtype=object), array=X)
    compute = Counted(X)
    np.testing.assert_array_equal(cached_array(path, compute, KEY), np.square(X))
    np.testing.assert_array_equal(cached_array(path, compute, KEY), np.square(X))
    assert compute.calls == 1


@pytest.mark.parametrize(
    "value", [object(), np.array([None]), Path("a")], ids=["object", "array of objects", "path"]
)
def test_a_key_that_has_no_digest_is_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(TypeError, match="`key` must hold plain types and arrays, got"):
        cached_array(tmp_path / "a.npz", Counted(X), {"x": value})


def test_what_fails_to_compute_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        cached_array(tmp_path / "a.npz", lambda: np.zeros(1 // 0), KEY)
    assert not list(tmp_path.iterdir())
