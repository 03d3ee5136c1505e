import numpy as np
import pytest
import torch

from discretevae.data import DataError, Examples
from discretevae.data.examples import as_values

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
