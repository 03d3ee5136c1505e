"""The named data sets."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from .arrays import examples_from_arrays
from .downloads import RemoteFile, fetch, find
from .examples import Examples
from .formats.idx import read_idx

__all__ = ["DATASETS", "DatasetInfo", "is_available"]

DIGITS = tuple("0123456789")
TYPES = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
SHAPES = ((60_000, 28, 28), (60_000,), (10_000, 28, 28), (10_000,))
# Of the unzipped content, so that a copy that was compressed anew is recognised too.
MNIST_CONTENT = (
    "6bbc9ace898e44ae57da46a324031adb",
    "a25bea736e30d166cdddb491f175f624",
    "2646ac647ad5339dbf082846283269ea",
    "27ae3e4e09519cfbb04c329615203637",
)


@dataclass(frozen=True)
class DatasetInfo:
    """Describes a named data set.

    Arguments:
        name: Its key in `DATASETS`.
        description: What it shows, in one line.
        shape: The shape of one observation.
        train_examples: How many examples to fit and to validate on.
        test_examples: How many in the official test set; 0 if there is none.
        classes: The name of each label.
        read: Returns the training set and the official test set, if there is one.
        page: Where it is described.
        licence: Its licence, where one is stated.
        files: What it is downloaded from; none if it comes with a dependency.

    Example:
        >>> DATASETS["mnist"].shape
        (1, 28, 28)
    """

    name: str
    description: str
    shape: tuple[int, ...]
    train_examples: int
    test_examples: int
    classes: tuple[str, ...]
    read: Callable[[], tuple[Examples, Examples | None]]
    page: str
    licence: str | None = None
    files: tuple[RemoteFile, ...] = ()


def is_available(name: str) -> bool:
    """Tells whether a named data set is on this machine already.

    Example:
        >>> is_available("digits")
        True
    """
    return all(find(file) for file in DATASETS[name].files)


def _read_digits() -> tuple[Examples, None]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = (bunch.images / 16).astype(np.float32)  # exact: sixteenths
    return examples_from_arrays(images, bunch.target)[0], None


def _read_idx_family(
    files: tuple[RemoteFile, ...], contents: tuple[str | None, ...]
) -> tuple[Examples, Examples]:
    arrays = [
        read_idx(fetch(file), shape, content)
        for file, shape, content in zip(files, SHAPES, contents, strict=True)
    ]
    return examples_from_arrays(*arrays[:2])[0], examples_from_arrays(*arrays[2:])[0]


def _idx_family(
    name: str,
    description: str,
    classes: tuple[str, ...],
    hashes: tuple[str, ...],
    mirrors: tuple[str, ...],
    page: str,
    licence: str | None,
    contents: tuple[str | None, ...] = (None,) * 4,
) -> DatasetInfo:
    """Describes a data set that is published as MNIST is: four files of the same shapes."""
    files = tuple(
        RemoteFile(name, f"{kind}-ubyte.gz", md5, mirrors)
        for kind, md5 in zip(TYPES, hashes, strict=True)
    )
    read = partial(_read_idx_family, files, contents)
    return DatasetInfo(
        name, description, (1, 28, 28), 60_000, 10_000, classes, read, page, licence, files
    )


_DIGITS = DatasetInfo(
    name="digits",
    description="handwritten digits, 8×8",
    shape=(1, 8, 8),
    train_examples=1797,
    test_examples=0,
    classes=DIGITS,
    read=_read_digits,
    page="https://archive.ics.uci.edu/dataset/80",
    licence="CC BY 4.0",
)
_MNIST = _idx_family(
    "mnist",
    "handwritten digits, 28×28",
    DIGITS,
    (
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "d53e105ee54ea40749a09fcbcd1e9432",
        "9fb629c4189551a2d022fa330f9573f3",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ),
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    "http://yann.lecun.com/exdb/mnist/",
    None,
    MNIST_CONTENT,
)
_FASHION = _idx_family(
    "fashion-mnist",
    "articles of clothing, 28×28",
    (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    (
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79",
        "bb300cfdad3c16e7a12a480ee83cd310",
    ),
    (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    "https://github.com/zalandoresearch/fashion-mnist",
    "MIT",
)
_KMNIST = _idx_family(
    "kmnist",
    "cursive Japanese characters, 28×28",
    ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    (
        "bdb82020997e1d708af4cf47b453dcf7",
        "e144d726b3acfaa3e44228e80efcd344",
        "5c965bf0a639b31b8f53240b1b52f4d7",
        "7320c461ea6c1c855c0b718fb2a4b134",
    ),
    (
        "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        "https://storage.googleapis.com/kuzushiji-mnist/",
    ),
    "https://github.com/rois-codh/kmnist",
    "CC BY-SA 4.0",
)

DATASETS: dict[str, DatasetInfo] = {
    info.name: info for info in (_DIGITS, _MNIST, _FASHION, _KMNIST)
}
