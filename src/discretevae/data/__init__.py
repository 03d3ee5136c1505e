"""Named data sets and the user's files, as tensors in memory."""

from .arrays import examples_from_arrays
from .augmentation import Augmentation
from .batches import Batch, Batches, as_batch, share_of
from .binarize import BINARIZERS, Binarizer
from .blocks import Blocks, open_blocks
from .conditions import CONDITIONS, class_context, conditioned, num_classes, partly_labelled
from .errors import DataError
from .examples import Examples
from .files import read_file
from .loading import load
from .mixed_tables import MixedTable, load_table, read_rows, table_rows
from .seeding import generator
from .sources import DATASETS, DatasetInfo, is_available
from .splits import Splits, split, stream_split
from .streams import Stream, in_memory
from .text import TextSplits, load_text, read_sentences, text_examples

__all__ = [
    "BINARIZERS",
    "CONDITIONS",
    "DATASETS",
    "Augmentation",
    "Batch",
    "Batches",
    "Binarizer",
    "Blocks",
    "DataError",
    "DatasetInfo",
    "Examples",
    "MixedTable",
    "Splits",
    "Stream",
    "TextSplits",
    "as_batch",
    "class_context",
    "conditioned",
    "examples_from_arrays",
    "generator",
    "in_memory",
    "is_available",
    "load",
    "load_table",
    "load_text",
    "num_classes",
    "open_blocks",
    "partly_labelled",
    "read_file",
    "read_rows",
    "read_sentences",
    "share_of",
    "split",
    "stream_split",
    "table_rows",
    "text_examples",
]
