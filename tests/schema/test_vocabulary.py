import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from discretevae.schema.vocabulary import (
    END,
    PADDING,
    SPECIAL,
    UNKNOWN,
    WORD,
    Vocabulary,
    token_counts,
)

CORPUS = ["the cat sat on the mat", "the rat  that ate", "a cat, the hat", "aaa aaaa aaaaa"]
KNOWN = st.text(alphabet=sorted(set("".join(CORPUS))), max_size=30)
PIECES = Vocabulary.of_pieces(CORPUS, 40)


def tokenizer_of(vocabulary: Vocabulary) -> object:
    """The library's own encoder with the same symbols and merges."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    ids = {symbol: i for i, symbol in enumerate(vocabulary.symbols)}
    tokenizer = Tokenizer(models.BPE(ids, list(vocabulary.merges)))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(WORD), "isolated")
    return tokenizer


@given(KNOWN)
def test_pieces_are_those_of_the_library(text: str) -> None:
    expected = tokenizer_of(PIECES).encode(text).ids
    assert PIECES.encode(text) == [SPECIAL + i for i in expected]


@given(KNOWN)
def test_known_characters_come_back(text: str) -> None:
    for vocabulary in (PIECES, Vocabulary.of_characters(CORPUS)):
        assert vocabulary.decode(vocabulary.encode(text)) == text


@given(st.lists(st.text(max_size=20), min_size=1, max_size=5), st.text(max_size=20))
def test_any_text_is_read_and_only_unknown_characters_are_lost(
    sentences: list[str], text: str
) -> None:
    vocabulary = Vocabulary.of_characters(sentences)
    known = set("".join(sentences))
    tokens = vocabulary.encode(text)
    assert [token == UNKNOWN for token in tokens] == [c not in known for c in text]
    assert vocabulary.decode(tokens) == "".join(c if c in known else "�" for c in text)
    assert all(vocabulary.decode(vocabulary.encode(s)) == s for s in sentences)


@given(st.text(max_size=30))
def test_words_are_the_whole_text(text: str) -> None:
    import re

    assert "".join(re.findall(WORD, text)) == text


def test_pieces_stay_within_words_and_make_sentences_shorter() -> None:
    assert PIECES.size == 40
    assert all(" " not in symbol.strip(" ") for symbol in PIECES.symbols)
    assert len(PIECES.encode(CORPUS[0])) < len(CORPUS[0]) / 2
    assert PIECES.encode("z?") == [UNKNOWN, UNKNOWN]


def test_learning_is_repeatable_and_stops_where_nothing_is_left_to_join() -> None:
    assert Vocabulary.of_pieces(CORPUS, 40) == PIECES
    small = Vocabulary.of_pieces(["ab"], 100)
    assert (small.symbols, small.merges) == (("a", "b", "ab"), (("a", "b"),))


def test_a_size_without_room_for_the_characters_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`size` must be at least 6, .* got 5"):
        Vocabulary.of_pieces(["abc"], 5)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ValueError, match=r"install discretevae\[text\]"):
        Vocabulary.of_pieces(["abc"], 10)
    assert Vocabulary.from_config(PIECES.config()).encode("the") == PIECES.encode("the")


@pytest.mark.parametrize("vocabulary", [PIECES, Vocabulary.of_characters(["tö be"])])
def test_a_configuration_in_plain_types_gives_the_vocabulary_back(vocabulary: Vocabulary) -> None:
    import json

    config = json.loads(json.dumps(vocabulary.config()))
    assert Vocabulary.from_config(config) == vocabulary


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"symbols": ["a", "a"]}, "`symbols` must be strings, none empty and each once"),
        ({"symbols": ["a", ""]}, "`symbols` must be strings, none empty and each once"),
        (
            {"symbols": ["a", "b"], "merges": [["a", "b"]]},
            "`merges` must join symbols to symbols, got 'a' and 'b'",
        ),
        ({"merges": []}, "`vocabulary` does not fit"),
        ({"symbols": ["a"], "pieces": 3}, "`vocabulary` does not fit"),
    ],
)
def test_a_configuration_of_no_vocabulary_is_refused(
    config: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Vocabulary.from_config(config)


@given(st.lists(KNOWN, max_size=5), st.integers(0, 3))
def test_rows_are_tokens_then_the_end_then_padding(sentences: list[str], spare: int) -> None:
    tokens = [PIECES.encode(s) for s in sentences]
    length = max(map(len, tokens), default=0) + 1 + spare
    x = PIECES.to_rows(sentences, length)
    assert x.dtype == torch.float32
    assert x.tolist() == [[*t, END, *[PADDING] * (length - len(t) - 1)] for t in tokens]
    assert PIECES.to_sentences(x) == sentences
    assert token_counts(x).tolist() == [len(t) + 1 for t in tokens]


def test_a_sentence_without_room_for_its_end_is_refused() -> None:
    with pytest.raises(ValueError, match="at most `length` - 1 = 2 tokens, got 3: 'abc'"):
        Vocabulary(["a", "b", "c"]).to_rows(["ab", "abc"], 3)


def test_counts_ignore_what_follows_the_end() -> None:
    x = torch.tensor([[[3.0, 1, 0, 0], [3, 1, 1, 5]], [[1, 0, 0, 0], [3, 3, 3, 3]]])
    assert token_counts(x).tolist() == [[2, 2], [1, 4]]
