"""Named data sets and the user's files, as tensors in memory."""

from .arrays import examples_from_arrays
from .augmentation import Augmentation
from .batches import Batch, Batches, as_batch
from .binarize import BINARIZERS, Binarizer
from .errors import DataError
from .examples import Examples
from .files import read_file
from .loading import load
from .seeding import generator
from .sources import DATASETS, DatasetInfo, is_available
from .splits import Splits, split

__all__ = [
    "BINARIZERS",
    "DATASETS",
    "Augmentation",
    "Batch",
    "Batches",
    "Binarizer",
    "DataError",
    "DatasetInfo",
    "Examples",
    "Splits",
    "as_batch",
    "examples_from_arrays",
    "generator",
    "is_available",
    "load",
    "read_file",
    "split",
]
