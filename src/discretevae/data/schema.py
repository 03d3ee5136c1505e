"""What a source means: said in words, kept with a run, and the law for all that is read after."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
from jaxtyping import Int
from torch import Tensor

from discretevae.names import resolve

from .examples import Examples
from .formats.raw import Note
from .keys import Keys
from .labels import LabelRule
from .reading import GUESS, ReadingOptions

__all__ = ["Loaded", "Schema", "listed", "register", "schema_from_config"]

MOST_LINES = 11
"""The model has one more."""


class Loaded(NamedTuple):
    """A source as a model sees it.

    Arguments:
        examples: The rows.
        keys: What belongs to each row beside.
        notes: What could not be taken as it was, and was counted instead.
    """

    examples: Examples
    keys: Keys
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class Schema(ABC):
    """What was taken for what in a source, and what was left out.

    It is learned once, from the rows to train on, and stored with the run. Every source that is
    read after is read by it, so that a value means the same alone as among others.

    Arguments:
        name: What the source is called.
        rows: How many rows it had.
        notes: What was guessed of its form, each with the option that overrules it.
        reading: What the user said.
        labels: Which index each label has, where there are labels.
    """

    name: str
    rows: int
    notes: tuple[Note, ...] = field(default=(), kw_only=True)
    reading: ReadingOptions = field(default=GUESS, kw_only=True)
    labels: LabelRule | None = field(default=None, kw_only=True)

    kind: ClassVar[str]

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape of one observation."""

    @property
    @abstractmethod
    def likelihood(self) -> str:
        """The name of the likelihood that suits the data."""

    @property
    def log_volume(self) -> float:
        """What log p(x) in the units of the source has beside that of a row as it is read."""
        return 0.0

    @property
    def likelihood_config(self) -> dict[str, Any] | None:
        """Describes the likelihood, where the data leave no choice but its sizes."""
        return None

    @abstractmethod
    def read(self, source: Any) -> Loaded:
        """Reads a source of the same kind by what was learned of the first.

        Raises:
            DataError: If it does not fit, or, where `reading.strict` says so, one cell does not.
        """

    def natural(self, x: Tensor) -> Tensor:
        """Gives observations that a model made in the units of the source."""
        return x

    def written(self, x: Tensor) -> tuple[list[str], list[list[Any]]]:
        """Writes rows as the source has them: the names of the columns, and their cells.

        A cell that is missing is None.
        """
        flat = self.natural(x).flatten(1)
        return [str(i) for i in range(flat.shape[1])], flat.tolist()

    @abstractmethod
    def described(self) -> list[Note]:
        """Says what was taken for what."""

    @abstractmethod
    def _rule(self) -> dict[str, Any]:
        """Describes in plain types what was learned, beside what every schema has."""

    def lines(self) -> list[str]:
        """Says in at most a dozen lines what was taken for what, and what was left out."""
        notes = [*self.described(), *self.notes, *self._of_labels(), self._of_likelihood()]
        lines = [text for note in notes if (text := str(note))]
        if len(lines) > MOST_LINES:
            rest = "; ".join(lines[MOST_LINES - 2 : -1])
            lines = [*lines[: MOST_LINES - 2], rest, lines[-1]]
        return lines

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def config(self) -> dict[str, Any]:
        """Describes the schema in plain types, to be stored."""
        return {
            "kind": self.kind,
            "name": self.name,
            "rows": self.rows,
            "notes": [list(note) for note in self.notes],
            "reading": self.reading.config(),
            "labels": None if self.labels is None else self.labels.config(),
            **self._rule(),
        }

    def _of_labels(self) -> list[Note]:
        if self.labels is None:
            return []
        called = self.labels.name
        return [Note(f"labels ({called}): {self.labels.known}", f"--label, --drop {called}")]

    def _of_likelihood(self) -> Note:
        return Note(f"likelihood: {self.likelihood}", "--likelihood")


def common_from_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Rebuilds what every schema has.

    Raises:
        ValueError: If something is missing or does not fit.
    """
    labels = config["labels"]
    return {
        "name": str(config["name"]),
        "rows": int(config["rows"]),
        "notes": tuple(Note(*map(str, note)) for note in config["notes"]),
        "reading": ReadingOptions.from_config(config["reading"]),
        "labels": None if labels is None else LabelRule.from_config(labels),
    }


_KINDS: dict[str, Callable[[Mapping[str, Any]], Schema]] = {}


def register(kind: type[Schema]) -> type[Schema]:
    """Makes a kind of schema known by its name; it has a `from_config`."""
    _KINDS[kind.kind] = kind.from_config  # type: ignore[attr-defined]
    return kind


def schema_from_config(config: Mapping[str, Any]) -> Schema:
    """Rebuilds what `Schema.config` gave.

    Raises:
        ValueError: If it describes no schema.
    """
    build = resolve("kind", str(config.get("kind")), _KINDS)
    try:
        return build(config)
    except (KeyError, TypeError) as error:
        raise ValueError(f"`schema` does not fit: {error}.") from None


def listed(names: Sequence[str], most: int = 6) -> str:
    """Lists names, the first of many.

    Example:
        >>> listed(["a", "b"]), listed("abcdefgh", 3)
        ('a, b', 'a, b, c and 5 more')
    """
    names = list(names)
    rest = len(names) - most
    return ", ".join(names) if rest <= 1 else f"{', '.join(names[:most])} and {rest} more"


Rows = Int[np.ndarray, " t"]
