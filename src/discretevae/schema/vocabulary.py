"""Sentences as rows of token ids: characters, or the pieces that byte-pair encoding joins."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64, Real
from torch import Tensor

__all__ = ["END", "PADDING", "SPECIAL", "UNKNOWN", "Vocabulary", "inside", "token_counts"]

PADDING, END, UNKNOWN = range(3)
SPECIAL = 3
"""How many ids stand for no symbol."""
UNREADABLE = "\N{REPLACEMENT CHARACTER}"
"""How an unknown token is written."""
WORD = " ?[^ ]+| +"
"""Within such a match, and never across, pieces are joined."""


@dataclass(frozen=True)
class Vocabulary:
    """Reads sentences as token ids and writes them again.

    The ids: 0 is padding, 1 the end of a sentence, 2 an unknown character, then the symbols.
    Without merges every symbol is a character. With them, pairs of neighbouring pieces of a word
    are joined, the pair that stands first in `merges` first.

    Arguments:
        symbols: The strings that have an id, each once.
        merges: Pairs of symbols whose joint string is a symbol too.

    Raises:
        ValueError: If a symbol is empty or occurs twice, or a merge is not of symbols.

    Reference: Sennrich, Haddow & Birch, Neural Machine Translation of Rare Words with Subword
    Units, 2016, algorithm 1.

    Example:
        >>> vocabulary = Vocabulary.of_characters(["to be", "or not"])
        >>> vocabulary.size, vocabulary.encode("bet"), vocabulary.decode([4, 5, 9, 1, 0])
        (10, [4, 5, 9], 'bet')
        >>> Vocabulary(["a", "b", "ab"], [("a", "b")]).encode("abba?")
        [5, 4, 3, 2]
    """

    symbols: Sequence[str]
    merges: Sequence[Sequence[str]] = ()
    _words: dict[str, list[int]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "symbols", tuple(self.symbols))
        object.__setattr__(self, "merges", tuple((a, b) for a, b in self.merges))
        if "" in self.symbols or len(self._ids) < len(self.symbols):
            raise ValueError("`symbols` must be strings, none empty and each once.")
        for a, b in self.merges:
            if not {a, b, a + b} <= self._ids.keys():
                raise ValueError(f"`merges` must join symbols to symbols, got {a!r} and {b!r}.")

    @classmethod
    def of_characters(cls, sentences: Iterable[str]) -> "Vocabulary":
        """Knows the characters of these sentences.

        Example:
            >>> Vocabulary.of_characters(["cab"]).symbols
            ('a', 'b', 'c')
        """
        return cls(sorted(set().union(*sentences)))

    @classmethod
    def of_pieces(cls, sentences: Iterable[str], size: int) -> "Vocabulary":
        """Learns by byte-pair encoding which pieces of words are frequent in these sentences.

        Arguments:
            sentences: To learn from.
            size: Of the vocabulary, the three ids without a symbol counted; less where the
                sentences have no more pairs to join.

        Raises:
            ValueError: If `size` does not hold the characters of the sentences, or the package
                `tokenizers` is not installed.

        Example:
            >>> vocabulary = Vocabulary.of_pieces(["low lower lowest"], size=13)
            >>> [vocabulary.decode([token]) for token in vocabulary.encode("lower")]
            ['low', 'e', 'r']
        """
        try:
            from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
        except ImportError:
            raise ValueError("`size`: to learn pieces, install discretevae[text].") from None
        sentences = list(sentences)
        characters = len(set().union(*sentences))
        if size < SPECIAL + characters:
            raise ValueError(
                f"`size` must be at least {SPECIAL + characters}, for {SPECIAL} ids without a "
                f"symbol and {characters} characters, got {size}."
            )
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(WORD), "isolated")
        most = sum(map(len, sentences))  # each piece beyond the characters joins two
        pieces = min(size - SPECIAL, characters + most)
        trainer = trainers.BpeTrainer(vocab_size=pieces, show_progress=False)
        tokenizer.train_from_iterator(sentences, trainer)
        learned = json.loads(tokenizer.to_str())["model"]
        return cls(sorted(learned["vocab"], key=learned["vocab"].get), learned["merges"])

    @property
    def size(self) -> int:
        """V: how many ids there are."""
        return SPECIAL + len(self.symbols)

    def encode(self, sentence: str) -> list[int]:
        """Gives the ids of a sentence, without its end; 2 for a character that is unknown."""
        return [token for word in re.findall(WORD, sentence) for token in self._word(word)]

    def decode(self, tokens: Iterable[int | float]) -> str:
        """Writes what stands before the first end; an unknown character as �."""
        text = []
        for token in map(int, tokens):
            if token == END:
                break
            if token != PADDING:
                text.append(UNREADABLE if token == UNKNOWN else self.symbols[token - SPECIAL])
        return "".join(text)

    def to_rows(self, sentences: Sequence[str], length: int) -> Float[Tensor, "N T"]:
        """Gives observations: the tokens of each sentence, the end, and padding up to `length`.

        Raises:
            ValueError: If a sentence has more than `length` − 1 tokens.

        Example:
            >>> Vocabulary(["a", "b"]).to_rows(["ba", ""], length=4)
            tensor([[4., 3., 1., 0.],
                    [1., 0., 0., 0.]])
        """
        x = torch.full((len(sentences), length), float(PADDING))
        for row, sentence in zip(x, sentences, strict=True):
            tokens = [*self.encode(sentence), END]
            if len(tokens) > length:
                raise ValueError(
                    f"`sentences` must have at most `length` - 1 = {length - 1} tokens, "
                    f"got {len(tokens) - 1}: {sentence!r}."
                )
            row[: len(tokens)] = torch.tensor(tokens)
        return x

    def to_sentences(self, x: Float[Tensor, "*B T"]) -> list[str]:
        """Writes observations as text, one after the other."""
        return [self.decode(row) for row in x.reshape(-1, x.shape[-1]).tolist()]

    def without_rare(self, rows: Iterable[Sequence[float]], least: int) -> "Vocabulary":
        """Leaves out pieces of words that occur in fewer sentences; their ids stay.

        What had such a piece is read by shorter ones, down to characters, which all stay.

        Arguments:
            rows: The token ids of each sentence.
            least: How many sentences let a piece stay.

        Example:
            >>> vocabulary = Vocabulary(["a", "b", "ab"], [("a", "b")])
            >>> fewer = vocabulary.without_rare([vocabulary.encode("ab")], least=2)
            >>> fewer.symbols, fewer.encode("ab")
            (('a', 'b', '�2'), [3, 4])
        """
        found: dict[str, set[int]] = {symbol: set() for symbol in self.symbols}
        for number, row in enumerate(rows):
            for token in {int(token) for token in row if token >= SPECIAL}:
                places = found[self.symbols[token - SPECIAL]]
                if len(places) < least:
                    places.add(number)
        for a, b in reversed(self.merges):  # where a piece is, its parts are
            found[a] |= found[a + b]
            found[b] |= found[a + b]
        kept = {s for s, places in found.items() if len(s) == 1 or len(places) >= least}
        return Vocabulary(
            [s if s in kept else f"{UNREADABLE}{i}" for i, s in enumerate(self.symbols)],
            [(a, b) for a, b in self.merges if {a, b, a + b} <= kept],
        )

    def config(self) -> dict[str, Any]:
        """Describes the vocabulary in plain types."""
        return {"symbols": list(self.symbols), "merges": [list(pair) for pair in self.merges]}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Vocabulary":
        """Rebuilds what `config` describes.

        Raises:
            ValueError: If something is missing or does not fit.
        """
        try:
            return cls(**config)
        except TypeError as error:
            raise ValueError(f"`vocabulary` does not fit: {error}.") from None

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {symbol: i for i, symbol in enumerate(self.symbols, SPECIAL)}

    @cached_property
    def _ranks(self) -> dict[tuple[str, str], int]:
        return {(a, b): i for i, (a, b) in enumerate(self.merges)}

    def _word(self, word: str) -> list[int]:
        if not self.merges:
            return [self._ids.get(character, UNKNOWN) for character in word]
        if word not in self._words:
            self._words[word] = [self._ids.get(piece, UNKNOWN) for piece in self._pieces(word)]
        return self._words[word]

    def _pieces(self, word: str) -> list[str]:
        pieces = list(word)
        while known := [pair for pair in pairwise(pieces) if pair in self._ranks]:
            a, b = min(known, key=self._ranks.__getitem__)
            joined: list[str] = []
            for piece in pieces:
                if piece == b and joined and joined[-1] == a:
                    joined[-1] = a + b
                else:
                    joined.append(piece)
            pieces = joined
        return pieces


def inside(x: Real[Tensor, "*B T"]) -> Bool[Tensor, "*B T"]:
    """Marks the tokens of each sentence, its end included; what follows the end is ignored.

    Example:
        >>> inside(torch.tensor([4, 3, 1, 0])).tolist()
        [True, True, True, False]
    """
    end = (x == END).long()
    return end.cumsum(-1) - end == 0


def token_counts(x: Real[Tensor, "*B T"]) -> Int64[Tensor, "*B"]:
    """Counts the tokens of each sentence, its end included.

    Example:
        >>> token_counts(torch.tensor([[4.0, 3, 1, 0], [1, 0, 0, 0]]))
        tensor([3, 1])
    """
    return inside(x).sum(-1)
