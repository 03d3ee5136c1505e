"""Tables for a terminal of 80 columns."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from discretevae.texts import visible

__all__ = ["print_table", "table_of"]

WORDS = 12
"""Columns that a cell of words takes at least; longer words are parted."""


def table_of(title: str) -> Table:
    """Makes an empty table without lines between cells."""
    return Table(title=Text(title), box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)


def print_table(table: Table) -> None:
    """Prints a table on the standard output; brackets in a cell are brackets.

    It is wider than the terminal where a figure would be cut otherwise.
    """
    for column in table.columns:
        column._cells = [visible(c) if isinstance(c, str) else c for c in column._cells]
    console = Console(markup=False, emoji=False)
    console.width = max(console.width, _least_width(console, table))
    console.print(table)


def _least_width(console: Console, table: Table) -> int:
    """What a table takes whose figures are whole and whose words may be parted by lines."""
    wide = console.options.update(width=10_000)
    found = [(c, table._measure_column(console, wide, c)) for c in table.columns]
    cells = sum(size.maximum if c.no_wrap else min(size.minimum, WORDS) for c, size in found)
    return cells + table._extra_width
