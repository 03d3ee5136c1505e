"""Tables for a terminal of 80 columns."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from discretevae.texts import visible

__all__ = ["print_table", "table_of"]


def table_of(title: str) -> Table:
    """Makes an empty table without lines between cells."""
    return Table(title=Text(title), box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)


def print_table(table: Table) -> None:
    """Prints a table on the standard output; brackets in a cell are brackets."""
    for column in table.columns:
        column._cells = [visible(c) if isinstance(c, str) else c for c in column._cells]
    Console(markup=False, emoji=False).print(table)
