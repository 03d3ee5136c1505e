"""Sentences as their source has them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Int

from ..errors import DataError
from .raw import Note, RawColumn, RawTable
from .text_files import encoding_of, read_lines

__all__ = ["RawText", "read_text_lines", "text_of_sentences", "text_of_table"]


@dataclass(frozen=True, eq=False)
class RawText:
    """N sentences, none of them empty.

    Arguments:
        where: What to call the source in errors.
        name: What to call it in titles.
        texts: One sentence a row, without the white space around it.
        lines: Where each stands, counted from 1.
        column: Of a table, the one that holds the sentences.
        labels: One label a row.
        beside: Name → what else the source has for each row.
        notes: What was guessed, and what was left out.
    """

    where: str
    name: str
    texts: tuple[str, ...]
    lines: Int[np.ndarray, " n"]
    column: str | None = None
    labels: RawColumn | None = None
    beside: Mapping[str, RawColumn] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.texts)


def read_text_lines(path: Path) -> RawText:
    """Returns the lines of a file of text; empty ones are skipped and counted.

    Raises:
        DataError: If it is no text, or holds no sentence.
    """
    encoding, notes = encoding_of(path)
    found = [(number, line.strip()) for number, line in read_lines(path, encoding)]
    kept = [(number, text) for number, text in found if text]
    if not kept:
        raise DataError(f"{path} must hold at least one sentence, got none.")
    if len(kept) < len(found):
        notes.append(Note(f"{len(found) - len(kept):,} empty lines skipped"))
    lines, texts = zip(*kept, strict=True)
    return RawText(str(path), path.stem, texts, np.array(lines), notes=tuple(notes))


def text_of_sentences(texts: Iterable[str], where: str, name: str) -> RawText:
    """Returns sentences that are not empty, numbered from 1 with those that are.

    Raises:
        DataError: If there is none.

    Example:
        >>> text_of_sentences(["a cat", " ", "a dog"], "`data`", "data").lines.tolist()
        [1, 3]
    """
    kept = [(row, text.strip()) for row, text in enumerate(texts, 1) if text.strip()]
    if not kept:
        raise DataError(f"{where} must hold at least one sentence, got none.")
    lines, found = zip(*kept, strict=True)
    return RawText(where, name, found, np.array(lines))


def text_of_table(table: RawTable, column: str, label: str | None) -> RawText:
    """Takes one column of a table for sentences; the others are carried along.

    Raises:
        DataError: If it holds no sentence.
    """
    texts = ["" if cell is None else str(cell).strip() for cell in table.columns[column].cells()]
    kept = [row for row, text in enumerate(texts) if text]
    if not kept:
        raise DataError(f"{table.where} must hold at least one sentence, got none.")
    notes = [*table.notes, Note(f"sentences: {column}", "--column")]
    if len(kept) < len(texts):
        notes.append(Note(f"{len(texts) - len(kept):,} empty cells skipped"))

    def some(name: str) -> RawColumn:
        whole = table.columns[name]
        return RawColumn(name, whole.values, whole.index[kept])

    beside = {name or "index": some(name) for name in table.columns if name not in (column, label)}
    lines = np.arange(1, len(texts) + 1) if table.lines is None else table.lines
    return RawText(
        table.where,
        table.name,
        tuple(texts[row] for row in kept),
        lines[kept],
        column,
        None if label is None else some(label),
        beside,
        tuple(notes),
    )
