from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from discretevae.data import BINARIZERS, DATASETS, DataError, Examples, Splits, load


def official(n: int, start: int = 0) -> Examples:
    return Examples(torch.arange(start, start + n).to(torch.uint8).reshape(n, 1))


@pytest.fixture
def small_mnist(monkeypatch: pytest.MonkeyPatch) -> None:
    info = replace(DATASETS["mnist"], read=lambda: (official(100), official(20, 100)))
    monkeypatch.setitem(DATASETS, "mnist", info)


def same(first: Splits, second: Splits) -> bool:
    return all(
        torch.equal(getattr(first, part).x, getattr(second, part).x)
        for part in ("train", "validation", "test")
    )


def test_digits_are_split_whole() -> None:
    splits = load()
    assert splits.name == "digits"
    assert splits.classes == DATASETS["digits"].classes
    parts = torch.cat([splits.train.x, splits.validation.x, splits.test.x])
    everything = DATASETS["digits"].read()[0].x
    rows = [sorted(map(tuple, x.flatten(1).tolist())) for x in (parts, everything)]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("binarize", list(BINARIZERS))
def test_loading_is_a_function_of_the_seed(binarize: str) -> None:
    first, again, other = (load(binarize=binarize, seed=seed) for seed in (1, 1, 2))
    assert first.binarizer is BINARIZERS[binarize]
    assert same(first, again)
    assert not torch.equal(first.test.x, other.test.x)
    assert first.train.shape == first.test.shape == (1, 8, 8)


def test_fresh_leaves_training_grey_and_fixes_the_rest() -> None:
    splits = load(binarize="fresh")
    assert len(splits.train.values().unique()) == 17
    for part in (splits.validation, splits.test):
        assert part.values().unique().tolist() == [0, 1]


@pytest.mark.usefixtures("small_mnist")
def test_an_official_test_set_is_kept_whole() -> None:
    splits = load("mnist", validation=0.25, test=0.9)
    assert splits.test.x.flatten().tolist() == list(range(100, 120))
    assert (len(splits.train), len(splits.validation)) == (75, 25)


@pytest.mark.usefixtures("small_mnist")
def test_a_limit_keeps_some_of_each_part() -> None:
    splits = load("mnist", limit=5)
    parts = [part.x.flatten().tolist() for part in (splits.train, splits.validation, splits.test)]
    assert [len(part) for part in parts] == [5, 5, 5]
    assert all(value >= 100 for value in parts[2])
    assert parts[2] != list(range(100, 105))
    assert same(splits, load("mnist", limit=5))


def test_a_file_is_loaded_under_its_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "faces.npz", x=np.eye(20), labels=np.array(["b", "a"] * 10))
    splits = load(tmp_path / "faces.npz", binarize="threshold")
    assert (splits.name, splits.classes, splits.shape) == ("faces", ("a", "b"), (20,))
    assert same(splits, load(str(tmp_path / "faces.npz"), binarize="threshold"))


def test_a_name_wins_over_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    assert load("digits").shape == (1, 8, 8)
    with pytest.raises(DataError, match="must hold images"):
        load("./digits")


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ("minst", {}, "`data` must be one of digits, mnist, .* got 'minst'. Did you mean mnist?"),
        ("", {}, "`data` must be one of digits, .* got ''"),
        ("digits", {"binarize": "fersh"}, "got 'fersh'. Did you mean fresh?"),
        ("digits", {"limit": 0}, "`limit` must be at least 1, got 0"),
        ("digits", {"validation": 1.0}, "`validation` must be a fraction"),
        ("no/such.npy", {}, "no/such.npy does not exist: there is no folder no"),
        ("such.npy", {}, "such.npy does not exist"),
        ("a\0b.npy", {}, "does not exist"),
        ("x" * 5000 + ".npy", {}, "does not exist"),
    ],
)
def test_bad_arguments_are_one_line(data: str, options: dict, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load(data, **options)
    assert "\n" not in str(caught.value)


def test_values_that_do_not_suit_are_refused(tmp_path: Path) -> None:
    (tmp_path / "pixels.csv").write_text("0,255\n" * 20)
    with pytest.raises(DataError, match="got values from 0 to 255; scale them"):
        load(tmp_path / "pixels.csv", binarize="fresh")
