"""What the numbers of an array mean: its layout, its levels, its units."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from discretevae.schema.columns import NumericColumn

from .arrays import require_shape, values_from_array
from .errors import DataError
from .examples import Examples, as_values
from .formats.images import PictureRule
from .formats.raw import Note, RawTable
from .formats.raw_array import RawArray
from .keys import Keys
from .labels import LabelRule
from .missing import Marks
from .reading import GUESS, ReadingOptions
from .schema import Loaded, Rows, Schema, common_from_config, register
from .suspects import note_of_suspects
from .table_schema import TableSchema

__all__ = ["ArraySchema", "channels_of"]

SAMPLE = 2**24
"""Values that are looked at to tell bits from levels."""
DRAWING = 0.5
"""The share of values within 5 % of 0 or 1 from which images are drawings, not photographs."""
WIDE = 64
"""Numbers a row from which whole ones up to 255 are taken for levels."""
MOST_COLUMNS = 256
LEVELS = (255, 1023, 4095, 16383, 65535)
LAYOUTS = ("vectors", "grey", "channels-first", "channels-last")


@register
@dataclass(frozen=True)
class ArraySchema(Schema):
    """What was taken for what in an array or a folder of images.

    Observations are (value / `one` − `location`) / `scale`, channel by channel.

    Arguments:
        row_shape: The shape of one observation as it is stored.
        layout: A name in `LAYOUTS`.
        one: The level that stands for 1; 1 where numbers are as they are.
        binary: Whether all are 0 or 1.
        drawing: Whether most values are close to 0 or 1.
        gaps: Whether a number may be missing.
        unit: Whether all lie in [0, 1].
        location: Of each channel, where values are standardised.
        scale: Of each channel, where values are standardised.
        columns: Of the numbers of a row, where each is taken by itself.
        pictures: How images become arrays, of a folder of them.
        table: How the columns of a table become the numbers of a row.

    Example:
        >>> array = RawArray("`x`", "x", np.eye(4, dtype=np.uint8))
        >>> print(ArraySchema.learn(array))
        x: 4 rows of 4 numbers
        values: 0 and 1
        likelihood: bernoulli (--likelihood)
    """

    row_shape: tuple[int, ...]
    layout: str
    one: float = 1.0
    binary: bool = False
    drawing: bool = False
    gaps: bool = False
    unit: bool = True
    location: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    columns: tuple[NumericColumn, ...] = ()
    pictures: PictureRule | None = None
    table: TableSchema | None = None

    kind: ClassVar[str] = "array"

    @classmethod
    def learn(
        cls,
        array: RawArray,
        rows: Rows | None = None,
        reading: ReadingOptions = GUESS,
        *,
        likelihood: str | None = None,
        table: TableSchema | None = None,
    ) -> "ArraySchema":
        """Finds out what the numbers of an array are.

        Arguments:
            array: The array.
            rows: Those to train on, from which scales are learned; by default all.
            reading: What the user says.
            likelihood: That is asked for.
            table: How the columns of a table became this array.

        Raises:
            DataError: If the dimensions or the type do not fit, or a value is no finite number.
        """
        x, where = array.x, array.where
        _require_numbers(x, where)
        layout = _layout(x.shape[1:], reading)
        notes = [*array.notes]
        if array.pictures is None:
            notes += _of_layout(layout, x.shape[1:], reading)
        may = likelihood in (None, "columns") and x.dtype.kind == "f" and x.ndim == 2
        gaps = may and bool(np.isnan(x).any())
        if x.dtype.kind == "f" and not gaps:
            _require_finite(x, where)
        _require_different(x, where)
        low, high, whole = _range(x)
        one = float(reading.levels) if reading.levels else _one(x, low, high, whole)
        some = _some(x).astype(np.float32) / one
        near = np.abs(some - np.round(some.clip(0, 1))) <= 0.05
        unit = low >= 0 and high / one <= 1
        marks = Marks(reading.na_values)
        labels = (
            None
            if array.labels is None
            else LabelRule.of(array.labels, marks.of(array.labels.name), where)
        )
        schema = cls(
            array.name, len(x), tuple(x.shape[1:]), layout, one,
            binary=unit and whole and high / one <= 1 and bool(((some == 0) | (some == 1)).all()),
            drawing=unit and float(near.mean()) >= DRAWING and not _is_colour(layout, x.shape[1:]),
            gaps=gaps, unit=unit and not gaps, pictures=array.pictures, table=table,
            notes=tuple(notes), reading=reading, labels=labels,
        )  # fmt: skip
        return schema._with_units(x, rows, likelihood)

    @property
    def shape(self) -> tuple[int, ...]:
        if self.layout == "grey":
            return (1, *self.row_shape)
        if self.layout == "channels-last":
            return (self.row_shape[-1], *self.row_shape[:-1])
        return self.row_shape

    @property
    def likelihood(self) -> str:
        if self.binary:
            return "bernoulli"
        if self.columns:
            return "columns"
        if not self.unit:
            return "gaussian"
        return "bernoulli" if self.drawing else "continuous-bernoulli"

    @property
    def likelihood_config(self) -> dict[str, Any] | None:
        if not self.columns:
            return None
        return {"kind": "columns", "columns": [column.config() for column in self.columns]}

    @property
    def log_volume(self) -> float:
        """What log p of an observation in its own units has beside that of a standardised one."""
        per_channel = int(np.prod(self.shape[1:]))
        return -per_channel * float(np.log(self.scale).sum()) if self.scale else 0.0

    def read(self, source: RawArray | RawTable) -> Loaded:
        if isinstance(source, RawTable):
            source = self._of_table(source)
        if tuple(source.x.shape[1:]) != self.row_shape:
            raise DataError(
                f"{source.where} must have rows of shape {self.row_shape} as the run's data, "
                f"got {tuple(source.x.shape[1:])}."
            )
        labels = None
        if self.labels is not None and source.labels is not None:
            labels = torch.from_numpy(self.labels.indices(source.labels))
        context = None
        if source.context is not None:
            context = _context(source.context, source.where)
        examples = Examples(
            self.observations(source.x, source.where), labels, context, torch.arange(source.rows)
        )
        return Loaded(examples, self.keys(source))

    def _of_table(self, source: RawTable) -> RawArray:
        if self.table is None:
            raise DataError(f"{source.where} must be an array as the run's data, got a table.")
        return self.table.as_array(source)

    def keys(self, source: RawArray) -> Keys:
        """Gives the files, the ids and the labels that came with each row."""
        columns = {name: column.cells() for name, column in source.beside.items()}
        if source.labels is not None:
            columns[source.labels.name] = source.labels.cells()
        return Keys(np.arange(source.rows), columns)

    def observations(
        self, x: Shaped[np.ndarray, "n *row"], where: str = "`x`"
    ) -> Shaped[Tensor, "n *shape"]:
        """Gives stored rows as examples hold them: bytes where 255 is 1, else float32."""
        laid = self._laid_out(x)
        if x.dtype.kind not in "biuf":
            raise DataError(f"{where} must hold real numbers, got type {x.dtype}.")
        bits = x.dtype == np.bool_ or (x.dtype == np.uint8 and self.one == 1)
        if bits and not self.columns:
            if x.dtype == np.uint8 and x.max(initial=0) > 1:
                raise DataError(f"{where} must hold 0 and 1 as the run's data, got {x.max()}.")
            return torch.from_numpy(np.array(laid, np.uint8, order="C") * np.uint8(255))
        if x.dtype == np.uint8 and self.one == 255 and not self.scale and not self.columns:
            return torch.from_numpy(np.array(laid, order="C"))
        with np.errstate(over="ignore"):
            values = np.array(laid, np.float32, order="C")
        if not self.gaps:
            _require_finite(values, where)
        if self.one != 1:
            values /= np.float32(self.one)
        if self.scale:
            location, scale = (self._by_channel(v) for v in (self.location, self.scale))
            values = (values - location) / scale
        return torch.from_numpy(values.astype(np.float32, copy=False))

    def natural(self, x: Float[Tensor, "*n_and_shape"]) -> Float[Tensor, "*n_and_shape"]:
        """Gives observations that a model made in the units of the source."""
        if self.scale:
            location, scale = (self._by_channel(v) for v in (self.location, self.scale))
            x = x * torch.from_numpy(scale).to(x) + torch.from_numpy(location).to(x)
        return x * self.one if self.one not in (1, 255) or not self.unit else x

    def _by_channel(self, values: tuple[float, ...]) -> np.ndarray:
        return np.array(values, np.float32).reshape(-1, *[1] * (len(self.shape) - 1))

    def _laid_out(self, x: np.ndarray) -> np.ndarray:
        if self.layout == "grey":
            return x[:, None]
        return np.moveaxis(x, -1, 1) if self.layout == "channels-last" else x

    def _with_units(
        self, x: np.ndarray, rows: Rows | None, likelihood: str | None
    ) -> "ArraySchema":
        """Learns the mean and scale of each channel, or of each number, where they are needed."""
        single = self.layout == "vectors"
        levels = self.drawing and self.row_shape[0] >= WIDE
        few = single and not self.binary and not levels and self.row_shape[0] <= MOST_COLUMNS
        if likelihood not in (None, "columns", "gaussian"):
            return self
        if likelihood == "columns" or (likelihood is None and few):
            values = np.asarray(x if rows is None else x[np.sort(rows)], np.float64)
            suspects = note_of_suspects((str(i), cells) for i, cells in enumerate(values.T))
            notes = (*self.notes, *suspects)
            return replace(self, one=1.0, columns=tuple(_columns(values)), notes=notes)
        if self.unit or self.gaps:
            if self.gaps:
                raise DataError(
                    f"{self.name} must be complete beyond {MOST_COLUMNS} numbers a row, got NaN."
                )
            return self
        some = self._laid_out(np.asarray(x if rows is None else x[np.sort(rows)[: 2**14]]))
        axes = tuple(i for i in range(some.ndim) if i != 1)
        if single:
            axes = (0,)
        values = some.astype(np.float64) / self.one
        scale = np.where((s := values.std(axes)) > 0, s, 1.0)
        return replace(
            self, location=tuple(values.mean(axes).tolist()), scale=tuple(scale.tolist())
        )

    def described(self) -> list[Note]:
        if self.table is not None:
            return [*self.table.described(), self._of_values()]
        if len(self.shape) == 1:
            what = f"{self.rows:,} rows of {self.shape[0]:,} numbers"
        else:
            channels, *size = self.shape
            kinds = {1: "grey images", 3: "colour images", 4: "images with transparency"}
            kind = kinds.get(channels, f"images of {channels} channels")
            what = f"{self.rows:,} {kind} of {'×'.join(map(str, size[::-1]))}"
        return [Note(f"{self.name}: {what}"), self._of_values()]

    def _of_values(self) -> Note:
        if self.binary:
            return Note("values: 0 and 1")
        if self.columns:
            gaps = ", some missing" if self.gaps else ""
            return Note(f"values: each number by its own mean and scale{gaps}")
        text = "values: as they are, in [0, 1]"
        if self.one != 1:
            text = f"values: levels 0 … {self.one:g}, {self.one:g} stands for 1"
        if self.scale:
            text = "values: outside [0, 1], standardised channel by channel"
        kind = "drawings (most values near 0 or 1)" if self.drawing else "photographs"
        return Note(f"{text}; taken for {kind}" if self.unit else text, "--levels")

    def _rule(self) -> dict[str, Any]:
        pictures = self.pictures
        return {
            "row_shape": list(self.row_shape),
            "layout": self.layout,
            "one": self.one,
            "binary": self.binary,
            "drawing": self.drawing,
            "gaps": self.gaps,
            "unit": self.unit,
            "location": list(self.location),
            "scale": list(self.scale),
            "columns": [column.config() for column in self.columns],
            "pictures": None if pictures is None else vars(pictures),
            "table": None if self.table is None else self.table.config(),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "ArraySchema":
        """Rebuilds what `config` gave."""
        pictures = config["pictures"]
        columns = [{k: v for k, v in column.items() if k != "kind"} for column in config["columns"]]
        if config["layout"] not in LAYOUTS:
            raise ValueError(f"`layout` must be one of {LAYOUTS}, got {config['layout']!r}.")
        return cls(
            **common_from_config(config),
            row_shape=tuple(map(int, config["row_shape"])),
            layout=str(config["layout"]),
            one=float(config["one"]),
            binary=bool(config["binary"]),
            drawing=bool(config["drawing"]),
            gaps=bool(config["gaps"]),
            unit=bool(config["unit"]),
            location=tuple(map(float, config["location"])),
            scale=tuple(map(float, config["scale"])),
            columns=tuple(NumericColumn(**column) for column in columns),
            pictures=None if pictures is None else PictureRule(**pictures),
            table=None if config["table"] is None else TableSchema.from_config(config["table"]),
        )


def channels_of(row_shape: tuple[int, ...]) -> str:
    """Finds where the channels of images with three dimensions are: first or last.

    Two equal neighbours are the sides of an image. Where that does not tell, 1, 3 or 4 are
    channels, and else the smaller end.

    Example:
        >>> channels_of((16, 16, 13)), channels_of((13, 16, 16)), channels_of((28, 20, 3))
        ('channels-last', 'channels-first', 'channels-last')
    """
    a, b, c = row_shape
    if (a == b) != (b == c):
        return "channels-last" if a == b else "channels-first"
    if (a in (1, 3, 4)) != (c in (1, 3, 4)):
        return "channels-first" if a in (1, 3, 4) else "channels-last"
    if a in (1, 3, 4):
        return "channels-last" if abs(a - b) < abs(b - c) else "channels-first"
    return "channels-last" if c < min(a, b) else "channels-first"


def _layout(row_shape: tuple[int, ...], reading: ReadingOptions) -> str:
    if len(row_shape) == 3:
        return channels_of(row_shape) if reading.layout == "auto" else reading.layout
    return "grey" if len(row_shape) == 2 else "vectors"


def _of_layout(layout: str, row_shape: tuple[int, ...], reading: ReadingOptions) -> list[Note]:
    if len(row_shape) < 3 or reading.layout != "auto" or 1 in (row_shape[0], row_shape[-1]):
        return []
    shape = " × ".join(map(str, row_shape))
    return [Note(f"{shape} has its {layout.replace('-', ' ')}", "--layout")]


def _is_colour(layout: str, row_shape: tuple[int, ...]) -> bool:
    channels = row_shape[-1 if layout == "channels-last" else 0]
    return layout.startswith("channels") and channels in (3, 4)


def _require_numbers(x: np.ndarray, where: str) -> None:
    require_shape(x, where)
    if x.dtype.kind not in "biuf":
        raise DataError(f"{where} must hold real numbers, got type {x.dtype}.")


def _require_finite(x: np.ndarray, where: str) -> None:
    with np.errstate(over="ignore"):
        bad = ~np.isfinite(x) | (np.abs(x) > np.finfo(np.float32).max)
    if bad.any():
        row = int(bad.reshape(len(x), -1).any(1).argmax())
        raise DataError(
            f"{where} must hold finite float32 numbers, got {bad.sum()} NaN or infinite, "
            f"the first in row {row} (counted from 0)."
        )


def _require_different(x: np.ndarray, where: str) -> None:
    known = x[~np.isnan(x)] if x.dtype.kind == "f" and np.isnan(x.flat[0]) else x
    if not known.size:
        raise DataError(f"{where} must hold numbers, got NaN alone.")
    if bool((known == known.flat[0]).all()):
        raise DataError(f"{where} must hold different values, got {known.flat[0]} alone.")


def _some(x: np.ndarray) -> np.ndarray:
    few = max(1, SAMPLE // int(np.prod(x.shape[1:])))
    return x if len(x) <= few else x[:: -(-len(x) // few)]


def _range(x: np.ndarray) -> tuple[float, float, bool]:
    """The least and the greatest value, and whether all that are looked at are whole."""
    low, high = float(np.nanmin(x)), float(np.nanmax(x))
    some = _some(x)
    return low, high, x.dtype.kind in "biu" or bool(np.nanmax(np.abs(some - np.round(some))) == 0)


def _one(x: np.ndarray, low: float, high: float, whole: bool) -> float:
    """The level that stands for 1: of bytes 255, of other whole numbers the next power of two."""
    images = x.ndim > 2 or x.shape[1] >= WIDE
    if not whole or low < 0 or high <= 1:
        return 1.0
    if x.dtype == np.uint8:
        return 255.0 if high > 31 or not images else high
    if not images or high > LEVELS[-1]:
        return 1.0
    if high <= 31:
        return high
    return float(next(level for level in LEVELS if high <= level))


def _columns(x: np.ndarray) -> list[NumericColumn]:
    columns = []
    for i, values in enumerate(x.T):
        known = values[np.isfinite(values)].astype(np.float32).astype(np.float64)
        mean = float(known.mean()) if len(known) else 0.0
        scale = float(known.std()) if len(known) else 0.0
        columns.append(NumericColumn(str(i), mean, scale if scale > 0 else 1.0))
    return columns


def _context(array: np.ndarray, where: str) -> Tensor:
    if array.ndim < 2:
        raise DataError(f"{where}, `context` must have at least 2 dimensions, got {array.shape}.")
    return as_values(values_from_array(array, f"{where}, `context`"))
