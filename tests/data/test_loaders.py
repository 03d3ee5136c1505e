"""Loaders and datasets give all their rows, in order, with their labels."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import (
    DataLoader,
    RandomSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from discretevae.data import DataError
from discretevae.data.formats.loaders import read_loader
from discretevae.data.formats.objects import read_object
from discretevae.data.formats.raw_array import RawArray
from discretevae.data.formats.raw_text import RawText

X, Y = torch.arange(150.0).reshape(50, 3), torch.arange(50) % 4
PAIRS = TensorDataset(X, Y)


@pytest.mark.parametrize(
    "data",
    [
        PAIRS,
        DataLoader(PAIRS, 7),
        DataLoader(PAIRS, 7, shuffle=True),
        DataLoader(PAIRS, 8, drop_last=True),
        DataLoader(PAIRS, 7, sampler=RandomSampler(PAIRS)),
    ],
    ids=["a dataset", "in order", "shuffled", "the last dropped", "a random sampler"],
)
def test_all_rows_come_in_the_order_of_the_dataset(data: object) -> None:
    found = read_loader(data)
    assert isinstance(found, RawArray)
    assert found.x.tolist() == X.tolist()
    assert found.labels is not None
    assert found.labels.cells() == Y.tolist()


def test_rows_that_a_sampler_chooses_come_alone() -> None:
    found = read_loader(DataLoader(PAIRS, 4, sampler=SubsetRandomSampler([9, 2, 5])))
    assert isinstance(found, RawArray)
    assert found.x[:, 0].tolist() == [6, 15, 27]


def test_rows_drawn_with_weights_come_as_drawn_which_is_said() -> None:
    sampler = WeightedRandomSampler([1.0] * 50, 30)
    found = read_loader(DataLoader(PAIRS, 8, sampler=sampler))
    assert found.rows == 30
    assert "in the order in which the loader gives them" in str(found.notes[0])


def test_what_is_left_out_is_said() -> None:
    found = read_loader(TensorDataset(X, torch.rand(50, 2), torch.rand(50)))
    said = [note.text for note in found.notes]
    assert said == [
        "left out: entry 2 of each batch, what stands beside the observations and is no label a row"
    ]


def test_texts_have_their_labels_and_empty_ones_none() -> None:
    pairs = [("to be", 1), (" ", 0), ("or not", 2)]
    found = read_loader(pairs)
    assert isinstance(found, RawText)
    assert found.texts == ("to be", "or not")
    assert found.lines.tolist() == [1, 3]
    assert found.labels is not None
    assert found.labels.cells() == [1, 2]


class Broken(torch.utils.data.Dataset):
    def __len__(self) -> int:
        return 5

    def __getitem__(self, row: int) -> torch.Tensor:
        raise RuntimeError("the disk\nis gone")


def test_what_a_dataset_raises_is_one_line() -> None:
    with pytest.raises(DataError, match=r"got RuntimeError: the disk is gone"):
        read_loader(Broken())


@pytest.mark.parametrize("read", [read_object, lambda pair: read_loader(TensorDataset(*pair))])
def test_measured_labels_are_refused_with_a_remedy_of_python(read: Callable[[Any], Any]) -> None:
    x, y = torch.eye(4), torch.tensor([0.5, 1.0, 2.25, 3.0])
    with pytest.raises(DataError, match=r"got fractions; give .* np\.column_stack\(\[X, y\]\)"):
        read((x, y))
    assert read_object(np.column_stack([x, y])).rows == 4
