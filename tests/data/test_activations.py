"""Activations from files of all kinds, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from discretevae.data.activations import load_activations, open_activations
from discretevae.data.blocks import Blocks
from discretevae.data.errors import DataError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5)).astype(np.float32)


def rows(blocks: Blocks) -> np.ndarray:
    return np.concatenate([blocks.part(i).x.numpy() for i in range(len(blocks.parts))])


def test_arrays_and_their_leading_dimensions() -> None:
    np.testing.assert_array_equal(rows(open_activations(X)), X)
    np.testing.assert_array_equal(rows(open_activations(torch.from_numpy(X))), X)
    np.testing.assert_array_equal(rows(open_activations(X.reshape(4, 15, 5))), X)
    half = X.astype(np.float16)
    np.testing.assert_array_equal(rows(open_activations(half)), half.astype(np.float32))


@pytest.mark.parametrize("part", [2**22, 64])
def test_files(part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("discretevae.data.blocks.PART", part)
    monkeypatch.setattr("discretevae.data.activations.PART", part)
    np.save(tmp_path / "a.npy", X.reshape(4, 15, 5))
    np.savez(tmp_path / "b.npz", x=X)
    save_file({"x": torch.from_numpy(X).reshape(30, 2, 5)}, tmp_path / "c.safetensors")
    for path in sorted(tmp_path.iterdir()):
        np.testing.assert_array_equal(rows(open_activations(path)), X)
    folder = open_activations(tmp_path)
    assert folder.count == 180
    np.testing.assert_array_equal(rows(folder), np.vstack([X, X, X]))


def test_bfloat16(tmp_path: Path) -> None:
    x = torch.from_numpy(X).bfloat16()
    save_file({"x": x, "note": torch.zeros(1)}, tmp_path / "x.safetensors")
    np.testing.assert_array_equal(rows(open_activations(tmp_path / "x.safetensors")), x.float())


@pytest.mark.parametrize("fixed", [True, False])
def test_lists_and_columns_of_parquet(fixed: bool, tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    kind = arrow.list_(arrow.float32(), 5) if fixed else arrow.list_(arrow.float32())
    lists = arrow.array(list(X), type=kind)
    parquet.write_table(
        arrow.table({"i": range(60), "h": lists}), tmp_path / "l.parquet", row_group_size=25
    )
    found = open_activations(tmp_path / "l.parquet")
    assert found.parts == (25, 25, 10)
    np.testing.assert_array_equal(rows(found), X)
    parquet.write_table(
        arrow.table({str(i): X[:, i] for i in range(5)}), tmp_path / "c.parquet", row_group_size=25
    )
    np.testing.assert_array_equal(rows(open_activations(tmp_path / "c.parquet")), X)


def test_pairs_keep_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("discretevae.data.blocks.PART", 64)
    y = np.hstack([2 * X, X[:, :2]])
    np.save(tmp_path / "y.npy", y)
    found = load_activations(X, tmp_path / "y.npy")
    assert (found.dim, found.dim_out) == (5, 7)
    for part in (found.splits.train, found.splits.test):
        first, second = found.pair(part.values())
        assert second is not None
        torch.testing.assert_close(second[:, :5], 2 * first)


def test_what_is_large_stays_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "x.npy", X)
    monkeypatch.setattr("discretevae.data.activations.IN_MEMORY", 100)
    monkeypatch.setattr("discretevae.data.blocks.PART", 64)
    splits = load_activations(tmp_path / "x.npy").splits
    seen = torch.cat([x for x, _ in splits.train.shuffled(7, torch.Generator())])
    together = torch.cat([seen, splits.test.values()])
    order = together[:, 0].argsort()
    np.testing.assert_array_equal(together[order], X[X[:, 0].argsort()])


def with_nan() -> np.ndarray:
    x = X.copy()
    x[7, 2] = np.nan
    return x


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (with_nan(), "must hold finite float32 numbers, got 1 NaN or infinite, the first in row 7"),
        (np.ones((50, 4)), "must vary from row to row, got rows that are all alike"),
        (np.array([["a"]]), "must hold real numbers"),
        (np.zeros(7), "must have 2 dimensions"),
        (np.zeros((0, 4)), "must hold at least one row"),
        ("no/such.npy", "does not exist"),
    ],
)
def test_bad_arrays_are_refused_in_a_line(x: Any, says: str) -> None:
    with pytest.raises(DataError, match=says) as error:
        load_activations(x)
    assert "\n" not in str(error.value)


def test_bad_files_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "0.npy", X)
    np.save(tmp_path / "1.npy", X[:, :4])
    with pytest.raises(DataError, match=r"1.npy must have rows of 5 numbers as .*0.npy, got 4"):
        open_activations(tmp_path)
    with pytest.raises(DataError, match=r"must have 60 rows, one for each of .*got 59"):
        load_activations(tmp_path / "0.npy", X[:59])
    (tmp_path / "x.pt").write_bytes(b"x")
    with pytest.raises(DataError, match="a pickle is never read"):
        open_activations(tmp_path / "x.pt")
    (tmp_path / "x.safetensors").write_bytes(b"x")
    with pytest.raises(DataError, match="must be a whole safetensors file"):
        open_activations(tmp_path / "x.safetensors")
    save_file({"a": torch.ones(2, 2), "b": torch.ones(2, 2)}, tmp_path / "two.safetensors")
    with pytest.raises(DataError, match=r"must hold one tensor of activations .*got a, b"):
        open_activations(tmp_path / "two.safetensors")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="must hold files that end in"):
        open_activations(tmp_path / "empty")
