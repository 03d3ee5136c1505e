"""What belongs to a row beside what a model sees of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64

__all__ = ["Keys"]


@dataclass(frozen=True, eq=False)
class Keys:
    """Says of every row which it is, so that a result can be joined to what it came from.

    Arguments:
        row: Where it stands in its source, counted from 0.
        columns: Name → what came in beside the row, a cell for each: ids, names of files, labels,
            columns that were not modelled, as they came.

    Example:
        >>> keys = Keys(np.arange(3), {"file": ["a.png", "b.png", "c.png"]})
        >>> keys.take([2, 0]).cells()
        {'row': [2, 0], 'file': ['c.png', 'a.png']}
    """

    row: Int64[np.ndarray, " n"]
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    @classmethod
    def of_rows(cls, rows: int) -> "Keys":
        """Numbers rows of which nothing else is known."""
        return cls(np.arange(rows))

    def __len__(self) -> int:
        return len(self.row)

    def take(self, index: Any) -> "Keys":
        """Gives the keys of some rows: a tensor, an array or a list of positions, or a slice."""
        if isinstance(index, torch.Tensor):
            index = index.numpy(force=True)
        places = np.arange(len(self))[index]
        columns = {name: [cells[i] for i in places] for name, cells in self.columns.items()}
        return Keys(self.row[places], columns)

    def cells(self) -> dict[str, list[Any]]:
        """Gives the columns of a file of results, the number of the row first."""
        name = "row" if "row" not in self.columns else "row number"
        return {name: self.row.tolist(), **{n: list(c) for n, c in self.columns.items()}}
