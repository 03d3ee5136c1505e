"""What the columns of a table mean."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.schema.columns import BinaryColumn, Column, DiscreteColumn

from .errors import DataError, nearest, unknown_name
from .examples import Examples
from .fields import ClockField, DateField, Field, NumberField, field_from_config
from .formats.raw import SPLIT, Note, RawColumn, RawTable
from .formats.raw_array import RawArray
from .guesses import LeftOut, field_of
from .keys import Keys
from .labels import LabelRule
from .missing import Marks
from .numbers import POINT
from .plurals import plural
from .reading import GUESS, ReadingOptions
from .schema import Loaded, Rows, Schema, common_from_config, listed, register
from .suspects import note_of_suspects

__all__ = ["LABELS", "TableSchema"]

LABELS = ("label", "labels")
"""What a column of labels is called, where none is named."""
PIXELS = 64
"""Columns from which whole numbers of 0 … 255 are taken for pixels."""


@register
@dataclass(frozen=True)
class TableSchema(Schema):
    """What was taken for what in a table.

    Arguments:
        fields: The columns that a model sees.
        left_out: The others, but for that of labels.
        missing: How many cells of `fields` have no value.
        stray: Column → how many cells could not be taken, and count as missing.
        decimal: The decimal sign of the file, if it was one of text.

    Example:
        >>> from discretevae.data.formats.frames import read_frame
        >>> import pandas
        >>> table = read_frame(pandas.DataFrame({"age": [30, None, 50, 70], "job": list("abaa")}))
        >>> schema = TableSchema.learn(table)
        >>> print(schema)
        data: 4 rows, 2 columns
        2 columns: 1 number, 1 yes/no (--numeric, --categorical, --date NAMES)
        1 of 8 cells missing (--na-values)
        likelihood: columns (--likelihood)
        >>> schema.read(table).examples.x.tolist()
        [[30.0, 0.0], [nan, 1.0], [50.0, 0.0], [70.0, 0.0]]
    """

    fields: tuple[Field, ...]
    left_out: tuple[LeftOut, ...] = ()
    missing: int = 0
    stray: tuple[tuple[str, int], ...] = ()
    decimal: str | None = None

    kind: ClassVar[str] = "table"

    @classmethod
    def learn(
        cls,
        table: RawTable,
        rows: Rows | None = None,
        reading: ReadingOptions = GUESS,
        *,
        least: int = 1,
    ) -> "TableSchema":
        """Finds out what the columns of a table hold.

        Arguments:
            table: The table.
            rows: Those to train on, from which scales and categories are learned; by default all.
            reading: What the user says.
            least: How many columns a model must see.

        Raises:
            DataError: If a column that is named is not there, fewer are left, or, where
                `reading.strict` says so, a cell cannot be taken.
        """
        rows = np.arange(table.rows) if rows is None else np.sort(rows)
        _require_columns(table, reading)
        marks = Marks(reading.na_values)
        label = _label_column(table, reading)
        found = {
            name: field_of(table, column, rows, reading, marks.of(name))
            for name, column in table.columns.items()
            if name != label
        }
        if table.parts is not None and SPLIT not in reading.named:
            found[SPLIT] = LeftOut(SPLIT, "says which part each row belongs to", "--splits pool")
        fields = [f for f in found.values() if isinstance(f, Field)]
        left_out = [f for f in found.values() if isinstance(f, LeftOut)]
        if len(fields) < least:
            raise _nothing_left(table, left_out)
        rule = (
            None
            if label is None
            else LabelRule.of(table.columns[label], marks.of(label), table.where)
        )
        schema = cls(
            table.name, table.rows, tuple(fields), tuple(left_out),
            decimal=None if table.dialect is None else table.dialect.decimal,
            notes=table.notes, reading=reading, labels=rule,
        )  # fmt: skip
        return schema._counted(table)._suspecting(table)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of the rows that a model sees."""
        return tuple(column for field in self.fields for column in field.columns)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.columns),)

    @property
    def likelihood(self) -> str:
        return "columns"

    @property
    def likelihood_config(self) -> dict[str, Any]:
        return {"kind": "columns", "columns": [column.config() for column in self.columns]}

    @property
    def ids(self) -> tuple[str, ...]:
        """The columns that name the rows."""
        return tuple(column.name for column in self.left_out if column.is_id)

    def read(self, source: RawTable) -> Loaded:
        values, stray = [], {}
        marks = Marks(self.reading.na_values)
        for field in self.fields_in(source):
            column = self._column(source, field)
            found = field.read(column, marks.of(field.name))
            values.append(found.values)
            if found.stray.any():
                if self.reading.strict:
                    raise _stray(source, field, column, int(found.stray.argmax()))
                stray[field.name] = int(found.stray.sum())
        x = torch.from_numpy(np.concatenate(values, axis=1))
        labels = None
        if self.labels is not None and self.labels.name in source.columns:
            labels = torch.from_numpy(self.labels.indices(source.columns[self.labels.name]))
        rows = torch.arange(source.rows)
        notes = tuple(self._of_stray(name, count) for name, count in stray.items())
        return Loaded(Examples(x, labels, rows=rows), self.keys(source), notes)

    def fields_in(self, source: RawTable) -> tuple[Field, ...]:
        """Gives the fields as a source writes them, whose decimal sign may be another."""
        if source.dialect is None or not self._writes_otherwise(source.dialect.decimal):
            return self.fields
        return tuple(field.written_in(source.dialect.decimal) for field in self.fields)

    def _writes_otherwise(self, decimal: str) -> bool:
        return decimal != (self.decimal or decimal)

    def not_taken(self, source: RawTable) -> list[str]:
        """Names the columns of each row whose cell is there and could not be taken."""
        marks, names = Marks(self.reading.na_values), [""] * source.rows
        for field in self.fields_in(source):
            for row in field.read(
                self._column(source, field), marks.of(field.name)
            ).stray.nonzero()[0]:
                names[row] = f"{names[row]}, {field.name}" if names[row] else field.name
        return names

    def keys(self, source: RawTable) -> Keys:
        """Gives what came in beside the columns that a model sees: ids first."""
        modelled = {field.name for field in self.fields}
        beside = [name for name in source.columns if name not in modelled]
        beside.sort(key=lambda name: name not in self.ids)
        columns = {name or "index": source.columns[name].cells() for name in beside}
        return Keys(np.arange(source.rows), columns)

    def written(self, x: Float[Tensor, "n F"]) -> tuple[list[str], list[list[Any]]]:
        # Of a date, the parts of the calendar are left out.
        names, columns, place = [], [], 0
        for field in self.fields:
            values = x[:, place].tolist()
            names.append(field.name)
            columns.append([None if v != v else field.text(v) for v in values])
            place += len(field.columns)
        return names, [list(row) for row in zip(*columns, strict=True)]

    def typed(self, x: Float[Tensor, "n F"]) -> dict[str, list[Any]]:
        """Gives rows as a data frame has them, column by column; a missing cell is None."""
        columns, place = {}, 0
        for field in self.fields:
            values = x[:, place].tolist()
            columns[field.name] = [None if v != v else field.typed(v) for v in values]
            place += len(field.columns)
        return columns

    def as_array(self, source: RawTable) -> RawArray:
        """Gives a table of numbers alone, complete, for a likelihood of numbers.

        Raises:
            DataError: Naming the first column or cell that is no number, and the remedies.
        """
        for field in self.fields:
            if not field.of_numbers:
                raise DataError(
                    f"{source.where}, column '{field.name}': must hold numbers for this "
                    f"likelihood, got {_what(field)}; use --likelihood columns, or leave it out "
                    f"with --drop {field.name}."
                )
        marks = Marks(self.reading.na_values)
        parts = []
        for field in self.fields_in(source):
            column, own = self._column(source, field), marks.of(field.name)
            style = field.style  # type: ignore[attr-defined]
            values = [
                np.nan if field.missing(cell, own) else style.number(cell) for cell in column.values
            ]
            found = column.spread(np.array(values, np.float64))
            if (gaps := np.isnan(found)).any():
                raise DataError(
                    f"{source.where}, column '{field.name}', {source.place(int(gaps.argmax()))}: "
                    f"must be a number, got {column.cells([int(gaps.argmax())])[0]!r}; a table "
                    "with gaps needs --likelihood columns."
                )
            parts.append(found)
        keys = self.keys(source)
        label = None if self.labels is None else source.columns.get(self.labels.name)
        beside = {
            name: source.columns.get(name, source.columns.get(""))
            for name in keys.columns
            if label is None or name != label.name
        }
        return RawArray(
            source.where, source.name, np.stack(parts, axis=1), label,
            beside={name: column for name, column in beside.items() if column is not None},
            notes=source.notes, parts=source.parts,
        )  # fmt: skip

    def _column(self, source: RawTable, field: Field) -> RawColumn:
        if field.name in source.columns:
            return source.columns[field.name]
        names = list(source.columns)
        raise DataError(
            f"{source.where} must have the column {field.name!r} of the run, got "
            f"{listed(names)}.{nearest(field.name, names)}"
        )

    def _counted(self, table: RawTable) -> "TableSchema":
        if not self.fields:
            return self
        marks, stray, gaps = Marks(self.reading.na_values), {}, 0
        for field in self.fields:
            column = table.columns[field.name]
            found = field.read(column, marks.of(field.name))
            odd = int(found.stray.sum())
            if odd:
                stray[field.name] = odd
            if odd and self.reading.strict:
                raise _stray(table, field, column, int(found.stray.argmax()))
            gaps += int(np.isnan(found.values[:, 0]).sum()) - odd
        return TableSchema(
            self.name, self.rows, self.fields, self.left_out, gaps, tuple(stray.items()),
            self.decimal,
            notes=self.notes, reading=self.reading, labels=self.labels,
        )  # fmt: skip

    def _suspecting(self, table: RawTable) -> "TableSchema":
        """Names the numbers that may stand for missing cells, as in surveys."""
        numbers = (
            (field.name, field.read_numbers(table.columns[field.name]))
            for field in self.fields
            if isinstance(field, NumberField) and not field.style.before
        )
        return replace(self, notes=(*self.notes, *note_of_suspects(numbers)))

    def described(self) -> list[Note]:
        total = len(self.fields) + len(self.left_out) + (self.labels is not None)
        cells = self.rows * len(self.fields)
        kinds = Counter(map(_what, self.fields))
        parts = [plural(count, what) for what, count in kinds.items()]
        columns = plural(len(self.fields), "column")
        notes = [
            Note(f"{self.name}: {self.rows:,} rows, {plural(total, 'column')}"),
            Note(f"{columns}: {listed(parts, 5)}", "--numeric, --categorical, --date NAMES"),
        ]
        if self.missing:
            notes.append(Note(f"{self.missing:,} of {cells:,} cells missing", "--na-values"))
        notes += [self._of_stray(name, count) for name, count in self.stray[:3]]
        if len(self.stray) > 3:
            rest = sum(count for _, count in self.stray[3:])
            notes.append(Note(f"as missing count {rest:,} cells more that do not fit", "--strict"))
        if self.left_out:
            parts = [
                f"{c.name or 'the index'} ({c.why}{f': {c.option} keeps it' if c.option else ''})"
                for c in self.left_out
            ]
            notes.append(Note(f"left out: {listed(parts, 5)}", "" if len(parts) < 2 else "--drop"))
        notes += [_of_date(field) for field in self.fields if isinstance(field, DateField)]
        clocks = [field.name for field in self.fields if isinstance(field, ClockField)]
        if clocks:
            notes.append(Note(f"{listed(clocks)}: hours", f"--categorical {clocks[0]}"))
        return notes

    def _of_stray(self, name: str, count: int) -> Note:
        field = next(field for field in self.fields if field.name == name)
        cells = plural(count, "cell")
        options = "--strict refuses"
        if isinstance(field, NumberField):
            options = f"--categorical {name}; --strict refuses"
        return Note(f"{cells} of {name}: not {field.wanted}, as missing", options)

    def _rule(self) -> dict[str, Any]:
        return {
            "fields": [field.config() for field in self.fields],
            "left_out": [list(column) for column in self.left_out],
            "missing": self.missing,
            "decimal": self.decimal,
            "stray": [list(pair) for pair in self.stray],
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "TableSchema":
        """Rebuilds what `config` gave."""
        return cls(
            **common_from_config(config),
            fields=tuple(map(field_from_config, config["fields"])),
            left_out=tuple(LeftOut(*column) for column in config["left_out"]),
            missing=int(config["missing"]),
            decimal=None if config["decimal"] is None else str(config["decimal"]),
            stray=tuple((str(name), int(count)) for name, count in config["stray"]),
        )


def _nothing_left(table: RawTable, left_out: list[LeftOut]) -> DataError:
    why = [f"{column.name}: {column.why}" for column in left_out]
    sentences = [column.option for column in left_out if column.option.startswith("--column ")]
    remedy = f"; {sentences[0]} takes it for sentences" if sentences else ""
    return DataError(
        f"{table.where} must have a column to learn from, got none "
        f"({'; '.join(why) or 'only labels'}){remedy}."
    )


def _require_columns(table: RawTable, reading: ReadingOptions) -> None:
    marked = dict.fromkeys(Marks(reading.na_values).columns, "na_values")
    for name, argument in {**marked, **reading.named}.items():
        if name not in table.columns:
            raise unknown_name(argument, name, table.columns)


def _label_column(table: RawTable, reading: ReadingOptions) -> str | None:
    if reading.label is not None:
        if reading.label not in table.columns:
            raise unknown_name("label", reading.label, table.columns)
        return reading.label
    found = [
        n for n in table.columns
        if n.lower() in LABELS and n not in reading.named and not _has_fractions(table.columns[n])
    ]  # fmt: skip
    if len(found) > 1:
        raise DataError(
            f"{table.where} must have at most one column of labels, got {len(found)}; "
            f"say which by --label."
        )
    return found[0] if found else None


def _has_fractions(column: RawColumn) -> bool:
    """Whether a column is called as labels are, and holds numbers that are measured."""
    numbers = [POINT.number(cell) for cell in column.values if not Marks().missing(cell)]
    return None not in numbers and any(not float(n or 0).is_integer() for n in numbers)


def _stray(source: RawTable, field: Field, column: RawColumn, row: int) -> DataError:
    cell = column.cells([row])[0]
    return DataError(
        f"{source.where}, column '{field.name}', {source.place(row)}: must be {field.wanted}, "
        f"got {cell!r}."
    )


def _what(field: Field) -> str:
    column = field.columns[0]
    if isinstance(field, DateField):
        return "date"
    if isinstance(field, ClockField):
        return "time"
    if isinstance(column, BinaryColumn):
        return "yes/no"
    if isinstance(column, DiscreteColumn):
        return f"category of {len(column.categories)}"
    return "number"


def _of_date(field: DateField) -> Note:
    parts = f" and its {listed(field.parts)}" if field.parts else ""
    return Note(f"{field.name}: days since {field.text(0.0)}{parts}", f"--categorical {field.name}")
