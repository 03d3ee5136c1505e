"""The user's sentences: a file of text, or a column of a table."""

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from discretevae.schema.vocabulary import END, UNKNOWN, Vocabulary
from discretevae.texts import from_csv

from .errors import DataError, nearest
from .examples import Examples
from .sizes import require_honest_size
from .splits import Splits, split
from .tables import read_arrow
from .token_rows import SentenceExamples, TokenRows

__all__ = ["Sentences", "TextCounts", "TextSplits", "load_text", "read_sentences", "text_examples"]

COLUMNS = ("text", "sentence")
"""What a column of sentences may be called where a table has several and none is named."""
Cell = tuple[int, str]
"""Where it stands in its file, counted from 1, and what it says."""


@dataclass(frozen=True)
class Sentences:
    """Holds the sentences of a file that are not empty.

    Arguments:
        where: The file.
        texts: One sentence each, without the white space around it.
        lines: The number of the line (or the row of a Parquet file) of each, from 1.
        empty: How many lines were empty and skipped.

    Example:
        >>> Sentences("file.txt", ("to be", "or not"), (1, 3), empty=1).take([1]).texts
        ('or not',)
    """

    where: str
    texts: tuple[str, ...]
    lines: tuple[int, ...]
    empty: int = 0

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, index: list[int]) -> "Sentences":
        """Returns the sentences at these positions; the empty ones stay with the whole file."""
        texts, lines = tuple(self.texts[i] for i in index), tuple(self.lines[i] for i in index)
        return Sentences(self.where, texts, lines)


@dataclass(frozen=True)
class TextCounts:
    """Says what became of sentences on their way to token ids.

    Arguments:
        sentences: How many there are.
        truncated: How many of them lost their end to the limit.
        unknown: How many of them hold a character that the vocabulary does not know.

    Example:
        >>> print(TextCounts(sentences=100, truncated=2, unknown=0))
        100 sentences, 2 truncated, 0 with unknown characters
    """

    sentences: int
    truncated: int = 0
    unknown: int = 0

    def __str__(self) -> str:
        return (
            f"{self.sentences} sentences, {self.truncated} truncated, "
            f"{self.unknown} with unknown characters"
        )


@dataclass(frozen=True, eq=False)
class TextSplits:
    """Holds sentences as training needs them, and what reads and writes them.

    Arguments:
        splits: The three parts; an observation is a row of token ids, (T,).
        vocabulary: Learned from the training sentences alone.
        counts: Part → what became of its sentences.
        empty: How many lines of the file were empty and skipped.
    """

    splits: Splits
    vocabulary: Vocabulary
    counts: dict[str, TextCounts]
    empty: int

    def __str__(self) -> str:
        parts = [f"{part}: {counts}" for part, counts in self.counts.items()]
        return "; ".join([*parts, f"{self.empty} empty lines skipped"])


def read_sentences(path: str | os.PathLike[str], column: str | None = None) -> Sentences:
    """Returns the sentences of a .txt file, one a line, or of a column of a .csv or .parquet file.

    Empty lines are skipped and counted; white space around a sentence is left out.

    Arguments:
        path: The file, in UTF-8 where it is text.
        column: Of a table; by default its only one, or else the one called text or sentence.

    Raises:
        DataError: If the file is missing, of another kind, damaged, not UTF-8, has no such
            column, or holds no sentence.
    """
    path = Path(os.path.expanduser(path))
    reader = READERS.get(path.suffix.lower())
    if not path.exists():
        folder = path.parent
        hint = nearest(path.name, (p.name for p in folder.iterdir())) if folder.is_dir() else ""
        raise DataError(f"{path} does not exist.{hint}")
    if reader is None or not path.is_file():
        raise DataError(f"{path} must be a file that ends in {', '.join(READERS)}.")
    texts, lines, empty = [], [], 0
    try:
        for line, text in reader(path, column):
            if text := text.strip():
                texts.append(text)
                lines.append(line)
            else:
                empty += 1
    except (UnicodeDecodeError, csv.Error):
        raise DataError(f"{path} must be text in UTF-8, got other content.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    if not texts:
        raise DataError(f"{path} must hold at least one sentence, got none.")
    return Sentences(str(path), tuple(texts), tuple(lines), empty)


def text_examples(
    sentences: Sentences, vocabulary: Vocabulary, max_tokens: int, truncate: bool = False
) -> tuple[Examples, TextCounts]:
    """Returns sentences as rows of token ids, (N, max_tokens + 1), and what became of them.

    Arguments:
        sentences: What to encode.
        vocabulary: How.
        max_tokens: At most how many tokens a sentence has, its end not counted.
        truncate: Cut longer sentences, and count them, rather than refuse them.

    Raises:
        DataError: If `max_tokens` is below 1, or a sentence is longer and `truncate` is false;
            the message names its line.

    Example:
        >>> sentences = Sentences("file.txt", ("to be", "or"), (1, 2))
        >>> vocabulary = Vocabulary.of_characters(["to be"])
        >>> examples, counts = text_examples(sentences, vocabulary, max_tokens=4, truncate=True)
        >>> vocabulary.to_sentences(examples.values()), str(counts)
        (['to b', 'o�'], '2 sentences, 1 truncated, 1 with unknown characters')
    """
    if max_tokens < 1:
        raise DataError(f"`max_tokens` must be at least 1, got {max_tokens}.")
    letters = sum(map(len, sentences.texts))
    _require_room(sentences.where, len(sentences) * (max_tokens + 1), letters)
    rows = []
    truncated = unknown = 0
    for text, line in zip(sentences.texts, sentences.lines, strict=True):
        tokens = vocabulary.encode(text)
        if len(tokens) > max_tokens:
            if not truncate:
                raise DataError(
                    f"{sentences.where}, line {line}: must have at most {max_tokens} tokens, got "
                    f"{len(tokens)}; raise `max_tokens` or have long sentences truncated."
                )
            truncated += 1
        tokens = [*tokens[:max_tokens], END]
        unknown += UNKNOWN in tokens
        rows.append(tokens)
    return SentenceExamples(TokenRows.of(rows, max_tokens + 1)), TextCounts(
        len(sentences), truncated, unknown
    )


def _require_room(where: str, numbers: int, letters: int) -> None:
    """Refuses one long sentence among many short ones: all would be padded to its length."""
    try:
        require_honest_size(where, 4 * numbers, 4 * letters)
    except DataError:
        raise DataError(
            f"{where} must have no sentence that is very much longer than the others, got "
            f"{numbers:,} places for {letters:,} letters: give --sentence-length."
        ) from None


def load_text(
    path: str | os.PathLike[str],
    *,
    column: str | None = None,
    pieces: int | None = None,
    max_tokens: int | None = None,
    truncate: bool = False,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
    limit: int | None = None,
) -> TextSplits:
    """Returns the sentences of a file, split once by seed, as rows of token ids.

    Arguments:
        path: As `read_sentences` takes it.
        column: Of a table.
        pieces: The size of a vocabulary of pieces of words, learned by byte-pair encoding; by
            default the tokens are characters. Either comes from the training sentences alone.
        max_tokens: At most how many tokens a sentence has; by default as many as the longest.
        truncate: Cut longer sentences, and count them, rather than refuse them.
        validation: The fraction to validate on; 0 for none.
        test: The fraction to test on.
        seed: The seed of the split.
        limit: At most how many sentences to keep of each part.

    Raises:
        DataError: If the file cannot be used, a sentence is too long, or a number is out of range.
    """
    if limit is not None and limit < 1:
        raise DataError(f"`limit` must be at least 1, got {limit}.")
    sentences = read_sentences(path, column)
    positions = Examples(torch.zeros(len(sentences), 1), torch.arange(len(sentences)))
    parts = split(positions, validation=validation, test=test, seed=seed)
    texts = {
        name: sentences.take(part.labels[:limit].tolist())
        for name in ("train", "validation", "test")
        if (part := getattr(parts, name)).labels is not None
    }
    try:
        vocabulary = (
            Vocabulary.of_characters(texts["train"].texts)
            if pieces is None
            else Vocabulary.of_pieces(texts["train"].texts, pieces)
        )
    except ValueError as error:
        raise DataError(str(error).replace("`size`", "`pieces`")) from None
    if max_tokens is None:
        max_tokens = max(len(vocabulary.encode(t)) for part in texts.values() for t in part.texts)
    found = {
        name: text_examples(part, vocabulary, max_tokens, truncate) for name, part in texts.items()
    }
    train, valid, held_out = (examples for examples, _ in found.values())
    splits = Splits(Path(path).stem, train, valid, held_out)
    counts = {name: counts for name, (_, counts) in found.items()}
    return TextSplits(splits, vocabulary, counts, sentences.empty)


def _txt(path: Path, column: str | None) -> Iterator[Cell]:
    if column is not None:
        raise DataError(f"`column` must be left out for {path}, which has none, got {column!r}.")
    with path.open(encoding="utf-8-sig") as file:
        for line, text in enumerate(file, 1):
            if "\0" in text:
                raise DataError(f"{path} must be text in UTF-8, got other content.")
            yield line, text


def _csv(path: Path, column: str | None) -> Iterator[Cell]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        names = [name.strip() for name in next(reader, [])]
        if not names:
            return
        i = names.index(_column(names, column, path))
        for row in reader:
            if len(row) not in (0, len(names)):
                raise DataError(
                    f"{path}, line {reader.line_num}: must have {len(names)} cells, got {len(row)}."
                )
            yield reader.line_num, from_csv(row[i]) if row else ""


def _parquet(path: Path, column: str | None) -> Iterator[Cell]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise DataError(f"{path}: to read Parquet, install discretevae[tables].") from None
    try:
        names = pyarrow.parquet.read_schema(path).names
    except (pyarrow.ArrowException, OSError):
        raise DataError(f"{path} must be a whole Parquet file, got one damaged.") from None
    name = _column(names, column, path)
    values = read_arrow(path, [name]).column(0)
    if not (pyarrow.types.is_string(values.type) or pyarrow.types.is_large_string(values.type)):
        raise DataError(f"{path}, column '{name}': must hold text, got type {values.type}.")
    yield from ((row, text or "") for row, text in enumerate(values.to_pylist(), 1))


def _column(names: list[str], column: str | None, path: Path) -> str:
    if column is None:
        found = names if len(names) == 1 else [n for n in names if n.lower() in COLUMNS]
        if len(found) == 1:
            return found[0]
        raise DataError(
            f"`column` must say which column of {path} has the sentences: {', '.join(names)}."
        )
    if column not in names:
        raise DataError(
            f"`column` must be one of {', '.join(names)} in {path}, got {column!r}."
            f"{nearest(column, names)}"
        )
    return column


READERS = {".txt": _txt, ".csv": _csv, ".parquet": _parquet}
"""Ending → what reads the sentences of such a file."""
