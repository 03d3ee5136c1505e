"""How a file of text is encoded, and its lines."""

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..budget import TEXT, require_memory
from ..errors import DataError
from ..sizes import require_honest_size
from .raw import Note

__all__ = ["encoding_of", "open_text", "read_lines"]

BLOCK = 2**20
MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
NO_TEXT = "must be text in UTF-8, got other content; save it with that encoding."
OTHERS = {
    b"PK\x03\x04": "a zip archive or a workbook: unpack it, or save its sheet as .csv",
    b"\x1f\x8b": "gzip: call it .gz",
    b"BZh": "bzip2: unpack it",
    b"\xfd7zXZ": "xz: unpack it",
    b"PAR1": "Parquet: call it .parquet",
    b"\x93NUMPY": "an array of NumPy: call it .npy",
    b"\xd0\xcf\x11\xe0": "a workbook of Excel: save its sheet as .csv",
    b"%PDF": "a PDF",
    b"<!doctype html": "a web page: download the file itself",
    b"<html": "a web page: download the file itself",
    b"version https://git-lfs": "a pointer of Git LFS: fetch the file itself by `git lfs pull`",
    b"SQLite format": "a database of SQLite: export the table as .csv",
}
"""How files begin that are no text → what they are, and what to do."""
JSON = re.compile(rb'\{\s*"|\[\s*\{')
CONTROLS = bytes({*range(1, 32)} - {*b"\t\n\r\f\x1a"}) + b"\x7f"
STRAY = 0.2
"""The share of bytes up to which they are stray signs in a text."""


def encoding_of(
    path: Path, remedy: str = "; take some of its lines", *, json: bool = False
) -> tuple[str, list[Note]]:
    """Finds the encoding of a file: UTF-8, UTF-16 with its mark, else Windows-1252.

    Arguments:
        path: The file.
        remedy: What to do where it is too large.
        json: Whether it may be JSON.

    Raises:
        DataError: If it is no text, or does not fit into memory.
    """
    require_memory(TEXT * path.stat().st_size, str(path), remedy)
    with _open(path) as file:
        start = file.read(512)
    _require_text(path, start, json)
    if start[:2] in MARKS:
        return MARKS[start[:2]], [Note("read as UTF-16")]
    if (half := _half_of_utf16(start)) is not None:
        return half, [Note("read as UTF-16")]
    decoder, utf8, controls, zeros = codecs.getincrementaldecoder("utf-8")(), True, 0, 0
    total, packed = 0, path.stat().st_size
    with _open(path) as file:
        while block := file.read(BLOCK):
            total += len(block)
            require_honest_size(path, total, packed)
            if total > packed:
                require_memory(TEXT * total, f"{path}, unpacked,", remedy)
            zeros += block.count(b"\0")
            controls += len(block) - len(block.translate(None, CONTROLS))
            try:
                utf8 and decoder.decode(block)
            except UnicodeDecodeError:
                utf8 = False
    if zeros or controls > STRAY * total or (controls and not utf8):
        raise DataError(f"{path} {NO_TEXT}")
    if utf8:
        said = f"{controls:,} control characters, such as escape codes, are kept in their cells"
        return "utf-8-sig", [Note(said)] * bool(controls)
    try:
        with open_text(path, "cp1252") as file:
            while file.read(BLOCK):
                pass
    except UnicodeDecodeError:
        raise DataError(f"{path} {NO_TEXT}") from None
    return "cp1252", [Note("not in UTF-8: read as Windows-1252")]


def _require_text(path: Path, start: bytes, json: bool) -> None:
    """Refuses a file that only is called as one of text is.

    Raises:
        DataError: Naming what it is.
    """
    head = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for mark, what in OTHERS.items():
        if head.startswith(mark.lower()):
            raise DataError(f"{path} must be text, got {what}.")
    if not json and JSON.match(head):
        raise DataError(f"{path} must be text, got JSON: call it .json, or .jsonl if each line is.")


def _half_of_utf16(start: bytes) -> str | None:
    """The order of bytes of UTF-16 without a mark: every other byte of Latin letters is zero."""
    for offset, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        other = start[1 - offset :: 2]
        if start[offset::2].count(0) > 0.4 * len(start) and 0 not in other:
            return name
    return None


def read_lines(path: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """Iterates over the lines of a file, counted from 1, without their ends."""
    with open_text(path, encoding, newline=None) as file:
        yield from ((number, line.rstrip("\n")) for number, line in enumerate(file, 1))


@contextmanager
def open_text(path: Path, encoding: str, newline: str | None = "") -> Iterator[io.TextIOWrapper]:
    """Opens a file of text, unpacked where it is gzipped.

    Raises:
        DataError: If it is damaged.
    """
    try:
        with _open(path) as file, io.TextIOWrapper(file, encoding, newline=newline) as text:
            yield text
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise DataError(f"{path} must be a whole gzip file, got one damaged.") from None


def _open(path: Path) -> Any:
    return gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")
