"""The line that names the columns of a file of text, if there is one."""

import re
from collections.abc import Sequence

from ..dates import find_date_style
from ..numbers import find_style, is_number
from ..prose import is_prose
from ..reading import ReadingOptions
from .raw import Note

__all__ = ["find_header", "is_header"]

WHOLE = re.compile(r"[+-]?\d+")


def find_header(
    sample: Sequence[tuple[int, list[str]]], reading: ReadingOptions
) -> tuple[list[str], bool, list[Note]]:
    """Gives the names of the columns, whether the first line has them, and what was guessed.

    Arguments:
        sample: Numbers of lines, and their cells.
        reading: What the user says.

    Example:
        >>> find_header([(1, ["a", "b"]), (2, ["1", "2"])], ReadingOptions())
        (['a', 'b'], True, [])
    """
    if not sample:
        return [], False, []
    first, rest = [cell.strip() for cell in sample[0][1]], [row for _, row in sample[1:]]
    row_names = _has_row_names(first, rest)
    has = row_names or (
        reading.header == "yes" if reading.header != "auto" else is_header(first, rest, reading)
    )
    if not has:
        names = [str(i + 1) for i in range(len(first))]
        called = f"they are 1 … {len(names)}" if len(names) > 1 else "it is 1"
        text = f"no line names the columns: {called}"
        return names, False, [Note(text, "--header yes")]
    notes = []
    if any(map(is_number, first)):
        text = f"line {sample[0][0]} names the columns: {first[0] or first[1]} … {first[-1]}"
        notes.append(Note(text, "--header no"))
    first[0] = first[0].lstrip("#").strip()
    return ["", *first] if row_names else first, True, notes


def _has_row_names(first: list[str], rest: list[list[str]]) -> bool:
    """Whether each row starts with a name of its own above which there is none, as R writes it."""
    if len(rest) < 5 or any(len(row) != len(first) + 1 for row in rest):
        return False
    names = [row[0].strip() for row in rest]
    counted = names == [str(i) for i in range(1, len(names) + 1)]
    return len(set(names)) == len(names) and (counted or not any(map(is_number, names)))


def is_header(first: list[str], rest: list[list[str]], reading: ReadingOptions) -> bool:
    """Tells whether the cells of a first line name the columns of the rows below it."""
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
    pairs = list(zip(first, columns, strict=True))
    if any(is_prose([cell]) and is_prose(column) for cell, column in pairs):
        return False
    if any(find_style([c for c in set(column) if c]) for column in columns):
        return True
    if any(find_date_style(sorted(set(column))) for column in columns):
        return find_date_style(first) is None and not any(
            find_date_style([cell]) for cell in first if cell
        )
    recurring = [cell in column for cell, column in pairs]
    return sum(recurring) < 0.5 * len(recurring)
