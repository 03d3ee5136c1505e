"""What stands between the cells of a file of text, and what is the decimal sign."""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from ..numbers import COMMA, POINT, is_number
from ..prose import is_prose
from ..reading import ReadingOptions
from .raw import Dialect
from .text_files import encoding_of, open_text

__all__ = ["COMMENTS", "SAMPLE", "find_dialect", "looks_like_table"]

SAMPLE = 200
"""Lines by which a file is judged."""
COMMENTS = ("#", "%", "//")
"""What lines begin with that are none of the table."""
SIGNS = ";\t|,"  # a comma last: it is a decimal sign too
QUOTED = re.compile(r'"[^"]*"')
COMMA_DECIMAL = re.compile(r"[+-]?\d+(?:,\d+)?")


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
        return not is_prose([cell for row in _split(lines, ";") for cell in row])
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
    vary = len(set(counts)) > 1
    prose = sum(counts) > 0 and spaced >= 0.9 * sum(counts) and is_prose(rest)
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
