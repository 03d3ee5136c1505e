from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from discretevae.data import DataError, Examples, load
from discretevae.data.examples import as_values
from discretevae.likelihoods import LIKELIHOODS

LEVELS = torch.arange(256, dtype=torch.uint8).reshape(256, 1)


def test_levels_mean_what_numpy_divides() -> None:
    expected = (np.arange(256) / np.float32(255)).astype(np.float32)
    assert np.array_equal(Examples(LEVELS).values()[:, 0].numpy(), expected)


def test_floats_are_not_rescaled() -> None:
    x = torch.tensor([[-3.0, 16.0]])
    assert torch.equal(as_values(x), x)


def test_values_and_take_follow_the_index() -> None:
    examples = Examples(LEVELS, torch.arange(256))
    index = torch.tensor([7, 3])
    assert torch.equal(examples.values(index), examples.values()[index])
    assert torch.equal(examples.values(slice(2, 5)), examples.values()[2:5])
    taken = examples.take(index)
    assert taken.labels is not None
    assert taken.labels.tolist() == [7, 3]
    assert taken.x[:, 0].tolist() == [7, 3]


def test_to_the_same_device_copies_nothing() -> None:
    examples = Examples(LEVELS, torch.arange(256))
    assert examples.to("cpu").x.data_ptr() == LEVELS.data_ptr()


@pytest.mark.parametrize(
    ("x", "labels", "message"),
    [
        (torch.zeros(2, 3, dtype=torch.float64), None, "`x` must be uint8 or float32"),
        (torch.zeros(2, 3), torch.zeros(2), "`labels` must be int64"),
        (torch.zeros(2, 3), torch.zeros(3, dtype=torch.int64), r"shape \(2,\)"),
    ],
)
def test_bad_tensors_are_refused(
    x: torch.Tensor, labels: torch.Tensor | None, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        Examples(x, labels)


def test_bytes_become_numbers_a_batch_at_a_time(tmp_path: Path) -> None:
    """A folder of colour photographs stays as large as its pixels, in memory and in a batch."""
    draws = np.random.default_rng(0)
    for i in range(20):
        pixels = draws.integers(0, 256, (8, 8, 3), np.uint8)
        PIL.Image.fromarray(pixels).save(tmp_path / f"{i:02}.png")
    splits = load(tmp_path)
    for part in (splits.train, splits.validation, splits.test):
        assert isinstance(part, Examples)
        assert part.x.dtype == torch.uint8
        assert part.shape == (3, 8, 8)
    stored, _ = next(iter(splits.train.shuffled(4, torch.Generator().manual_seed(0))))
    assert stored.dtype == torch.uint8
    x = splits.binarizer.draw(stored)
    assert x.dtype == torch.float32
    for name in ("discretised-logistic", "logistic-mixture", "levels"):
        LIKELIHOODS[name](3).check(x)
    assert splits.schema is not None
    assert splits.schema.likelihood == "continuous-bernoulli"  # as it was before
