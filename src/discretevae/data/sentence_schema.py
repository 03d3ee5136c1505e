"""What sentences are made of, and how long they may be."""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from discretevae.schema.vocabulary import END, UNKNOWN, Vocabulary

from .budget import require_memory
from .errors import DataError
from .formats.raw import Note
from .formats.raw_text import RawText
from .keys import Keys
from .labels import LabelRule
from .missing import Marks
from .reading import GUESS, ReadingOptions
from .schema import Loaded, Rows, Schema, common_from_config, register
from .token_rows import SentenceExamples, TokenRows

__all__ = ["SentenceSchema"]

SHARE = 0.99
"""Of the sentences that are not cut where a few are much longer than all others."""
LONG = 2
"""Times as long as that share: longer sentences would only cost."""
SHORT = 64
"""Tokens below which nothing is cut."""
BYTES = 12
"""That a token takes while sentences are read: twice as an integer, and stored."""


@register
@dataclass(frozen=True)
class SentenceSchema(Schema):
    """What was taken for what in sentences.

    Arguments:
        vocabulary: Of the tokens, learned from the training sentences.
        most: Tokens of a sentence, its end not counted; longer ones are cut.
        longest: Tokens of the longest one.
        usual: Tokens that 99 % of the sentences have at most.
        cut: How many sentences were cut.
        column: That holds the sentences, of a table.

    Example:
        >>> text = RawText("`x`", "x", ("to be", "or not"), np.array([1, 2]))
        >>> schema = SentenceSchema.learn(text)
        >>> print(schema)
        x: 2 sentences
        tokens: 7 characters (--pieces)
        length: at most 6 tokens, 99 % have at most 5 (--sentence-length)
        likelihood: tokens (--likelihood)
        >>> schema.vocabulary.to_sentences(schema.read(text).examples.values())
        ['to be', 'or not']
    """

    vocabulary: Vocabulary
    most: int
    longest: int
    usual: int
    cut: int = 0
    column: str | None = None

    kind: ClassVar[str] = "sentences"

    @classmethod
    def learn(
        cls,
        text: RawText,
        rows: Rows | None = None,
        reading: ReadingOptions = GUESS,
        *,
        pieces: int | None = None,
        most: int | None = None,
    ) -> "SentenceSchema":
        """Learns the tokens of sentences, and how many of them one may have.

        Arguments:
            text: The sentences.
            rows: Those to train on, from which the vocabulary comes; by default all.
            reading: What the user says.
            pieces: The size of a vocabulary of pieces of words; by default tokens are characters.
            most: Tokens of a sentence; by default those of the longest, or, where a few are
                more than twice as long as 99 % of all, of these.

        Raises:
            DataError: If `pieces` or `most` is out of range, or the rows do not fit into memory.
        """
        if most is not None and most < 1:
            raise DataError(f"`max_tokens` must be at least 1, got {most}.")
        trained = text.texts if rows is None else [text.texts[row] for row in np.sort(rows)]
        try:
            vocabulary = (
                Vocabulary.of_characters(trained)
                if pieces is None
                else Vocabulary.of_pieces(trained, pieces)
            )
        except ValueError as error:
            raise DataError(str(error).replace("`size`", "`pieces`")) from None
        lengths = np.sort([len(vocabulary.encode(t)) for t in text.texts])
        usual, longest = int(lengths[int(SHARE * (len(lengths) - 1))]), int(lengths[-1])
        if most is None:
            allowed = longest if reading.strict else max(SHORT, LONG * usual)
            most = max(1, int(lengths[lengths <= allowed].max(initial=1)))
        marks = Marks(reading.na_values)
        labels = (
            None
            if text.labels is None
            else LabelRule.of(text.labels, marks.of(text.labels.name), text.where)
        )
        schema = cls(
            text.name, text.rows, vocabulary, most, longest, usual,
            int((lengths > most).sum()), text.column,
            notes=text.notes, reading=reading, labels=labels,
        )  # fmt: skip
        schema.require_memory(text)
        return schema

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.most + 1,)

    @property
    def likelihood(self) -> str:
        return "tokens"

    @property
    def likelihood_config(self) -> dict[str, Any]:
        (length,) = self.shape
        return {"kind": "tokens", "vocabulary": self.vocabulary.config(), "length": length}

    def require_memory(self, text: RawText) -> None:
        """Refuses sentences whose tokens do not fit into memory.

        Raises:
            DataError: Naming what would cut them.
        """
        tokens = sum(min(len(sentence), self.most) + 1 for sentence in text.texts)  # at most
        remedy = f"; --limit takes fewer, --sentence-length {self.usual} cuts those beyond 99 %"
        require_memory(BYTES * tokens, text.where, remedy)

    def read(self, source: RawText) -> Loaded:
        self.require_memory(source)
        cut = unknown = 0
        rows = []
        for text in source.texts:
            tokens = self.vocabulary.encode(text)
            cut += len(tokens) > self.most
            rows.append(array("i", (*tokens[: self.most], END)))
            unknown += UNKNOWN in rows[-1]
        labels = None
        if self.labels is not None and source.labels is not None:
            labels = torch.from_numpy(self.labels.indices(source.labels))
        notes = []
        if cut:
            notes.append(Note(f"{cut:,} sentences cut at {self.most:,} tokens"))
        if unknown:
            notes.append(Note(f"{unknown:,} sentences with characters that training had not"))
        found = TokenRows.of(rows, self.most + 1)
        examples = SentenceExamples(found, labels, rows=torch.arange(source.rows))
        return Loaded(examples, self.keys(source), tuple(notes))

    def keys(self, source: RawText) -> Keys:
        """Gives the line of each sentence, and what else the source has for it."""
        columns: dict[str, Any] = {"line": source.lines.tolist()}
        columns |= {name: column.cells() for name, column in source.beside.items()}
        if source.labels is not None:
            columns[source.labels.name] = source.labels.cells()
        return Keys(np.arange(source.rows), columns)

    def written(self, x: Tensor) -> tuple[list[str], list[list[Any]]]:
        return ["sentence"], [[text] for text in self.vocabulary.to_sentences(x)]

    def described(self) -> list[Note]:
        kind = "pieces of words" if self.vocabulary.merges else "characters"
        count = self.vocabulary.size - 3
        length = (
            f"length: at most {self.most:,} tokens, 99 % have at most {self.usual:,}"
            + f"; {self.cut:,} longer one{'s' * (self.cut != 1)} cut, the longest of "
            f"{self.longest:,}" * (self.cut > 0)
        )
        return [
            Note(f"{self.name}: {self.rows:,} sentences"),
            Note(f"tokens: {count:,} {kind}", "--pieces"),
            Note(length, "--sentence-length"),
        ]

    def _rule(self) -> dict[str, Any]:
        return {
            "vocabulary": self.vocabulary.config(),
            "most": self.most,
            "longest": self.longest,
            "usual": self.usual,
            "cut": self.cut,
            "column": self.column,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "SentenceSchema":
        """Rebuilds what `config` gave."""
        column = config["column"]
        return cls(
            **common_from_config(config),
            vocabulary=Vocabulary.from_config(config["vocabulary"]),
            most=int(config["most"]),
            longest=int(config["longest"]),
            usual=int(config["usual"]),
            cut=int(config["cut"]),
            column=None if column is None else str(column),
        )
