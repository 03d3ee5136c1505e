"""What a user may say of a source, to overrule what is guessed of it."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from .errors import DataError, unknown_name

__all__ = ["GUESS", "RULES", "ReadingOptions"]

RULES = 2
"""The rules of reading in force; 1 were those of version 0.1.0."""
CHOICES = {
    "header": ("auto", "yes", "no"),
    "layout": ("auto", "channels-first", "channels-last"),
    "splits": ("auto", "pool"),
}
DELIMITERS = {"tab": "\t", "\\t": "\t", "space": " ", "comma": ",", "semicolon": ";"}


@dataclass(frozen=True)
class ReadingOptions:
    """Overrules what is guessed of a source; nothing given leaves every guess as it is.

    Arguments:
        drop: Columns to leave out; they are carried along beside the results.
        id: Columns that name the rows; left out of the model, written beside the results.
        label: The column, or the array of an archive, that holds the labels.
        numeric: Columns that are numbers, whatever they look like.
        categorical: Columns whose cells are names, whatever they look like.
        date: Columns that are dates.
        na_values: What a cell without a value may say, beside the usual marks; age=-1 in one
            column alone.
        header: Whether the first line of a file names the columns: auto, yes or no.
        delimiter: What stands between the cells of a line.
        decimal: The decimal sign, a point or a comma.
        layout: Of images in an array: auto, channels-first or channels-last.
        levels: The number that stands for 1: 255 for bytes, 65535 for 16 bits.
        splits: Whether parts called train, val and test are taken as they are (auto), or as one
            source that is split by seed (pool).
        column: Of the sentences in a table.
        size: The side to which images are scaled and cut, where they have several sizes.
        strict: Refuse what would else be counted and left out: stray cells, unseen categories,
            odd lines, broken images.
        rules: Of reading; 1 are those of version 0.1.0.

    Raises:
        DataError: If one is out of range.

    Example:
        >>> ReadingOptions(drop=("name",), decimal=",").config()
        {'drop': ['name'], 'decimal': ','}
    """

    drop: Sequence[str] = ()
    id: Sequence[str] = ()
    label: str | None = None
    numeric: Sequence[str] = ()
    categorical: Sequence[str] = ()
    date: Sequence[str] = ()
    na_values: Sequence[str] = ()
    header: str = "auto"
    delimiter: str | None = None
    decimal: str | None = None
    layout: str = "auto"
    levels: int | None = None
    splits: str = "auto"
    column: str | None = None
    size: int | None = None
    strict: bool = False
    rules: int = RULES

    def __post_init__(self) -> None:
        for name in LISTS:
            value = getattr(self, name)
            object.__setattr__(self, name, (value,) if isinstance(value, str) else tuple(value))
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise unknown_name(name, getattr(self, name), known)
        delimiter = DELIMITERS.get(self.delimiter or "", self.delimiter)
        object.__setattr__(self, "delimiter", delimiter)
        if delimiter is not None and len(delimiter) != 1:
            raise DataError(f"`delimiter` must be one character, got {delimiter!r}.")
        if self.decimal not in (None, ".", ","):
            raise DataError(f"`decimal` must be . or , got {self.decimal!r}.")
        for name in ("levels", "size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise DataError(f"`{name}` must be at least 1, got {value}.")
        if self.rules not in (1, RULES):
            raise DataError(f"`rules` must be 1 or {RULES}, got {self.rules}.")
        self._require_once()

    def _require_once(self) -> None:
        """Refuses a column that is said to be two things."""
        said: dict[str, str] = {}
        for argument in ("numeric", "categorical", "date", "drop", "id"):
            for name in getattr(self, argument):
                if name in said:
                    raise DataError(
                        f"`{said[name]}` must be columns that are not in `{argument}`, got {name}."
                    )
                said[name] = argument

    @property
    def named(self) -> dict[str, str]:
        """Column → what it is said to be."""
        kinds = ("drop", "id", "numeric", "categorical", "date")
        return {name: kind for kind in kinds for name in getattr(self, kind)}

    def config(self) -> dict[str, Any]:
        """Describes what is overruled in plain types; what is left as it is, not."""
        usual = {field.name: field.default for field in fields(self)}
        given = {k: v for k, v in asdict(self).items() if v != usual[k]}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in given.items()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "ReadingOptions":
        """Rebuilds what `config` describes.

        Raises:
            DataError: If a name is unknown or a value out of range.
        """
        known = [field.name for field in fields(cls)]
        for name in config:
            if name not in known:
                raise unknown_name("reading", name, known)
        return cls(**config)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> "ReadingOptions":
        """Takes what the user says from the options of a command, among others of it.

        Lists are names with commas between them; one with a comma stands in quotes.

        Example:
            >>> options = {"drop": "a, b", "decimal": ",", "epochs": 3}
            >>> ReadingOptions.from_options(options).config()
            {'drop': ['a', 'b'], 'decimal': ','}
            >>> ReadingOptions.from_options({"drop": '"Height, cm", id'}).drop
            ('Height, cm', 'id')
        """
        given = {f.name: options[f.name] for f in fields(cls) if options.get(f.name) is not None}
        for name in LISTS:
            if isinstance(given.get(name), str):
                parts = next(csv.reader([given[name]], skipinitialspace=True)) or [""]
                given[name] = tuple(part.strip() for part in parts)
        return cls(**given)


LISTS = ("drop", "id", "numeric", "categorical", "date", "na_values")
GUESS = ReadingOptions()
"""Nothing is overruled."""
