"""Tables as text: .csv, .tsv and their relatives, however they were written."""

import csv
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

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
FOOTNOTES = 20
"""Lines with fewer cells that may follow a table."""
COMMENTS = ("#", "%", "//")
RULE = re.compile(r"[\s|:+=-]*-{3}[\s|:+=-]*")
"""A line between names and rows."""
QUOTED = re.compile(r'"[^"]*"')
COMMA_DECIMAL = re.compile(r"[+-]?\d+(?:,\d+)?")
WORDS = 4
"""Words from which a cell, or a line, is prose."""
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
    cells = _cells(path, dialect, reading)
    dialect = replace(dialect, header=bool(cells.form.header))
    columns = [
        RawColumn(name, list(different), np.array(places, np.int32))
        for name, different, places in zip(cells.form.names, cells.found, cells.places, strict=True)
    ]
    named, renamed = with_names_of_their_own(columns)
    notes = [
        *notes,
        *cells.notes,
        *_notes(dialect, path, len(columns)),
        *cells.form.notes,
        *renamed,
    ]
    return RawTable(
        str(path), path.stem, named, np.array(cells.lines), dialect=dialect, notes=tuple(notes)
    )


class _Form(NamedTuple):
    """How the lines of a file are laid out.

    Arguments:
        names: Of the columns.
        first: The lines before the first row.
        header: How many of them name the columns: one or none.
        comments: What lines begin with that are none of the table, if there are such.
        trailing: Whether each row ends with a delimiter that the names have not.
        short: Whether rows may lack their last cells.
        notes: What was guessed.
    """

    names: list[str]
    first: int
    header: int
    comments: str
    trailing: bool
    short: bool
    notes: list[Note]

    def row(self, cells: list[str]) -> list[str]:
        """Gives the cells of a row as the names have them."""
        if self.trailing and len(cells) == len(self.names) + 1 and not cells[-1].strip():
            return cells[:-1]
        if self.short and 1 < len(cells) < len(self.names):
            return [*cells, *[""] * (len(self.names) - len(cells))]
        return cells


class _Cells(NamedTuple):
    """The cells of a file: the different ones of each column, and which of them each row has."""

    form: _Form
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
    form = _form(list(islice(_rows(path, dialect, quotes), SAMPLE)), reading, path, dialect)
    width = len(form.names)
    found: list[dict[str, int]] = [{} for _ in form.names]
    places: list[list[int]] = [[] for _ in form.names]
    lines: list[int] = []
    odd: list[tuple[int, list[str]]] = []
    comments = filled = again = whole = 0
    for line, cells in islice(_rows(path, dialect, quotes), form.first, None):
        row = form.row(cells)
        if _is_beside(cells, form.comments, width, dialect.delimiter):
            comments += 1
            continue
        if form.header and width > 1 and [cell.strip() for cell in row] == form.names:
            again += 1
            continue
        if len(row) != width:
            odd.append((line, row))
            continue
        if len(cells) < width:
            filled += 1
        else:
            whole = line
        lines.append(line)
        for cell, different, where in zip(row, found, places, strict=True):
            where.append(different.setdefault(cell, len(different)))
    if not lines:
        _require_few([(line, len(row)) for line, row in odd[:1]], 0, width, path, reading)
        raise DataError(f"{path} must hold at least one row of cells, got none.")
    after = [row for line, row in odd if line > lines[-1] and len(row) < width][:FOOTNOTES]
    odd = odd[: len(odd) - len(after)]
    notes = []
    if filled > FOOTNOTES and lines[-filled] > whole:  # another table below
        _require_few([(lines[-filled], width - 1)], 0, width, path, reading)
    if again:
        notes.append(Note(f"{_lines(again)} with the names of the columns again left out"))
    if comments:
        notes.append(Note(f"{_lines(comments)} of comments or rules left out"))
    if filled:
        notes.append(Note(f"{_lines(filled)} with fewer cells: the last ones are missing"))
    if after:
        notes.append(Note(f"{_lines(len(after))} after the table left out"))
    if odd:
        _require_few([(line, len(row)) for line, row in odd], len(lines), width, path, reading)
        notes.append(
            Note(f"{_lines(len(odd))} with another number of cells left out: line {odd[0][0]}"
                 + " …" * (len(odd) > 1), "--strict refuses")
        )  # fmt: skip
    return _Cells(form, found, places, lines, notes)


def _form(
    sample: list[tuple[int, list[str]]], reading: ReadingOptions, path: Path, dialect: Dialect
) -> _Form:
    """Finds how the lines of a file are laid out, by the first of them."""
    skipped = _preamble([row for _, row in sample])
    mark, above = _comments([row for _, row in sample[skipped:]], reading)
    first = skipped + above
    notes = [Note(f"{_lines(first)} before the table left out")] if first else []
    table = sample[first:]
    if table and table[0][1][0] in COMMENTS:  # names after a mark and a blank
        table = [(table[0][0], table[0][1][1:]), *table[1:]]
    width = len(table[0][1]) if table else 0
    table = table[:1] + [
        (line, row) for line, row in table[1:]
        if not _is_beside(row, mark, width, dialect.delimiter)
    ]  # fmt: skip
    trailing = _has_trailing([row for _, row in table])
    if trailing:
        table = [table[0], *((n, row[:-1]) for n, row in table[1:] if len(row) == width + 1)]
        notes.append(Note(f"the {dialect.delimiter} at the end of each line is left out"))
    names, header, said = _header(table, reading, path)
    widths = [len(row) for _, row in table]
    fewer = sum(1 < w < len(names) for w in widths)
    short = fewer > max(2, ODD * len(widths)) and max(widths, default=0) <= len(names)
    return _Form(names, first + header, header, mark, trailing, short, [*notes, *said])


def _comments(rows: Sequence[Sequence[str]], reading: ReadingOptions) -> tuple[str, int]:
    """Finds what comments begin with, and how many lines of them are above the table.

    The last of them names the columns, where it has as many cells as the rows and the line below
    it is a row.
    """
    mark = next((m for m in COMMENTS if rows and rows[0] and rows[0][0].startswith(m)), "")
    above = next((i for i, row in enumerate(rows) if not row[0].startswith(mark)), len(rows))
    if not mark or above in (0, len(rows)):
        return "", 0
    width, _ = Counter(map(len, rows[above:])).most_common(1)[0]
    below = [cell.strip() for cell in rows[above]]
    last = len(rows[above - 1]) - (rows[above - 1][0] == mark)
    names = last == width and not _is_header(
        below, [list(row) for row in rows[above + 1 :]], reading
    )
    return mark if above > names else "", above - names


def _is_beside(row: Sequence[str], comments: str, width: int, delimiter: str) -> bool:
    """Whether a line is a comment, or a rule below the names as databases print it."""
    if row[0].startswith(comments or "#") and (comments or len(row) != width):
        return True
    return (delimiter == "|" or len(row) != width) and bool(RULE.fullmatch("".join(row)))


def _has_trailing(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the rows end with a delimiter, and the names above them do not."""
    if len(rows) < 2:
        return False
    longer = [row for row in rows[1:] if len(row) == len(rows[0]) + 1]
    return len(longer) > 0.9 * len(rows[1:]) and not any(row[-1].strip() for row in longer)


def looks_like_table(path: Path) -> bool:
    """Tells whether lines of text are rows of cells: all have as many, and they are no prose."""
    encoding, _ = encoding_of(path)
    with open_text(path, encoding) as file:
        lines = _without_comments(list(islice(file, SAMPLE)))
    if len(lines) < 3:
        return False
    if any(_fit(lines, sign) == 2 for sign in "\t|"):
        return True
    if _fit(lines, ";") == 2:
        cells = [cell for row in _split(lines, ";") for cell in row]
        return sum(len(cell.split()) for cell in cells) < WORDS * len(cells)
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
    lines = _without_comments(lines)
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


def _without_comments(lines: Sequence[str]) -> Sequence[str]:
    """The lines below those of comments that stand first."""
    above = next((i for i, line in enumerate(lines) if not line.startswith(COMMENTS)), 0)
    return lines[above:]


def _delimiter(lines: Sequence[str], path: Path) -> str:
    """The sign that gives most lines one and the same number of cells, the first one too."""
    usual = "\t" if path.suffix.lower() == ".tsv" else ","
    if _is_spaced(lines):
        return " "
    if (alone := _of_one_column(lines)) is not None:
        return alone
    scores = {sign: _fit(lines, sign) for sign in SIGNS}
    best = max(scores.values())
    if best <= 0:
        return " " if _fit(lines, " ") > 0.99 and _mostly_numbers(lines) else usual
    return next(sign for sign, score in scores.items() if score > best - 0.05)


def _of_one_column(lines: Sequence[str]) -> str | None:
    """A delimiter that is not in the lines, where commas are part of a single column.

    They are decimal signs below a name without one, or of sentences: followed by a blank, and
    not as many in each line.
    """
    unquoted, _, _ = QUOTED.sub("", "".join(lines)).partition('"')  # the last may be cut
    plain = [line.strip() for line in unquoted.splitlines() if line.strip()]
    if len(plain) < 3 or any(sign in line for line in plain for sign in ";\t|"):
        return None
    first, *rest = plain
    named = "," not in first and not is_number(first) and any("," in line for line in rest)
    if named and all(map(COMMA_DECIMAL.fullmatch, rest)):
        return ";"
    counts = [line.count(",") for line in plain]
    spaced = sum(line.count(", ") + line.endswith(",") for line in plain)
    words = sum(len(line.split()) for line in rest)
    vary = len(set(counts)) > 1
    prose = sum(counts) > 0 and spaced >= 0.9 * sum(counts) and words >= WORDS * len(rest)
    return "\t" if prose and vary and not _mostly_numbers(plain, ",") else None


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


def _rows(path: Path, dialect: Dialect, quotes: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not empty, with their lines.

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
        called = f"they are 1 … {len(names)}" if len(names) > 1 else "it is 1"
        text = f"no line names the columns: {called}"
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
    if _are_years(first) and not any(_are_years([c.strip() for c in row]) for row in rest):
        return True
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


def _are_years(cells: list[str]) -> bool:
    """Whether a line holds nothing but years, one after the other."""
    years = [int(cell) for cell in cells if WHOLE.fullmatch(cell)]
    return len(years) == len(cells) > 2 and _counts_up(cells) and 1800 <= years[0] < 2200


def _differs(first: list[str], rest: list[list[str]]) -> bool:
    """Whether a line of texts is not just another row: its cells do not recur below it."""
    if len(rest) < 10:
        return True
    columns = [[row[i].strip() for row in rest if i < len(row)] for i in range(len(first))]
    if any(map(_is_prose, [[cell] for cell in first], columns)):
        return False
    if any(find_style([c for c in set(column) if c]) for column in columns):
        return True
    if any(find_date_style(sorted(set(column))) for column in columns):
        return find_date_style(first) is None and not any(
            find_date_style([cell]) for cell in first if cell
        )
    recurring = [cell in column for cell, column in zip(first, columns, strict=True)]
    return sum(recurring) < 0.5 * len(recurring)


def _is_prose(cell: Sequence[str], below: Sequence[str]) -> bool:
    """Whether a cell is a sentence, as those below it are."""
    return all(
        sum(len(text.split()) for text in texts) >= WORDS * len(texts) > 0
        for texts in (cell, below)
    )


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


def _lines(count: int) -> str:
    return f"{count:,} line{'s' * (count != 1)}"
