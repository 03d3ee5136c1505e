import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from discretevae.data import DATASETS, DataError, is_available, sources
from discretevae.data.downloads import RemoteFile
from discretevae.likelihoods import LIKELIHOODS

from .cifar_archive import random_images, write_archive

MNIST = Path(os.environ.get("DISCRETEVAE_DATA", "")) / "mnist" / "train-images-idx3-ubyte.gz"
needs_mnist = pytest.mark.skipif(
    not (os.environ.get("DISCRETEVAE_DATA") and MNIST.is_file()),
    reason="DISCRETEVAE_DATA names no folder with mnist/",
)


def test_the_table_is_whole() -> None:
    assert list(DATASETS) == ["digits", "mnist", "fashion-mnist", "kmnist", "photos", "cifar10"]
    for name, info in DATASETS.items():
        assert info.name == name
        assert len(info.classes) == len(set(info.classes)) == (2 if name == "photos" else 10)
        assert len(info.description) < 40  # fits a column of a terminal's table
        assert len({file.sha256 for file in info.files}) == len(info.files) in (0, 1, 4)
        assert info.likelihood in LIKELIHOODS
        assert all(len(file.sha256) == 64 for file in info.files)
        mirrors = [mirror for file in info.files for mirror in file.mirrors]
        assert all(mirror.startswith("https://") and mirror[-1] == "/" for mirror in mirrors)


def test_digits_are_sixteenths() -> None:
    train, official = DATASETS["digits"].read()
    truth = load_digits()
    assert official is None
    assert len(train) == DATASETS["digits"].train_examples
    assert train.shape == DATASETS["digits"].shape
    assert np.array_equal(train.values()[:, 0].numpy() * 16, truth.images)
    assert train.labels is not None
    assert np.array_equal(train.labels.numpy(), truth.target)


def test_cifar10_is_read_once_its_hash_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive of 20 examples a file stands for the published one."""
    monkeypatch.setenv("DISCRETEVAE_DATA", str(tmp_path))
    monkeypatch.setattr(sources, "CIFAR_ROWS", 20)
    (tmp_path / "cifar10").mkdir()
    path = tmp_path / "cifar10" / "cifar-10-binary.tar.gz"
    x, labels = random_images(120)
    write_archive(path, x, labels, rows=20)
    with pytest.raises(DataError, match="must have the SHA-256 c4a38c50a1bc"):
        DATASETS["cifar10"].read()
    assert not any(path.parent.glob("*/*"))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    published = RemoteFile("cifar10", path.name, digest, ())
    train, test = sources._read_cifar10(published)
    assert test is not None
    for part, rows in ((train, slice(100)), (test, slice(100, 120))):
        assert part.x.dtype == torch.uint8
        assert np.array_equal(part.x.numpy(), x[rows])
        assert part.labels is not None
        assert np.array_equal(part.labels.numpy(), labels[rows])


def test_availability_needs_every_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / "cache")
    monkeypatch.setenv("DISCRETEVAE_DATA", str(tmp_path))
    files = DATASETS["kmnist"].files
    (tmp_path / "kmnist").mkdir()
    for file in files:
        assert not is_available("kmnist")
        (tmp_path / "kmnist" / file.name).touch()
    assert is_available("kmnist")


def test_a_truncated_supplied_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISCRETEVAE_DATA", str(tmp_path))
    path = tmp_path / "mnist" / "train-images-idx3-ubyte.gz"
    path.parent.mkdir()
    path.write_bytes(b"\x1f\x8b\x08\x00")
    with pytest.raises(DataError, match="truncated or damaged") as caught:
        DATASETS["mnist"].read()
    assert str(path) in str(caught.value)


@needs_mnist
def test_mnist_has_its_published_moments() -> None:
    assert is_available("mnist")
    info = DATASETS["mnist"]
    train, official = info.read()
    assert official is not None
    assert (len(train), len(official)) == (info.train_examples, info.test_examples)
    assert train.shape == official.shape == info.shape
    x = train.x.double() / 255
    assert x.mean().item() == pytest.approx(0.13066, abs=5e-6)
    assert x.std(correction=0).item() == pytest.approx(0.30811, abs=5e-6)
    assert train.labels is not None
    assert train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
