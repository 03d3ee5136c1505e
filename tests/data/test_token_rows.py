"""Sentences without their padding, and batches of such as are about equally long."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from discretevae.data import Batches, Examples
from discretevae.data.binarize import BINARIZERS
from discretevae.data.token_rows import POOL, SentenceExamples, TokenRows, bucketed

NONE = BINARIZERS["none"]


def sentences(n: int = 137, width: int = 30) -> SentenceExamples:
    rows = [[*range(3, 3 + i * 7 % (width - 1)), 1] for i in range(n)]
    at = torch.arange(n)
    return SentenceExamples(TokenRows.of(rows, width), at, at[:, None].float(), at)


@pytest.mark.parametrize(("most", "dtype"), [(255, "uint8"), (256, "int16"), (2**15, "int32")])
def test_ids_take_no_more_bytes_than_they_need(most: int, dtype: str) -> None:
    rows = TokenRows.of([[most, 1], [1]], width=1000)
    assert rows.tokens.dtype == getattr(torch, dtype)
    assert rows.tokens.numel() == 3
    assert rows.padded().tolist() == [[most, 1], [1, 0]]


def test_they_are_examples_like_others() -> None:
    found = sentences()
    other = Examples(found.x, found.labels, found.context, found.rows)
    index = torch.tensor([5, 1, 30])
    assert (len(found), found.shape, found.device) == (len(other), other.shape, other.device)
    assert found.x.shape == (137, 30)
    for one, two in [(found, other), (found.take(index), other.take(index))]:
        assert isinstance(one, Examples)
        assert torch.equal(one.values(), two.values())
        assert torch.equal(one.labels, two.labels)
        assert torch.equal(one.context, two.context)
        assert torch.equal(one.rows, two.rows)
    assert torch.equal(found.values(slice(3, 5)), other.values(slice(3, 5)))
    assert torch.equal(found.to("cpu").x, other.x)
    assert found.with_context(None).context is None
    assert NONE.prepare(found) is found


def test_in_order_batches_are_padded_to_their_longest() -> None:
    found, start = sentences(), 0
    for x, context in found.in_order(10):
        assert x.shape[1] == int((x != 0).sum(1).max())
        wide = torch.nn.functional.pad(x, (0, 30 - x.shape[1]))
        assert torch.equal(wide, found.values(slice(start, start + 10)))
        assert context[:, 0].tolist() == list(range(start, start + len(x)))
        start += len(x)
    assert start == 137


@pytest.mark.parametrize("size", [1, 10, 137, 500])
def test_an_epoch_sees_each_once_and_the_smaller_batch_last(size: int) -> None:
    batches = list(Batches(sentences(), size, NONE, seed=3))
    seen = torch.cat([batch.context[:, 0] for batch in batches]).long()
    assert sorted(seen.tolist()) == list(range(137))
    assert [len(b.x) for b in batches] == [size] * (137 // size) + [137 % size] * (137 % size > 0)


def test_an_epoch_is_a_function_of_seed_and_epoch() -> None:
    def order(**options: int) -> list[float]:
        batches = Batches(sentences(), 10, NONE, **options)
        return [row for batch in batches for row in batch.context[:, 0].tolist()]

    assert order(seed=1, epoch=2) == order(seed=1, epoch=2)
    assert order(seed=1, epoch=2) != order(seed=1, epoch=3)
    assert order(seed=1, epoch=2) != order(seed=2, epoch=2)


def test_processes_have_the_same_batches_and_part_their_rows() -> None:
    whole = list(Batches(sentences(), 10, NONE, seed=1))
    parts = [list(Batches(sentences(), 10, NONE, seed=1, share=(i, 3))) for i in range(3)]
    for batch, *shares in zip(whole, *parts, strict=True):
        assert torch.equal(torch.cat([share.x for share in shares]), batch.x)


@given(st.integers(0, 700), st.integers(1, 7), st.integers(0, 2**31))
def test_buckets_are_alike_long_and_met_at_random(n: int, size: int, seed: int) -> None:
    lengths = torch.randint(1, 100, (n,), generator=torch.Generator().manual_seed(seed))
    batches = bucketed(lengths, size, torch.Generator().manual_seed(seed))
    assert sorted(i for batch in batches for i in batch.tolist()) == list(range(n))
    assert [len(batch) for batch in batches[:-1]] == [size] * (len(batches) - 1)
    whole = [lengths[batch] for batch in batches if len(batch) == size]
    if n <= POOL * size:  # one pool: no two batches overlap in length
        ordered = sorted((int(x.min()), int(x.max())) for x in whole)
        assert all(one[1] <= two[0] for one, two in pairwise(ordered))


def test_long_and_short_batches_follow_each_other_at_random() -> None:
    """No trend within an epoch: the mean length of its first half is that of its second."""
    lengths = torch.arange(20_000) % 97
    batches = bucketed(lengths, 10, torch.Generator().manual_seed(0))
    means = torch.stack([lengths[batch].float().mean() for batch in batches])
    halves = means[:1000].mean() - means[1000:].mean()
    assert abs(float(halves)) < 4 * float(means.std()) * (2 / 1000) ** 0.5
