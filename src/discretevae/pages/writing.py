"""Observations as text: sentences, and rows of a table."""

import csv
import io
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from discretevae.likelihoods import Likelihood
from discretevae.schema.columns import Cell
from discretevae.texts import for_csv

__all__ = ["MISSING", "ReadableRows", "Written", "as_cells", "as_csv", "as_text", "writes"]

MISSING = "–"
"""How a missing cell is written to be read."""


class Written(NamedTuple):
    """The names of the columns, and the cells of every row; one column for sentences."""

    header: tuple[str, ...]
    rows: list[list[Cell]]


def writes(likelihood: Likelihood) -> bool:
    """Tells whether observations are sentences or rows of a table, not numbers or images."""
    return likelihood.header is not None


def as_text(x: Tensor, likelihood: Likelihood) -> Written:
    """Writes observations (N, *shape) as the files that they came from have them.

    Raises:
        ValueError: If the likelihood is neither of tokens nor of columns.
    """
    return Written(likelihood.header or (), likelihood.written(x))


class ReadableRows(NamedTuple):
    """The names of the columns, and the text of every cell."""

    header: tuple[str, ...]
    rows: list[list[str]]


def as_cells(x: Tensor, likelihood: Likelihood) -> ReadableRows:
    """Writes observations (N, *shape) to be read: numbers rounded, a dash for a missing cell.

    Raises:
        ValueError: If the likelihood is neither of tokens nor of columns.
    """
    header, rows = as_text(x, likelihood)
    return ReadableRows(header, [[_cell(cell) for cell in row] for row in rows])


def _cell(cell: Cell) -> str:
    if cell is None:
        return MISSING
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)


def as_csv(header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    r"""Gives the text of a .csv file; a missing cell is empty, one that would run is marked.

    Example:
        >>> as_csv(("a", "b"), [[1.5, None], ["x, y", 2]])
        'a,b\n1.5,\n"x, y",2\n'
        >>> as_csv(("a",), [["=1+2"]])
        "a\n'=1+2\n"
    """
    return "".join(map(_line, (header, *rows)))


def _line(cells: Sequence[Cell]) -> str:
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\r\n")  # so that a cell with either is quoted
    writer.writerow([for_csv(cell) if isinstance(cell, str) else cell for cell in cells])
    return file.getvalue().removesuffix("\r\n") + "\n"
