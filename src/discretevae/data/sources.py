"""The named data sets."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from .arrays import examples_from_arrays
from .downloads import RemoteFile, fetch, find
from .examples import Examples
from .formats.cifar import read_cifar
from .formats.idx import read_idx
from .photos import read_photos, read_photos_to_validate

__all__ = ["DATASETS", "DatasetInfo", "is_available"]

DIGITS = tuple("0123456789")
TYPES = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
SHAPES = ((60_000, 28, 28), (60_000,), (10_000, 28, 28), (10_000,))
# SHA-256 of the unzipped content, so that a copy that was compressed anew is recognised too.
MNIST_CONTENT = (
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
)
CIFAR_TRAIN = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
CIFAR_TEST = ("test_batch.bin",)
CIFAR_ROWS = 10_000


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
        likelihood: What suits it where nothing else is asked for.
        read_validation: Returns the examples to validate on, where none to train on may be taken
            for it, at random, because they overlap.

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
    likelihood: str = "bernoulli"
    read_validation: Callable[[], Examples] | None = None


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


def _read_idx_family(files: tuple[RemoteFile, ...]) -> tuple[Examples, Examples]:
    arrays = [
        read_idx(fetch(file), shape, file.content)
        for file, shape in zip(files, SHAPES, strict=True)
    ]
    return examples_from_arrays(*arrays[:2])[0], examples_from_arrays(*arrays[2:])[0]


def _read_cifar10(file: RemoteFile) -> tuple[Examples, Examples]:
    path = fetch(file)
    train, test = (read_cifar(path, names, CIFAR_ROWS) for names in (CIFAR_TRAIN, CIFAR_TEST))
    return examples_from_arrays(*train)[0], examples_from_arrays(*test)[0]


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
        RemoteFile(name, f"{kind}-ubyte.gz", sha256, mirrors, content)
        for kind, sha256, content in zip(TYPES, hashes, contents, strict=True)
    )
    read = partial(_read_idx_family, files)
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
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
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
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
    (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ),
    "https://github.com/zalandoresearch/fashion-mnist",
    "MIT",
)
_KMNIST = _idx_family(
    "kmnist",
    "cursive Japanese characters, 28×28",
    ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    (
        "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
        "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
        "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
        "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
    ),
    (
        "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        "https://storage.googleapis.com/kuzushiji-mnist/",
    ),
    "https://github.com/rois-codh/kmnist",
    "CC BY-SA 4.0",
)

_PHOTOS = DatasetInfo(
    name="photos",
    description="crops of two photographs, 32×32",
    shape=(3, 32, 32),
    train_examples=13_464,
    test_examples=104,
    classes=("temple", "dahlia"),
    read=read_photos,
    page="https://scikit-learn.org/stable/datasets/loading_other_datasets.html",
    licence="CC BY 2.0",
    likelihood="discretised-logistic",
    read_validation=read_photos_to_validate,
)
_CIFAR_FILE = RemoteFile(
    "cifar10",
    "cifar-10-binary.tar.gz",
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    ("https://www.cs.toronto.edu/~kriz/",),
)
_CIFAR = DatasetInfo(
    name="cifar10",
    description="small photographs, 32×32",
    shape=(3, 32, 32),
    train_examples=50_000,
    test_examples=10_000,
    classes=(
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ),
    read=partial(_read_cifar10, _CIFAR_FILE),
    page="https://www.cs.toronto.edu/~kriz/cifar.html",
    files=(_CIFAR_FILE,),
    likelihood="discretised-logistic",
)

DATASETS: dict[str, DatasetInfo] = {
    info.name: info for info in (_DIGITS, _MNIST, _FASHION, _KMNIST, _PHOTOS, _CIFAR)
}
