import csv
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from discretevae.data import DataError
from discretevae.data.text import (
    Sentences,
    TextCounts,
    load_text,
    read_sentences,
    text_examples,
)
from discretevae.schema.vocabulary import END, UNKNOWN, Vocabulary

LINE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)


def write(folder: Path, content: str | bytes, name: str = "file.txt") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@given(st.lists(LINE, min_size=1, max_size=10).filter(lambda lines: any(s.strip() for s in lines)))
def test_every_line_is_a_sentence_or_counted(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    path = write(tmp_path_factory.getbasetemp(), "\n".join(lines) + "\n")
    found = read_sentences(path)
    expected = [(i, s.strip()) for i, s in enumerate(lines, 1) if s.strip("\ufeff").strip()]
    assert [*zip(found.lines, found.texts, strict=True)] == [
        (i, s.removeprefix("\ufeff") if i == 1 else s) for i, s in expected
    ]
    assert len(found) + found.empty == len(lines)


@given(st.lists(LINE.filter(str.strip), min_size=1, max_size=10))
def test_csv_is_what_the_csv_module_wrote(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "file.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["id", "text"], *([i, s] for i, s in enumerate(texts))])
    assert read_sentences(path).texts == tuple(s.strip() for s in texts)


@pytest.mark.parametrize("content", ["a\r\n\r\n b \n", "\ufeffa\n\nb", "a\n \t\nb\n"])
def test_line_ends_and_marks(tmp_path: Path, content: str) -> None:
    found = read_sentences(write(tmp_path, content))
    assert (found.texts, found.lines, found.empty) == (("a", "b"), (1, 3), 1)
    assert found.where == str(tmp_path / "file.txt")


@pytest.mark.parametrize(
    ("content", "column", "texts", "lines"),
    [
        ("anything\nto be\nor not\n", None, ("to be", "or not"), (2, 3)),
        ("id,Text\n1,to be\n2,or not\n", None, ("to be", "or not"), (2, 3)),
        ("a,b\n1,to be\n\n2,or not\n", "b", ("to be", "or not"), (2, 4)),
        ('a,text\n1,"to, be"\n2,"two\nlines"\n', None, ("to, be", "two\nlines"), (2, 4)),
    ],
)
def test_columns(
    tmp_path: Path, content: str, column: str | None, texts: tuple, lines: tuple
) -> None:
    found = read_sentences(write(tmp_path, content, "file.csv"), column)
    assert (found.texts, found.lines) == (texts, lines)


@pytest.mark.parametrize(
    ("name", "content", "column", "message"),
    [
        ("file.txt", "", None, "at least one sentence, got none"),
        ("file.txt", "\n \n", None, "at least one sentence, got none"),
        ("file.txt", b"\x89PNG\r\n\x1a\n\xff\xfe", None, "must be text in UTF-8"),
        ("file.txt", b"to be\n\0\0\n", None, "must be text in UTF-8"),
        ("file.txt", "caf\xe9".encode("latin-1"), None, "must be text in UTF-8"),
        ("file.txt", "to be", "text", "`column` must be left out"),
        ("file.csv", "", None, "at least one sentence, got none"),
        ("file.csv", "text\n", None, "at least one sentence, got none"),
        ("file.csv", b"text\n\xff\n", None, "must be text in UTF-8"),
        ("file.csv", "a,b\nto,be\n", None, "`column` must say which .*: a, b"),
        ("file.csv", "title,b\nto,be\n", "titel", "one of title, b .*'titel'. Did you mean title?"),
        ("file.csv", "a,text\nto,be\nor\n", None, "line 3: must have 2 cells, got 1"),
        ("file.pdf", "to be", None, "must be a file that ends in .txt, .csv, .parquet"),
        ("file.parquet", "to be", None, "whole Parquet file"),
    ],
)
def test_bad_files_are_refused_in_one_line(
    tmp_path: Path, name: str, content: str | bytes, column: str | None, message: str
) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow", reason="needs discretevae[tables]")
    with pytest.raises(DataError, match=message) as caught:
        read_sentences(write(tmp_path, content, name), column)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_or_a_folder_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "to be", "poems.txt")
    with pytest.raises(DataError, match=r"poem\.txt does not exist\. Did you mean poems\.txt\?"):
        read_sentences(tmp_path / "poem.txt")
    with pytest.raises(DataError, match="does not exist"):
        read_sentences(tmp_path / "no" / "such.txt")
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(DataError, match="must be a file"):
        read_sentences(tmp_path / "folder.txt")


class TestParquet:
    """Whole files written by pyarrow."""

    def write(self, folder: Path, **columns: list) -> Path:
        pq = pytest.importorskip("pyarrow.parquet", reason="needs discretevae[tables]")
        import pyarrow

        pq.write_table(pyarrow.table(columns), folder / "file.parquet")
        return folder / "file.parquet"

    def test_a_column_of_text(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, text=["to be", None, " ", "or not"], n=[1, 2, 3, 4])
        found = read_sentences(path)
        assert (found.texts, found.lines, found.empty) == (("to be", "or not"), (1, 4), 2)

    def test_a_column_of_numbers_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="column 'n': must hold text, got type int64"):
            read_sentences(self.write(tmp_path, text=["a"], n=[1]), "n")

    def test_without_pyarrow_the_extra_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(DataError, match=r"install discretevae\[tables\]"):
            read_sentences(write(tmp_path, "PAR1", "file.parquet"))


SENTENCES = Sentences("file.txt", ("abba", "b", "cab"), (1, 2, 5))
AB = Vocabulary(["a", "b"])


def test_rows_and_what_was_lost() -> None:
    examples, counts = text_examples(SENTENCES, AB, max_tokens=3, truncate=True)
    assert examples.values().tolist() == [[3, 4, 4, 1], [4, 1, 0, 0], [UNKNOWN, 3, 4, END]]
    assert examples.tokens.tokens.dtype == torch.uint8
    assert counts == TextCounts(sentences=3, truncated=1, unknown=1)


def test_a_sentence_too_long_is_refused_by_its_line() -> None:
    with pytest.raises(DataError, match=r"file.txt, line 5: must have at most 2 tokens, got 3"):
        text_examples(SENTENCES.take([1, 2]), AB, max_tokens=2)
    with pytest.raises(DataError, match="`max_tokens` must be at least 1, got 0"):
        text_examples(SENTENCES, AB, max_tokens=0)


def lines_file(folder: Path) -> Path:
    return write(
        folder, "\n".join(f"line {i} of {chr(ord('a') + i % 26)}" for i in range(50)) + "\n\n"
    )


@pytest.mark.parametrize("pieces", [None, 60])
def test_loading_splits_once_by_seed(tmp_path: Path, pieces: int | None) -> None:
    path = lines_file(tmp_path)
    first, again = (load_text(path, pieces=pieces, seed=3) for _ in range(2))
    parts = [getattr(first.splits, name) for name in ("train", "validation", "test")]
    assert [len(part) for part in parts] == [40, 5, 5]
    assert first.vocabulary == again.vocabulary
    assert torch.equal(first.splits.test.values(), again.splits.test.values())
    other = load_text(path, pieces=pieces, seed=4).splits.test
    assert not torch.equal(first.splits.test.values(), other.values())
    assert first.splits.name == "file"
    assert first.empty == 1
    written = [s for part in parts for s in first.vocabulary.to_sentences(part.values())]
    known = set(read_sentences(path).texts)
    assert len(written) == 50
    assert len(known & set(written)) >= 45  # those with an unknown character aside


def test_the_vocabulary_is_of_the_training_sentences_alone(tmp_path: Path) -> None:
    path = write(tmp_path, "\n".join(chr(ord("a") + i) for i in range(20)))
    found = load_text(path, validation=0.2, test=0.2)
    train = found.vocabulary.to_sentences(found.splits.train.values())
    assert sorted(train) == list(found.vocabulary.symbols)
    assert found.counts["train"].unknown == 0
    assert found.counts["test"].unknown == 4
    assert (found.splits.test.values()[:, 0] == UNKNOWN).all()
    assert "test: 4 sentences, 0 truncated, 4 with unknown characters" in str(found)
    assert str(found).endswith("0 empty lines skipped")


def test_lengths(tmp_path: Path) -> None:
    path = lines_file(tmp_path)
    longest = max(map(len, read_sentences(path).texts))
    assert load_text(path).splits.shape == (longest + 1,)
    with pytest.raises(DataError, match=r"file.txt, line \d+: must have at most 5 tokens"):
        load_text(path, max_tokens=5)
    cut = load_text(path, max_tokens=5, truncate=True)
    assert cut.splits.shape == (6,)
    assert {part: c.truncated for part, c in cut.counts.items()} == {
        "train": 40,
        "validation": 5,
        "test": 5,
    }


def test_a_part_may_be_empty_and_each_may_be_limited(tmp_path: Path) -> None:
    found = load_text(lines_file(tmp_path), validation=0, limit=4)
    splits = found.splits
    assert [len(p) for p in (splits.train, splits.validation, splits.test)] == [4, 0, 4]
    assert splits.validation.shape == splits.shape


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": 0}, "`limit` must be at least 1, got 0"),
        ({"pieces": 5}, "`pieces` must be at least"),
        ({"validation": 1.5}, "`validation` must"),
        ({"max_tokens": 0}, "`max_tokens` must be at least 1"),
    ],
)
def test_numbers_out_of_range_are_refused(
    tmp_path: Path, options: dict[str, float], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        load_text(lines_file(tmp_path), **options)


def test_the_real_lines(tmp_path: Path) -> None:
    """Where they are: nothing is lost on the way, in either vocabulary."""
    import os

    path = Path(os.environ.get("DISCRETEVAE_DATA", "no")) / "text" / "tinyshakespeare.txt"
    if not path.exists():
        pytest.skip("needs tinyshakespeare in DISCRETEVAE_DATA")
    found = load_text(path, limit=300)
    assert (len(read_sentences(path)), found.empty) == (32_777, 7_223)
    first = found.splits.train.values(slice(1))
    assert found.vocabulary.to_sentences(first)[0] in read_sentences(path).texts
