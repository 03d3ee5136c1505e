import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from discretevae.data import BINARIZERS, Batches, DataError, Examples

FRESH, NONE = BINARIZERS["fresh"], BINARIZERS["none"]
GREY = Examples(torch.full((50, 9), 127, dtype=torch.uint8))


def numbered(n: int) -> Examples:
    return Examples(torch.arange(float(n)).reshape(n, 1))


@given(st.integers(0, 60), st.integers(1, 70), st.booleans(), st.integers(-9, 2**63))
def test_an_epoch_sees_each_example_once(n: int, size: int, shuffle: bool, seed: int) -> None:
    epoch = Batches(numbered(n), size, NONE, seed, shuffle=shuffle)
    batches = list(epoch)
    assert len(batches) == len(epoch)
    assert all(len(batch) == size for batch in batches[:-1])
    seen = [value for batch in batches for value in batch[:, 0].tolist()]
    assert (sorted(seen) if shuffle else seen) == list(range(n))


@given(st.integers(0, 2**63), st.integers(0, 10**6))
def test_an_epoch_is_a_function_of_seed_and_epoch(seed: int, epoch: int) -> None:
    first = torch.cat(list(Batches(GREY, 20, FRESH, seed, epoch)))
    torch.rand(3)  # the global stream plays no part
    assert torch.equal(first, torch.cat(list(Batches(GREY, 20, FRESH, seed, epoch))))
    for other in ((seed + 1, epoch), (seed, epoch + 1)):
        assert not torch.equal(first, torch.cat(list(Batches(GREY, 20, FRESH, *other))))


def test_the_order_changes_with_the_epoch() -> None:
    orders = {
        tuple(torch.cat(list(Batches(numbered(30), 7, NONE, 0, e))).flatten().tolist())
        for e in range(20)
    }
    assert len(orders) == 20


def test_batches_are_binary_floats() -> None:
    for batch in Batches(GREY, 16, FRESH):
        assert batch.dtype == torch.float32
        assert set(batch.flatten().tolist()) == {0.0, 1.0}


def test_an_empty_batch_size_is_refused() -> None:
    with pytest.raises(DataError, match="`batch_size` must be at least 1, got 0"):
        Batches(GREY, 0, NONE)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_batches_are_made_on_the_device_asked_for() -> None:
    first, again = (torch.cat(list(Batches(GREY, 16, FRESH, device="cuda"))) for _ in range(2))
    assert first.is_cuda
    assert torch.equal(first, again)
