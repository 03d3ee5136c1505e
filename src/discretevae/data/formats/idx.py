"""IDX, the file format of MNIST and its relatives."""

import gzip
import hashlib
import math
import zlib
from pathlib import Path

import numpy as np

from ..errors import DataError

__all__ = ["read_idx"]


def read_idx(path: Path, shape: tuple[int, ...], sha256: str | None = None) -> np.ndarray:
    """Returns the unsigned bytes in a gzipped IDX file.

    The format is: two zero bytes, 8 for unsigned bytes, the number of dimensions, each size
    as four bytes with the highest first, then the values.

    Arguments:
        path: A file that ends in `.gz`.
        shape: What its header must say.
        sha256: The hash of the unzipped content, where it is known.

    Raises:
        DataError: If the file cannot be unzipped, or its header, length or hash is another.
    """
    most = 4 + 4 * len(shape) + math.prod(shape)
    try:
        with gzip.open(path) as file:
            content = file.read(most + 1)  # no more, whatever a bomb would unpack to
    except (OSError, EOFError, zlib.error):
        raise DataError(
            f"{path} must be a whole gzip file, got one truncated or damaged."
        ) from None
    header = bytes([0, 0, 8, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape)
    if not content.startswith(header):
        raise DataError(
            f"{path} must be an IDX file of bytes of shape {shape}, got another header."
        )
    values = np.frombuffer(content, np.uint8, offset=len(header))
    if len(values) != math.prod(shape):
        raise DataError(f"{path} must hold {math.prod(shape)} values, got {len(values)}.")
    found = hashlib.sha256(content).hexdigest()
    if sha256 not in (None, found):
        raise DataError(f"{path} must have content of SHA-256 {sha256}, got {found}.")
    return values.reshape(shape)
