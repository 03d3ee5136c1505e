"""The lines of a file as rows of cells, however its quotes stand."""

import csv
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .raw import Dialect
from .text_files import open_text

__all__ = ["cell_rows"]

csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # a long cell is no damage


def cell_rows(path: Path, dialect: Dialect, quotes: str) -> Iterator[tuple[int, list[str]]]:
    """Iterates over rows that are not empty, with the numbers of their lines.

    Quotes are strict, escaped by a backslash, lenient, or closed at the end of each line at last.
    """
    spaces = dialect.delimiter == " "
    with open_text(path, dialect.encoding) as file:
        lines = (line.replace("\t", " ") for line in file) if spaces else file
        started = False
        for number, row in _parsed(lines, dialect.delimiter, quotes):
            if not started and row and row[0].lower().startswith("sep="):
                continue
            started = True
            row = row[:-1] if spaces and row and row[-1] == "" else row
            if row:
                yield number, row


def _parsed(lines: Iterable[str], delimiter: str, quotes: str) -> Iterator[tuple[int, list[str]]]:
    spaces = delimiter == " "
    if quotes == "lines":
        for number, line in enumerate(lines, 1):
            quoting: Any = csv.QUOTE_NONE if line.count('"') % 2 else csv.QUOTE_MINIMAL
            parts = csv.reader(
                [line], delimiter=delimiter, skipinitialspace=spaces, quoting=quoting
            )
            yield from ((number, row) for row in parts)
        return
    reader = csv.reader(
        lines,
        delimiter=delimiter,
        skipinitialspace=spaces,
        strict=quotes != "lenient",
        escapechar="\\" if quotes == "escaped" else None,
    )
    for row in reader:
        yield reader.line_num, row
