"""The binary version of CIFAR-10."""

import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import UInt8

from ..errors import DataError

__all__ = ["read_cifar"]

SHAPE = (3, 32, 32)
ROW = 1 + 3 * 32 * 32
"""Bytes of an example: its label, then its pixels, channels first."""
CLASSES = 10


def read_cifar(
    path: Path, names: Sequence[str], rows: int
) -> tuple[UInt8[np.ndarray, "n 3 32 32"], UInt8[np.ndarray, " n"]]:
    """Returns the images and the labels in some files of a gzipped archive.

    Each example is one byte, its label, and 3,072 bytes, its red, green and blue values row by
    row. Nothing is unpacked to disk.

    Arguments:
        path: A file that ends in `.tar.gz`.
        names: Of the files, in whatever folder of the archive.
        rows: How many examples each has.

    Raises:
        DataError: If the archive cannot be read, lacks a file, or one is of another length or has
            a label above 9.

    Reference: Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
    """
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                name = PurePosixPath(member.name).name
                file = archive.extractfile(member) if name in names else None
                if file is not None:
                    found[name] = file.read(rows * ROW + 1)  # no more, whatever it unpacks to
    except (tarfile.TarError, OSError, EOFError, zlib.error):
        raise DataError(
            f"{path} must be a whole .tar.gz archive, got one truncated or damaged."
        ) from None
    parts = [_table(path, name, found.get(name), rows) for name in names]
    table = np.concatenate(parts)
    return table[:, 1:].reshape(-1, *SHAPE), table[:, 0]


def _table(path: Path, name: str, content: bytes | None, rows: int) -> np.ndarray:
    if content is None:
        raise DataError(f"{path} must hold {name}, got an archive without.")
    if len(content) != rows * ROW:
        more = "more" if len(content) > rows * ROW else f"{len(content):,}"
        raise DataError(f"{name} in {path} must have {rows * ROW:,} bytes, got {more}.")
    table = np.frombuffer(content, np.uint8).reshape(rows, ROW)
    if table[:, 0].max() >= CLASSES:
        raise DataError(
            f"{name} in {path} must have labels from 0 to {CLASSES - 1}, got {table[:, 0].max()}."
        )
    return table
