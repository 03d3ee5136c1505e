"""Tables as text: .csv, .tsv and their relatives, however they were written."""

import csv
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import DataError
from ..plurals import plural
from ..reading import ReadingOptions
from .cell_rows import cell_rows
from .dialects import SAMPLE, find_dialect
from .layouts import ODD, Layout, find_layout, is_beside
from .raw import Dialect, Note, RawColumn, RawTable, with_names_of_their_own
from .text_files import encoding_of, open_text

__all__ = ["read_delimited"]

FOOTNOTES = 20
"""Lines with fewer cells that may follow a table."""


def read_delimited(path: Path, reading: ReadingOptions | None = None) -> RawTable:
    """Returns the table in a file of text: its delimiter, header and decimal sign are found.

    Raises:
        DataError: If it is no text, holds no row, or many lines have another number of cells.
    """
    reading = reading or ReadingOptions()
    encoding, notes = encoding_of(path, "; write it as .parquet for --stream, or take some lines")
    try:
        return _read(path, reading, encoding, notes)
    except csv.Error as error:
        raise DataError(f"{path} must be a table as text in UTF-8, got: {error}.") from None


def _read(path: Path, reading: ReadingOptions, encoding: str, notes: list[Note]) -> RawTable:
    with open_text(path, encoding) as file:
        dialect = find_dialect(list(islice(file, SAMPLE)), path, reading)
    dialect = replace(dialect, encoding=encoding)
    cells = _cells(path, dialect, reading)
    layout = cells.layout
    dialect = replace(dialect, header=layout.header)
    columns = [
        RawColumn(name, list(different), np.array(where, np.int32))
        for name, different, where in zip(layout.names, cells.found, cells.places, strict=True)
    ]
    named, renamed = with_names_of_their_own(columns)
    notes = [
        *notes,
        *cells.notes,
        *_notes(dialect, path, len(columns)),
        *layout.notes,
        *renamed,
    ]
    return RawTable(
        str(path), path.stem, named, np.array(cells.lines), dialect=dialect, notes=tuple(notes)
    )


class _Cells(NamedTuple):
    """The cells of a file: the different ones of each column, and which of them each row has."""

    layout: Layout
    found: list[dict[str, int]]
    places: list[list[int]]
    lines: list[int]
    notes: list[Note]


def _cells(path: Path, dialect: Dialect, reading: ReadingOptions) -> _Cells:
    """Reads cells; where quotes are not closed as they must be, as most rows come out whole."""
    for quotes in ("strict", "escaped"):
        try:
            return _cells_by(path, dialect, reading, quotes)
        except csv.Error:
            continue
    tried: list[_Cells | DataError] = []
    for quotes in ("lenient", "lines"):
        try:
            tried.append(_cells_by(path, dialect, reading, quotes))
        except DataError as error:
            tried.append(error)
    lenient, by_line = tried
    if isinstance(by_line, _Cells):
        best = 0 if isinstance(lenient, DataError) else len(lenient.lines)
        if len(by_line.lines) > best:
            note = Note("quotes that are not closed are taken as they stand, line by line")
            return by_line._replace(notes=[note, *by_line.notes])
    if isinstance(lenient, DataError):
        raise lenient
    return lenient


def _cells_by(path: Path, dialect: Dialect, reading: ReadingOptions, quotes: str) -> _Cells:
    sample = list(islice(cell_rows(path, dialect, quotes), SAMPLE))
    layout = find_layout(sample, reading, dialect)
    width = len(layout.names)
    found: list[dict[str, int]] = [{} for _ in layout.names]
    places: list[list[int]] = [[] for _ in layout.names]
    lines: list[int] = []
    odd: list[tuple[int, int]] = []  # lines, and how many cells they have
    comments = filled = again = whole = 0
    for line, cells in islice(cell_rows(path, dialect, quotes), layout.first, None):
        row = layout.row(cells)
        if line in layout.units:
            continue
        if is_beside(cells, layout.comments, width, dialect.delimiter):
            comments += 1
            continue
        if layout.names_again(row):
            again += 1
            continue
        if len(row) != width:
            odd.append((line, len(row)))
            continue
        if len(cells) < width:
            filled += 1
        else:
            whole = line
        lines.append(line)
        for cell, different, where in zip(row, found, places, strict=True):
            where.append(different.setdefault(cell, len(different)))
    if not lines:
        _require_few(odd, 0, width, path, reading)
        raise DataError(f"{path} must hold at least one row of cells, got none.")
    after = sum(line > lines[-1] and cells < width for line, cells in odd)
    after = min(after, FOOTNOTES)
    odd = odd[: len(odd) - after]
    if filled > FOOTNOTES and lines[-filled] > whole:  # another table below
        _require_few([(lines[-filled], width - 1)], 0, width, path, reading)
    _require_few(odd, len(lines), width, path, reading)
    said = {
        "with the names of the columns again left out": again,
        "of comments or rules left out": comments,
        "with fewer cells: the last ones are missing": filled,
        "after the table left out": after,
    }
    notes = [Note(f"{plural(n, 'line')} {what}") for what, n in said.items() if n]
    if odd:
        lines_of_others = f"{plural(len(odd), 'line')} with another number of cells left out"
        first = f"line {odd[0][0]}{' …' * (len(odd) > 1)}"
        notes.append(Note(f"{lines_of_others}: {first}", "--strict refuses"))
    return _Cells(layout, found, places, lines, notes)


def _require_few(
    odd: list[tuple[int, int]], rows: int, width: int, path: Path, reading: ReadingOptions
) -> None:
    if not odd:
        return
    line, found = odd[0]
    if reading.strict or len(odd) > ODD * (rows + len(odd)):
        raise DataError(f"{path}, line {line}: must have {width} cells, got {found}.")


def _notes(dialect: Dialect, path: Path, columns: int) -> list[Note]:
    usual = "\t" if path.suffix.lower() == ".tsv" else ","
    notes = []
    if dialect.delimiter != usual and columns > 1:
        sign = {"\t": "tabs", " ": "spaces"}.get(dialect.delimiter, dialect.delimiter)
        notes.append(Note(f"cells are separated by {sign}", "--delimiter"))
    if dialect.decimal == ",":
        notes.append(Note("the decimal sign is a comma", "--decimal"))
    return notes
