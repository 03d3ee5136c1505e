"""The reader of CIFAR-10 on archives made here."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from discretevae.data import DataError
from discretevae.data.formats.cifar import read_cifar

from .cifar_archive import FILES, random_images, write_archive


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "cifar.tar.gz"
    write_archive(path, *random_images(12), rows=2)
    return path


def test_images_and_labels_come_back_in_the_order_that_is_asked_for(archive: Path) -> None:
    x, labels = random_images(12)
    found = read_cifar(archive, FILES, rows=2)
    assert np.array_equal(found[0], x)
    assert np.array_equal(found[1], labels)
    found = read_cifar(archive, [FILES[3], FILES[1]], rows=2)
    assert np.array_equal(found[0], x[[6, 7, 2, 3]])


@pytest.mark.parametrize(
    ("names", "rows", "message"),
    [
        (["other.bin"], 2, "must hold other.bin, got an archive without"),
        (FILES, 3, "must have 9,219 bytes, got 6,146"),
        (FILES, 1, "must have 3,073 bytes, got more"),
    ],
)
def test_other_files_are_refused(archive: Path, names: list[str], rows: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_cifar(archive, names, rows)


def test_labels_above_9_are_refused(tmp_path: Path) -> None:
    x, labels = random_images(12)
    write_archive(tmp_path / "cifar.tar.gz", x, labels + np.uint8(9), rows=2)
    with pytest.raises(DataError, match="must have labels from 0 to 9, got 1"):
        read_cifar(tmp_path / "cifar.tar.gz", FILES, rows=2)


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", gzip.compress(b"no archive" * 99, mtime=0)],
    ids=["empty", "text", "packed text"],
)
def test_damaged_archives_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cifar.tar.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"must be a whole \.tar\.gz archive"):
        read_cifar(path, FILES, rows=2)


def test_a_truncated_archive_is_refused(archive: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:-9000])
    with pytest.raises(DataError, match="truncated or damaged"):
        read_cifar(archive, FILES, rows=2)
