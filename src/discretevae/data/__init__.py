"""Named data sets and the user's files, as tensors in memory."""

from .arrays import examples_from_arrays
from .augmentation import Augmentation
from .batches import Batch, Batches, as_batch, share_of
from .binarize import BINARIZERS, Binarizer
from .blocks import Blocks, open_blocks
from .conditions import CONDITIONS, class_context, conditioned, num_classes, partly_labelled
from .errors import DataError
from .examples import Examples, as_values
from .files import read_file
from .given import BINARIZE_FOR, given, given_splits, given_whole
from .keys import Keys
from .loading import binarized, is_local, load
from .mixed_tables import MixedTable, load_table, read_rows, table_rows
from .opening import FILE_FORMATS, learn_schema, open_source, read_by
from .reading import ReadingOptions
from .schema import Loaded, Schema, schema_from_config
from .seeding import generator
from .sources import DATASETS, DatasetInfo, is_available
from .splits import Splits, split, stream_split
from .streams import Stream, in_memory
from .text import TextSplits, load_text, read_sentences, text_examples

__all__ = [
    "BINARIZERS",
    "BINARIZE_FOR",
    "CONDITIONS",
    "DATASETS",
    "FILE_FORMATS",
    "Augmentation",
    "Batch",
    "Batches",
    "Binarizer",
    "Blocks",
    "DataError",
    "DatasetInfo",
    "Examples",
    "Keys",
    "Loaded",
    "MixedTable",
    "ReadingOptions",
    "Schema",
    "Splits",
    "Stream",
    "TextSplits",
    "as_batch",
    "as_values",
    "binarized",
    "class_context",
    "conditioned",
    "examples_from_arrays",
    "generator",
    "given",
    "given_splits",
    "given_whole",
    "in_memory",
    "is_available",
    "is_local",
    "learn_schema",
    "load",
    "load_table",
    "load_text",
    "num_classes",
    "open_blocks",
    "open_source",
    "partly_labelled",
    "read_by",
    "read_file",
    "read_rows",
    "read_sentences",
    "schema_from_config",
    "share_of",
    "split",
    "stream_split",
    "table_rows",
    "text_examples",
]
