import numpy as np
import pytest
import torch

from discretevae.data import DataError, examples_from_arrays

MOVED = [
    ((5, 3), (3,)),
    ((5, 28, 20), (1, 28, 20)),
    ((5, 28, 20, 1), (1, 28, 20)),
    ((5, 28, 20, 3), (3, 28, 20)),
    ((5, 28, 20, 4), (4, 28, 20)),
    ((5, 4, 4, 1), (1, 4, 4)),
    ((5, 1, 4, 4), (1, 4, 4)),
    ((5, 3, 28, 20), (3, 28, 20)),
    ((5, 2, 28, 20), (2, 28, 20)),
    ((5, 3, 3, 3), (3, 3, 3)),
]


@pytest.mark.parametrize(("given", "event"), MOVED)
def test_channels_come_first(given: tuple[int, ...], event: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).random(given).astype(np.float32)
    examples, classes = examples_from_arrays(x)
    assert examples.shape == event
    assert classes is None
    channels_last = len(given) == 4 and event != given[1:]
    expected = np.moveaxis(x, -1, 1) if channels_last else x.reshape(5, *event)
    assert np.array_equal(examples.x.numpy(), expected)


def test_a_view_is_copied() -> None:
    x = np.zeros((2, 3), np.float32)
    examples, _ = examples_from_arrays(x)
    x += 1
    assert examples.x.sum() == 0


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (np.array([[0, 128, 255]], np.uint8), torch.tensor([[0, 128, 255]], dtype=torch.uint8)),
        (np.array([[0, 1]], np.uint8), torch.tensor([[0, 255]], dtype=torch.uint8)),
        (np.array([[False, True]]), torch.tensor([[0, 255]], dtype=torch.uint8)),
        (np.array([[0, 255]], np.int64), torch.tensor([[0.0, 255.0]])),
        (np.array([[0.5, -2]], ">f8"), torch.tensor([[0.5, -2.0]])),
        (np.array([[0.5, 2]], np.float16), torch.tensor([[0.5, 2.0]])),
    ],
)
def test_types_keep_their_values(x: np.ndarray, expected: torch.Tensor) -> None:
    examples, _ = examples_from_arrays(x)
    assert examples.x.dtype == expected.dtype
    assert torch.equal(examples.x, expected)


@pytest.mark.parametrize(
    ("labels", "indices", "classes"),
    [
        (np.array([3, 9], np.uint8), [3, 9], None),
        (np.array([3.0, 9.0]), [3, 9], None),
        (np.array(["dog", "cat"]), [1, 0], ("cat", "dog")),
    ],
)
def test_labels_are_indices(
    labels: np.ndarray, indices: list[int], classes: tuple[str, ...] | None
) -> None:
    examples, names = examples_from_arrays(np.zeros((2, 3)), labels)
    assert examples.labels is not None
    assert examples.labels.tolist() == indices
    assert names == classes


BAD = [
    (np.zeros(3), None, "must have 2 dimensions"),
    (np.zeros((1, 1, 1, 1, 1)), None, "got 5"),
    (np.zeros((0, 3)), None, "at least one row"),
    (np.zeros((3, 0)), None, "at least one row of one value"),
    (np.zeros((2, 3), complex), None, "real numbers, got type complex128"),
    (np.array([["a"]]), None, "real numbers, got type <U1"),
    (np.array([[1.0], [np.nan], [np.inf]]), None, "got 2 NaN or infinite, the first in row 1"),
    (np.array([[1e300]]), None, "finite float32 numbers, got 1"),
    (np.zeros((2, 3)), np.zeros(3, int), r"labels must have shape \(2,\), got \(3,\)"),
    (np.zeros((2, 3)), np.array([0.5, 1]), "labels must be whole numbers"),
    (np.zeros((2, 3)), np.array([np.nan, 1]), "labels must be whole numbers"),
    (np.zeros((2, 3)), np.array([2**64 - 1, 1], np.uint64), "labels must be whole numbers"),
    (np.zeros((2, 3)), np.array([None, 1]), "labels must be whole numbers"),
]


@pytest.mark.parametrize(("x", "labels", "message"), BAD)
def test_bad_arrays_are_refused(x: np.ndarray, labels: np.ndarray | None, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        examples_from_arrays(x, labels, where="some.npy")
    assert str(caught.value).startswith("some.npy")
    assert "\n" not in str(caught.value)
