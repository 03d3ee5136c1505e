"""How the lines of a file of text are laid out: titles, comments, names, rows."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from ..numbers import is_number
from ..plurals import plural
from ..reading import ReadingOptions
from .dialects import COMMENTS
from .headers import find_header, is_header
from .raw import Dialect, Note
from .units import find_units

__all__ = ["ODD", "Layout", "find_layout", "is_beside"]

ODD = 0.01
"""The share of lines with another number of cells that is left out; more are refused."""
RULE = re.compile(r"[\s|:+=-]*-{3}[\s|:+=-]*")
"""A line between names and rows."""


class Layout(NamedTuple):
    """How the lines of a file are laid out.

    Arguments:
        names: Of the columns.
        first: The lines before the first row.
        header: Whether the last of them names the columns.
        comments: What lines begin with that are none of the table, if there are such.
        trailing: Whether each row ends with a delimiter that the names have not.
        short: Whether rows may lack their last cells.
        units: The lines below the names that say in what units the columns are.
        notes: What was guessed.
    """

    names: list[str]
    first: int
    header: bool
    comments: str
    trailing: bool
    short: bool
    units: tuple[int, ...]
    notes: list[Note]

    def names_again(self, row: list[str]) -> bool:
        """Tells whether a row is the names of the columns once more."""
        if not self.header or len(self.names) < 2 or row[0].strip() != self.names[0]:
            return False
        return [cell.strip() for cell in row] == self.names

    def row(self, cells: list[str]) -> list[str]:
        """Gives the cells of a row as the names have them."""
        if self.trailing and len(cells) == len(self.names) + 1 and not cells[-1].strip():
            return cells[:-1]
        if self.short and 1 < len(cells) < len(self.names):
            return [*cells, *[""] * (len(self.names) - len(cells))]
        return cells


def find_layout(
    sample: list[tuple[int, list[str]]], reading: ReadingOptions, dialect: Dialect
) -> Layout:
    """Finds how the lines of a file are laid out, by the first of them.

    Arguments:
        sample: Numbers of lines, and their cells.
        reading: What the user says.
        dialect: What stands between cells.

    Example:
        >>> sample = [(1, ["a", "b"]), (2, ["1", "2"])]
        >>> find_layout(sample, ReadingOptions(), Dialect()).names
        ['a', 'b']
    """
    skipped = _preamble([row for _, row in sample])
    mark, above = _comments([row for _, row in sample[skipped:]], reading)
    first = skipped + above
    notes = [Note(f"{plural(first, 'line')} before the table left out")] if first else []
    table = sample[first:]
    if table and table[0][1][0] in COMMENTS:  # names after a mark and a blank
        table = [(table[0][0], table[0][1][1:]), *table[1:]]
    width = len(table[0][1]) if table else 0
    table = table[:1] + [
        (line, row) for line, row in table[1:]
        if not is_beside(row, mark, width, dialect.delimiter)
    ]  # fmt: skip
    trailing = _has_trailing([row for _, row in table])
    if trailing:
        table = [table[0], *((n, row[:-1]) for n, row in table[1:] if len(row) == width + 1)]
        notes.append(Note(f"the {dialect.delimiter} at the end of each line is left out"))
    names, header, said = find_header(table, reading)
    units = find_units(table[1:]) if header and reading.header == "auto" else ()
    if units:
        text = f"{plural(len(units), 'line')} of units or the like below the names left out"
        said = [*said, Note(text, "--header yes")]
    widths = [len(row) for _, row in table]
    fewer = sum(1 < w < len(names) for w in widths)
    short = fewer > max(2, ODD * len(widths)) and max(widths, default=0) <= len(names)
    notes += said
    return Layout(names, first + header, header, mark, trailing, short, units, notes)


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
    names = last == width and not is_header(
        below, [list(row) for row in rows[above + 1 :]], reading
    )
    return mark if above > names else "", above - names


def is_beside(row: Sequence[str], comments: str, width: int, delimiter: str) -> bool:
    """Tells whether a line is a comment, or a rule below the names as databases print it.

    Arguments:
        row: Its cells.
        comments: What comments begin with, if there are any.
        width: Cells of a row.
        delimiter: Between them.

    Example:
        >>> is_beside(["---+---"], "", 2, "|"), is_beside(["a", "b"], "", 2, ",")
        (True, False)
    """
    if row[0].startswith(comments or "#") and (comments or len(row) != width):
        return True
    return (delimiter == "|" or len(row) != width) and bool(RULE.fullmatch("".join(row)))


def _has_trailing(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the rows end with a delimiter, and the names above them do not."""
    if len(rows) < 2:
        return False
    longer = [row for row in rows[1:] if len(row) == len(rows[0]) + 1]
    return len(longer) > 0.9 * len(rows[1:]) and not any(row[-1].strip() for row in longer)


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
