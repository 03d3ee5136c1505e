"""The columns of a table: what training rows said of each, and the cells of a row as tensors."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor, nn

from discretevae.names import resolve, shorten
from discretevae.schema.quantiles import LOGISTIC_SCALE, Bins, Quantiles

__all__ = [
    "BinaryColumn",
    "CategoricalColumn",
    "Cell",
    "Cells",
    "Column",
    "DiscreteColumn",
    "NumericColumn",
    "QuantileColumn",
    "as_columns",
    "table_rows",
]

Cell = str | float | int | None
"""A cell as a file has it: None where it is missing."""


@dataclass(frozen=True)
class Column:
    """One column of a table; a row holds one number of it, NaN where the cell is missing."""

    name: str

    kind: ClassVar[str]

    def written(self, values: Float32[np.ndarray, " n"]) -> list[Cell]:
        """Gives cells as a file has them."""
        # The shortest number that is this one in float32: 0.1, not 0.10000000149.
        numbers = [float(str(v)) for v in values]
        return [None if math.isnan(v) else int(v) if v.is_integer() else v for v in numbers]

    def config(self) -> dict[str, Any]:
        """Describes the column in plain types."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        plain = {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}
        return {"kind": self.kind, **plain}

    def without_rare(self, cells: Tensor, least: int) -> "Column":
        """Leaves out what fewer cells than `least` have."""
        return self

    @property
    def values(self) -> tuple[str, ...]:
        """The names that its cells may have; none of numbers."""
        return ()


@dataclass(frozen=True)
class NumericColumn(Column):
    """Numbers in natural units, of which networks see (value − mean) / scale.

    Arguments:
        name: Of the column.
        mean: Of the training rows.
        scale: Their standard deviation; 1 where they are all alike.

    Raises:
        ValueError: If `mean` is not finite, or `scale` is not positive.
    """

    mean: float
    scale: float

    kind: ClassVar[str] = "numeric"

    def __post_init__(self) -> None:
        if not math.isfinite(self.mean):
            raise ValueError(f"`mean` of column '{self.name}' must be finite, got {self.mean}.")
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"`scale` of column '{self.name}' must be positive, got {self.scale}.")

    @property
    def bins(self) -> Bins | None:
        """How the numbers spread, where that is known."""
        return None


@dataclass(frozen=True)
class QuantileColumn(NumericColumn):
    """Numbers in natural units, of which it is known how the training rows spread.

    Edges part the line into bins, from below the first to above the last. A number that many
    rows share has a bin of its own, an atom.

    Arguments:
        name: Of the column.
        mean: Of the training rows.
        scale: Their standard deviation.
        edges: E ≥ 1 numbers that increase.
        shares: Of the rows in each of the E + 1 bins, all positive.
        centres: What stands for each bin: its middle, the atom, the mean of an open end.
        atoms: Which bins stand for one number alone.
        digits: After the decimal point, of all numbers; None where there is no limit.

    Raises:
        ValueError: If they do not fit together.

    Example:
        >>> QuantileColumn("children", 1.0, 1.0, (0.5, 1.5), (0.4, 0.3, 0.3), (0.0, 1.0, 2.5),
        ...     (True, True, False), 0).edges
        Traceback (most recent call last):
        ValueError: `atoms` of column 'children' must leave both ends open.
    """

    edges: tuple[float, ...]
    shares: tuple[float, ...]
    centres: tuple[float, ...]
    atoms: tuple[bool, ...]
    digits: int | None = None

    kind: ClassVar[str] = "quantiles"

    def __post_init__(self) -> None:
        super().__post_init__()
        bins = {len(self.edges) + 1, len(self.shares), len(self.centres), len(self.atoms)}
        of = f"of column '{self.name}' must"
        if not self.edges or len(bins) > 1:
            raise ValueError(f"`edges` {of} be one fewer than the bins, got {len(self.edges)}.")
        if not (
            np.isfinite(self.edges).all() and (np.diff(np.array(self.edges, np.float32)) > 0).all()
        ):
            raise ValueError(f"`edges` {of} be finite and increase, as float32 has them.")
        if not min(self.shares) > 0 or not abs(sum(self.shares) - 1) < 1e-6:
            raise ValueError(f"`shares` {of} be positive and sum to 1.")
        if self.atoms[0] or self.atoms[-1]:
            raise ValueError(f"`atoms` {of} leave both ends open.")
        low, high = np.array([-np.inf, *self.edges]), np.array([*self.edges, np.inf])
        if not ((low < self.centres) & (self.centres < high)).all():
            raise ValueError(f"`centres` {of} lie inside of their bins.")

    @property
    def bins(self) -> Bins:
        return Bins(self.edges, self.shares, self.centres, self.atoms, self.digits)


@dataclass(frozen=True)
class DiscreteColumn(Column):
    """A column whose cells are the index of one of its categories."""

    categories: tuple[str, ...]

    least: ClassVar[int]
    most: ClassVar[float]

    def written(self, values: Float32[np.ndarray, " n"]) -> list[Cell]:
        return [None if math.isnan(v) else self.categories[int(v)] for v in values]

    def __post_init__(self) -> None:
        count = len(self.categories)
        if len(set(self.categories)) != count or not self.least <= count <= self.most:
            many = "two" if self.most == self.least else f"at least {self.least}"
            raise ValueError(
                f"`categories` of {self.kind} column '{self.name}' must be {many}, all different, "
                f"got {shorten(str(list(self.categories)))}."
            )

    def without_rare(self, cells: Tensor, least: int) -> "DiscreteColumn":
        """Leaves out the names of categories that fewer cells have; their places stay.

        Example:
            >>> cells = torch.tensor([0.0] * 400 + [1.0])
            >>> BinaryColumn("owner", ("none", "Ada L.")).without_rare(cells, least=5).categories
            ('none', '(left out 1)')
        """
        counts = [int((cells == i).sum()) for i in range(len(self.categories))]
        names = [
            name if count >= least else f"(left out {i})"
            for i, (name, count) in enumerate(zip(self.categories, counts, strict=True))
        ]
        return replace(self, categories=tuple(names))

    @property
    def values(self) -> tuple[str, ...]:
        return self.categories


@dataclass(frozen=True)
class BinaryColumn(DiscreteColumn):
    """Cells of 0 and 1.

    Arguments:
        name: Of the column.
        categories: What 0 and what 1 stand for.

    Raises:
        ValueError: If they are not two different ones.
    """

    kind: ClassVar[str] = "binary"
    least: ClassVar[int] = 2
    most: ClassVar[float] = 2


@dataclass(frozen=True)
class CategoricalColumn(DiscreteColumn):
    """Cells of 0, 1, … K − 1.

    Arguments:
        name: Of the column.
        categories: What each index stands for.

    Raises:
        ValueError: If there is none, or two are alike.
    """

    kind: ClassVar[str] = "categorical"
    least: ClassVar[int] = 1
    most: ClassVar[float] = math.inf


_KINDS: dict[str, Callable[..., Column]] = {
    kind.kind: kind for kind in (NumericColumn, QuantileColumn, BinaryColumn, CategoricalColumn)
}


def as_columns(columns: Sequence[Column | Mapping[str, Any]]) -> tuple[Column, ...]:
    """Rebuilds columns from what :meth:`Column.config` gave; a column passes through.

    Raises:
        ValueError: If there is none, two have the same name, or one does not fit its kind.

    Example:
        >>> as_columns([{"kind": "binary", "name": "smoker", "categories": ["no", "yes"]}])
        (BinaryColumn(name='smoker', categories=('no', 'yes')),)
    """
    found = tuple(c if isinstance(c, Column) else _column(c) for c in columns)
    names = [column.name for column in found]
    if not names or len(set(names)) < len(names):
        raise ValueError(
            f"`columns` must be at least one, with names of their own, got {shorten(str(names))}."
        )
    return found


def _column(config: Mapping[str, Any]) -> Column:
    options = {k: tuple(v) if isinstance(v, list) else v for k, v in config.items()}
    kind = resolve("kind", str(options.pop("kind", None)), _KINDS)
    try:
        return kind(**options)
    except TypeError as error:
        raise ValueError(
            f"`columns` must describe columns, got {shorten(str(dict(config)))}: {error}."
        ) from None


def table_rows(x: Float32[Tensor, "n F"], columns: Sequence[Column]) -> list[list[Cell]]:
    """Returns rows as the cells of a table: numbers, categories, and nothing where one is missing.

    Arguments:
        x: Rows as models see them.
        columns: Those of the table.

    Example:
        >>> columns = NumericColumn("age", 40.0, 10.0), BinaryColumn("job", ("cook", "smith"))
        >>> table_rows(torch.tensor([[30.5, 1.0], [30.0, torch.nan]]), columns)
        [[30.5, 'smith'], [30, None]]
    """
    by_column = [column.written(x[:, i].numpy(force=True)) for i, column in enumerate(columns)]
    return [list(row) for row in zip(*by_column, strict=True)]


class Cells(nn.Module):
    r"""Reads rows x of F cells: N numeric ones as numbers, the others as one-hot vectors.

    The one-hot vectors of all binary, then of all categorical columns stand side by side: Q
    entries. Where a cell is missing (NaN), its number and its vector are 0, exactly, and so is
    any gradient.

    Arguments:
        columns: Those of the table, in its order.

    Example:
        >>> cells = Cells([NumericColumn("age", 40.0, 10.0), BinaryColumn("smoker", ("no", "yes"))])
        >>> x = torch.tensor([[50.0, 1.0], [torch.nan, 0.0]])
        >>> cells.numbers(x), cells.one_hot(x)
        (tensor([[1.],
                [0.]]), tensor([[0., 1.],
                [1., 0.]]))
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__()
        self.columns = tuple(columns)
        places = list(enumerate(self.columns))
        binary = [(i, c) for i, c in places if isinstance(c, BinaryColumn)]
        categorical = [(i, c) for i, c in places if isinstance(c, CategoricalColumn)]
        numeric = [(i, c) for i, c in places if isinstance(c, NumericColumn)]
        self.num_numeric, self.num_binary = len(numeric), len(binary)
        self.sizes = [len(c.categories) for _, c in categorical]
        """Categories of each categorical column."""
        self.discrete = [i for i, _ in (*binary, *categorical)]
        """The places in a row of the binary, then of the categorical columns."""
        owners = [(i, k) for i, c in (*binary, *categorical) for k in range(len(c.categories))]
        self.numeric: Tensor
        self.mean: Tensor
        self.scale: Tensor
        self.owner: Tensor
        self.category: Tensor
        for name, values, dtype in (
            ("numeric", [i for i, _ in numeric], torch.int64),  # places in a row
            ("mean", [c.mean for _, c in numeric], None),
            ("scale", [c.scale for _, c in numeric], None),
            ("owner", [i for i, _ in owners], torch.int64),  # of each of the Q entries
            ("category", [k for _, k in owners], torch.int64),
        ):
            self.register_buffer(name, torch.tensor(values, dtype=dtype), persistent=False)
        spreads = [c.bins for _, c in numeric]
        self.quantiles = Quantiles(spreads, [c.scale for _, c in numeric])

    def observed(self, x: Float[Tensor, "*B F"]) -> Bool[Tensor, "*B N"]:
        """Tells which of the numeric cells are there."""
        return ~x.index_select(-1, self.numeric).isnan()

    def numbers(self, x: Float[Tensor, "*B F"]) -> Float[Tensor, "*B N"]:
        """Gives the numeric cells, standardised; 0 where one is missing."""
        standardised = (x.index_select(-1, self.numeric) - self.mean) / self.scale
        return standardised.where(self.observed(x), 0)

    def natural(self, x: Float[Tensor, "*B F"]) -> Float[Tensor, "*B N"]:
        """Gives the numeric cells as they are; the mean where one is missing."""
        numbers = x.index_select(-1, self.numeric)
        return numbers.where(~numbers.isnan(), self.mean)

    def scores(self, x: Float[Tensor, "*B F"]) -> Float[Tensor, "*B N"]:
        """Gives the numeric cells by their place among the training rows, else standardised."""
        standardised = self.numbers(x)
        if not self.quantiles.any:
            return standardised
        found = self.quantiles.score(self.natural(x), self.scale)
        return (
            found.where(self.observed(x), 0).where(self.quantiles.known, standardised) / self.unit
        )

    @property
    def unit(self) -> Float[Tensor, " N"]:
        """The standard deviation of numbers of which h says that their scale is 1."""
        logistic = torch.full_like(self.scale, LOGISTIC_SCALE)
        return logistic.where(self.quantiles.known, torch.ones_like(logistic))

    def places(self, x: Float[Tensor, "*B F"]) -> Float[Tensor, "*B N"]:
        """Gives the numeric cells on the scale on which h has them; 0 where one is missing."""
        standardised = self.numbers(x)
        if not self.quantiles.any:
            return standardised
        found = self.quantiles.place(self.natural(x), self.scale)
        return found.where(self.observed(x), 0).where(self.quantiles.known, standardised)

    def one_hot(self, x: Float[Tensor, "*B F"]) -> Float[Tensor, "*B Q"]:
        """Marks the category of every other cell; nothing where one is missing."""
        return (x.index_select(-1, self.owner) == self.category).to(x.dtype)

    def by_category(self, q: Float[Tensor, "*B Q"]) -> list[Tensor]:
        """Parts what stands side by side: one tensor for each of the discrete columns."""
        return list(q.split([2] * self.num_binary + self.sizes, -1))

    def row(
        self, numbers: Float[Tensor, "*B N"], scores: Float[Tensor, "*B Q"]
    ) -> Float[Tensor, "*B F"]:
        """Makes rows of standardised numbers and the category of the largest score."""
        return self.natural_row(numbers * self.scale + self.mean, scores)

    def natural_row(
        self, numbers: Float[Tensor, "*B N"], scores: Float[Tensor, "*B Q"]
    ) -> Float[Tensor, "*B F"]:
        """Makes rows of numbers in natural units and the category of the largest score."""
        x = numbers.new_empty((*numbers.shape[:-1], len(self.columns)))
        x[..., self.numeric] = numbers
        for place, score in zip(self.discrete, self.by_category(scores), strict=True):
            x[..., place] = score.argmax(-1).to(x.dtype)
        return x
