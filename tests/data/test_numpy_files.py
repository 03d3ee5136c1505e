from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from discretevae.data import DataError, read_file

X = np.random.default_rng(0).random((6, 4)).astype(np.float32)
LABELS = np.arange(6)


def test_npy_is_what_numpy_saved(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    examples, classes = read_file(tmp_path / "x.npy")
    assert np.array_equal(examples.x.numpy(), X)
    assert (examples.labels, classes) == (None, None)


def test_fortran_order_is_the_same_array(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.asfortranarray(X))
    assert np.array_equal(read_file(tmp_path / "x.npy")[0].x.numpy(), X)


@pytest.mark.parametrize("compress", [np.savez, np.savez_compressed])
@pytest.mark.parametrize(
    "names", [{"x": X}, {"other": X}, {"x": X, "labels": LABELS}, {"x": X, "label": LABELS},
              {"other": X, "y": LABELS}, {"x": X, "more": LABELS}]
)  # fmt: skip
def test_npz_is_what_numpy_saved(
    tmp_path: Path, compress: Callable, names: dict[str, np.ndarray]
) -> None:
    compress(tmp_path / "x.npz", **names)
    examples, _ = read_file(tmp_path / "x.npz")
    assert np.array_equal(examples.x.numpy(), X)
    if {"labels", "label", "y"} & set(names):
        assert examples.labels is not None
        assert np.array_equal(examples.labels.numpy(), LABELS)
    else:
        assert examples.labels is None


def objects(path: Path) -> None:
    if path.suffix == ".npy":
        np.save(path, np.array([[None, {}]]), allow_pickle=True)
    else:
        np.savez(path, x=np.array([[None, {}]]))


def truncated(path: Path) -> None:
    save = np.save if path.suffix == ".npy" else np.savez
    save(path, X)
    path.write_bytes(path.read_bytes()[:-40])


def truncated_header(path: Path) -> None:
    save = np.save if path.suffix == ".npy" else np.savez
    save(path, X)
    path.write_bytes(path.read_bytes()[:20])


def foreign(path: Path) -> None:
    path.write_bytes(b"\x80\x04 something that pickle would read")


@pytest.mark.parametrize("ending", ["npy", "npz"])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (objects, "Python objects, which are never loaded"),
        (truncated, "truncated or damaged"),
        (truncated_header, "truncated or damaged"),
        (foreign, "got other content"),
    ],
)
def test_bad_files_are_refused(
    tmp_path: Path, ending: str, spoil: Callable[[Path], None], message: str
) -> None:
    path = tmp_path / f"x.{ending}"
    spoil(path)
    with pytest.raises(DataError, match=message) as caught:
        read_file(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("names", [{"a": X, "b": X}, {"labels": LABELS}])
def test_an_archive_without_a_clear_array_is_refused(
    tmp_path: Path, names: dict[str, np.ndarray]
) -> None:
    np.savez(tmp_path / "x.npz", **names)
    with pytest.raises(DataError, match=f"an array named x, .* got {', '.join(names)}"):
        read_file(tmp_path / "x.npz")
