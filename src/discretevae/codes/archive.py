"""Compressed data as a file: what it says of itself, stacks of symbols, and a checksum."""

import hashlib
import json
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt32

from discretevae.codes.errors import CodesError
from discretevae.files import atomic_path

__all__ = ["Archive", "write_archive"]

MAGIC = b"\x89DVAE\r\n\x1a"
FORMAT = 1
DIGEST = 32
BLOCK = 2**20
HEADER = 2**16
"""Bytes of the header, at most."""


@contextmanager
def write_archive(
    path: str | Path, header: dict[str, Any]
) -> Iterator[Callable[[UInt32[np.ndarray, " words"]], None]]:
    """Writes a file of stacks, as a whole or not at all; gives what adds a stack.

    All numbers are little-endian: 8 bytes that say what it is, the length of the header (32 bits),
    the header as JSON, each stack as its length in words (32 bits) and its words (32 bits each),
    and the SHA-256 of all that.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "x.dvae"
        ...     with write_archive(path, {"kind": "test"}) as add:
        ...         add(np.array([1, 2], np.uint32))
        ...     archive = Archive(path)
        ...     archive.header["kind"], [stack.tolist() for stack in archive.stacks()]
        ('test', [[1, 2]])
    """
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        digest = hashlib.sha256()

        def put(data: bytes) -> None:
            file.write(data)
            digest.update(data)

        text = json.dumps({"format": FORMAT, **header}, separators=(",", ":")).encode()
        put(MAGIC + struct.pack("<I", len(text)) + text)
        yield lambda words: put(struct.pack("<I", len(words)) + words.astype("<u4").tobytes())
        file.write(digest.digest())


class Archive:
    """A file that `write_archive` wrote.

    Arguments:
        path: Where it is.

    Raises:
        CodesError: If it is missing, another file, truncated, damaged, or of another format.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise CodesError(f"`{self.path}` must be a compressed file, got none there.")
        self._require_whole()
        self.header = self._read_header()
        self.count = self._count_stacks()
        """How many stacks there are."""
        if self.header.get("format") != FORMAT:
            raise CodesError(
                f"`{self.path}` must be of format {FORMAT}, got {self.header.get('format')!r}."
            )

    def stacks(self) -> Iterator[UInt32[np.ndarray, " words"]]:
        """Iterates over the words of each stack."""
        end = self.path.stat().st_size - DIGEST
        with self.path.open("rb") as file:
            file.seek(self._start)
            while file.tell() < end:
                (words,) = struct.unpack("<I", file.read(4))
                yield np.frombuffer(file.read(4 * words), "<u4").astype(np.uint32)

    def _read_header(self) -> dict[str, Any]:
        """Reads what follows the mark; a whole file may be a stranger's all the same."""
        try:
            with self.path.open("rb") as file:
                file.read(len(MAGIC))
                (length,) = struct.unpack("<I", file.read(4))
                if length > HEADER:
                    raise ValueError
                header = json.loads(file.read(length))
                self._start = file.tell()
            if not isinstance(header, dict):
                raise ValueError
        except (ValueError, RecursionError, struct.error):
            raise CodesError(f"`{self.path}` must describe compressed data, got noise.") from None
        return header

    def _count_stacks(self) -> int:
        """Goes from stack to stack, each of which must lie in the file."""
        place, end, count = self._start, self.path.stat().st_size - DIGEST, 0
        with self.path.open("rb") as file:
            while place < end:
                file.seek(place)
                place += 4 + 4 * int.from_bytes(file.read(4), "little")
                count += 1
        if place != end:
            raise CodesError(f"`{self.path}` must hold whole stacks, got one cut short.")
        return count

    def _require_whole(self) -> None:
        left = self.path.stat().st_size - DIGEST
        digest = hashlib.sha256()
        with self.path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise CodesError(
                    f"`{self.path}` must be written by `discretevae compress`, got other content."
                )
            file.seek(0)
            while left > 0:
                data = file.read(min(left, BLOCK))
                digest.update(data)
                left -= len(data) or left
            if file.read() != digest.digest():
                raise CodesError(
                    f"`{self.path}` is truncated or damaged: its checksum does not fit."
                )
