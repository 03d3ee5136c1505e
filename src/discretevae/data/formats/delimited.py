"""Tables as text: .csv, .tsv and their relatives, however they were written."""

import csv
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from ..dates import find_date_style
from ..errors import DataError
from ..numbers import COMMA, POINT, find_style, is_number
from ..reading import ReadingOptions
from .raw import Dialect, Note, RawColumn, RawTable, with_names_of_their_own
from .text_files import encoding_of, open_text

__all__ = ["find_dialect", "looks_like_table", "read_delimited"]

SAMPLE = 200
"""Lines by which a file is judged."""
SIGNS = ";\t|,"  # a comma last: it is a decimal sign too
ODD = 0.01
"""The share of lines with another number of cells that is left out; more are refused."""
WHOLE = re.compile(r"[+-]?\d+")
csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # a long cell is no damage


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
    rows = _rows(path, dialect)
    sample = list(islice(rows, SAMPLE))
    skipped = _preamble([row for _, row in sample])
    names, header, said = _header(sample[skipped:], reading, path)
    width = len(names)
    if skipped:
        notes.append(Note(f"{_lines(skipped)} before the table left out"))
    dialect, first = replace(dialect, header=bool(header)), skipped + header
    found: list[dict[str, int]] = [{} for _ in names]
    index: list[list[int]] = [[] for _ in names]
    lines: list[int] = []
    odd: list[tuple[int, int]] = []
    for line, row in islice(_rows(path, dialect), first, None):
        if len(row) != width:
            odd.append((line, len(row)))
            continue
        lines.append(line)
        for cell, different, places in zip(row, found, index, strict=True):
            places.append(different.setdefault(cell, len(different)))
    if odd:
        _require_few(odd, len(lines), width, path, reading)
        notes.append(
            Note(f"{_lines(len(odd))} with another number of cells left out: line {odd[0][0]}"
                 + " …" * (len(odd) > 1), "--strict refuses")
        )  # fmt: skip
    if not lines:
        raise DataError(f"{path} must hold at least one row of cells, got none.")
    columns = [
        RawColumn(name, list(different), np.array(places, np.int32))
        for name, different, places in zip(names, found, index, strict=True)
    ]
    named, renamed = with_names_of_their_own(columns)
    notes = [*notes, *_notes(dialect, path), *said, *renamed]
    return RawTable(
        str(path), path.stem, named, np.array(lines), dialect=dialect, notes=tuple(notes)
    )


def looks_like_table(path: Path) -> bool:
    """Tells whether lines of text are rows of cells: all have as many, and they are no prose."""
    encoding, _ = encoding_of(path)
    with open_text(path, encoding) as file:
        lines = list(islice(file, SAMPLE))
    if len(lines) < 3:
        return False
    if any(_fit(lines, sign) == 2 for sign in "\t;|"):
        return True
    spaced = [line.replace("\t", " ") for line in lines]
    return (_fit(lines, ",") == 2 and _mostly_numbers(lines, ",")) or (
        _fit(spaced, " ") == 2 and _mostly_numbers(spaced)
    )


def find_dialect(lines: Sequence[str], path: Path, reading: ReadingOptions) -> Dialect:
    """Finds what stands between cells and what is the decimal sign, in the first lines.

    Example:
        >>> find_dialect(["a;b\\n", "1,5;2\\n"], Path("t.csv"), ReadingOptions())
        Dialect(delimiter=';', decimal=',', header=True, encoding='utf-8', quote_all=False)
    """
    said = lines[0].strip().strip('"') if lines else ""
    if said.lower().startswith("sep=") and len(said) == 5:  # Excel's own first line
        delimiter = said[-1]
    else:
        delimiter = reading.delimiter or _delimiter(lines, path)
    rows = [row for row in _split(lines, delimiter) if row]
    decimal = reading.decimal or _decimal(rows, delimiter)
    quoted = [line.strip() for line in lines if line.strip()]
    quote_all = bool(quoted) and all(line[0] == line[-1] == '"' for line in quoted)
    return Dialect(delimiter, decimal, quote_all=quote_all)


def _delimiter(lines: Sequence[str], path: Path) -> str:
    """The sign that gives most lines one and the same number of cells, the first one too."""
    usual = "\t" if path.suffix.lower() == ".tsv" else ","
    if _is_spaced(lines):
        return " "
    scores = {sign: _fit(lines, sign) for sign in SIGNS}
    best = max(scores.values())
    if best <= 0:
        return " " if _fit(lines, " ") > 0.99 and _mostly_numbers(lines) else usual
    return next(sign for sign, score in scores.items() if score > best - 0.05)


def _is_spaced(lines: Sequence[str]) -> bool:
    """Whether cells stand in columns with spaces between them, and perhaps a tab."""
    spaced = [line.replace("\t", " ") for line in lines]
    cells = [cell for line in lines for cell in line.split("\t")]
    within = sum(len(cell.split()) > 2 for cell in cells) > 0.4 * len(cells)
    return within and _fit(spaced, " ") == 2 and _mostly_numbers(spaced)


def _fit(lines: Sequence[str], sign: str) -> float:
    """The share of lines with as many cells as most, one more where the first is of them."""
    widths = [len(row) for row in _split(lines, sign) if row]
    if not widths:
        return 0.0
    width, count = Counter(widths).most_common(1)[0]
    short = widths[0] == width - 1 and width > 2  # of rows that have names, as R writes them
    return 0.0 if width == 1 else (count + short) / len(widths) + (short or widths[0] == width)


def _mostly_numbers(lines: Sequence[str], sign: str = " ") -> bool:
    cells = [cell.strip() for row in _split(lines[1:], sign) for cell in row]
    return sum(map(is_number, cells)) > 0.5 * len(cells)


def _decimal(rows: Sequence[Sequence[str]], delimiter: str) -> str:
    """A comma, where cells are numbers with one and none is with a point."""
    if delimiter == ",":
        return "."
    cells = [cell.strip() for row in rows[1:] for cell in row]
    with_comma = [c for c in cells if "," in c and COMMA.number(c) is not None]
    with_point = [c for c in cells if "." in c and POINT.number(c) is not None]
    return "," if len(with_comma) > len(with_point) else "."


def _split(lines: Sequence[str], delimiter: str) -> Iterator[list[str]]:
    if delimiter == " ":
        lines = [line.replace("\t", " ") for line in lines]
    for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter == " "):
        yield row[:-1] if delimiter == " " and row and row[-1] == "" else row


def _rows(path: Path, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not empty, with their lines; without comments before the first."""
    spaces = dialect.delimiter == " "
    with open_text(path, dialect.encoding) as file:
        lines = (line.replace("\t", " ") for line in file) if spaces else file
        reader = csv.reader(lines, delimiter=dialect.delimiter, skipinitialspace=spaces)
        started = False
        for row in reader:
            if not started and row and row[0].lower().startswith("sep="):
                continue
            started = True
            row = row[:-1] if spaces and row and row[-1] == "" else row
            if row:
                yield reader.line_num, row


def _preamble(rows: Sequence[Sequence[str]]) -> int:
    """Counts the lines before the table: titles and comments, of another number of cells.

    A first line with one cell fewer names the columns of a file whose rows have names, as R
    writes it.
    """
    widths = Counter(map(len, rows))
    if not widths:
        return 0
    width, count = widths.most_common(1)[0]
    if count < 0.5 * len(rows) or width == 1:
        return 0
    first = next(i for i, row in enumerate(rows) if len(row) == width and not _is_title(row))
    if first and width > 2 and len(rows[first - 1]) == width - 1:
        first -= not any(map(is_number, rows[first - 1]))
    # A line of the table itself that is odd stays, to be counted or refused as one.
    titles = all(sum(map(bool, map(str.strip, r))) <= 1 or r[0][:1] == "#" for r in rows[:first])
    return first if titles and len(rows) > first + 1 else 0


def _is_title(row: Sequence[str]) -> bool:
    """Whether a line has one cell at most, with place for three: a spreadsheet's title."""
    return len(row) > 2 and sum(map(bool, map(str.strip, row))) <= 1


def _header(
    sample: Sequence[tuple[int, list[str]]], reading: ReadingOptions, path: Path
) -> tuple[list[str], int, list[Note]]:
    """Gives the names of the columns, how many lines they take, and what was guessed."""
    if not sample:
        return [], 0, []
    first, rest = [cell.strip() for cell in sample[0][1]], [row for _, row in sample[1:]]
    row_names = _has_row_names(first, rest)
    has = row_names or (
        reading.header == "yes" if reading.header != "auto" else _is_header(first, rest, reading)
    )
    if not has:
        names = [str(i + 1) for i in range(len(first))]
        text = f"no line names the columns: they are 1 … {len(names)}"
        return names, 0, [Note(text, "--header yes")]
    notes = []
    if any(map(is_number, first)):
        text = f"line {sample[0][0]} names the columns: {first[0] or first[1]} … {first[-1]}"
        notes.append(Note(text, "--header no"))
    first[0] = first[0].lstrip("#").strip()
    return ["", *first] if row_names else first, 1, notes


def _has_row_names(first: list[str], rest: list[list[str]]) -> bool:
    """Whether each row starts with a name of its own above which there is none, as R writes it."""
    if len(rest) < 5 or any(len(row) != len(first) + 1 for row in rest):
        return False
    names = [row[0].strip() for row in rest]
    counted = names == [str(i) for i in range(1, len(names) + 1)]
    return len(set(names)) == len(names) and (counted or not any(map(is_number, names)))


def _is_header(first: list[str], rest: list[list[str]], reading: ReadingOptions) -> bool:
    known = {*reading.named, *(name for name in (reading.label, reading.column) if name)}
    if known & set(first) or any(name.lower() in ("label", "labels") for name in first):
        return True
    if not any(map(is_number, first)):
        return _differs(first, rest)
    names = first[1:] if first[0] == "" else first
    if names == [str(i) for i in range(len(names))] and len(names) > 1:
        few = {str(i) for i in range(len(names))}
        cells = {cell.strip() for row in rest for cell in row[len(first) - len(names) :]}
        return len(names) >= 8 or not cells <= few
    # Years and the like name columns where others stand beside text that has numbers below.
    plain = all(WHOLE.fullmatch(c) or not is_number(c) for c in first)
    texts = [i for i, cell in enumerate(first) if not is_number(cell)]
    below = [[row[i] for row in rest if i < len(row) and row[i].strip()] for i in texts]
    if plain and any(cells and all(map(is_number, cells)) for cells in below):
        return True
    return (
        plain
        and bool(texts)
        and _counts_up(first)
        and not any(first[i] in cells for i, cells in zip(texts, below, strict=True))
    )


def _counts_up(first: list[str]) -> bool:
    """Whether the numbers of a line are whole ones in a row, such as years."""
    numbers = [int(cell) for cell in first if WHOLE.fullmatch(cell)]
    return len(numbers) > 1 and numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def _differs(first: list[str], rest: list[list[str]]) -> bool:
    """Whether a line of texts is not just another row: its cells do not recur below it."""
    if len(rest) < 10:
        return True
    columns = [[row[i].strip() for row in rest if i < len(row)] for i in range(len(first))]
    if any(find_style([c for c in set(column) if c]) for column in columns):
        return True
    if any(find_date_style(sorted(set(column))) for column in columns):
        return find_date_style(first) is None and not any(
            find_date_style([cell]) for cell in first if cell
        )
    recurring = [cell in column for cell, column in zip(first, columns, strict=True)]
    return sum(recurring) < 0.5 * len(recurring)


def _require_few(
    odd: list[tuple[int, int]], rows: int, width: int, path: Path, reading: ReadingOptions
) -> None:
    line, found = odd[0]
    if reading.strict or len(odd) > ODD * (rows + len(odd)):
        raise DataError(f"{path}, line {line}: must have {width} cells, got {found}.")


def _notes(dialect: Dialect, path: Path) -> list[Note]:
    usual = "\t" if path.suffix.lower() == ".tsv" else ","
    notes = []
    if dialect.delimiter != usual:
        sign = {"\t": "tabs", " ": "spaces"}.get(dialect.delimiter, dialect.delimiter)
        notes.append(Note(f"cells are separated by {sign}", "--delimiter"))
    if dialect.decimal == ",":
        notes.append(Note("the decimal sign is a comma", "--decimal"))
    return notes


def _lines(count: int) -> str:
    return f"{count:,} line{'s' * (count != 1)}"
