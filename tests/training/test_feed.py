"""Batches by step, the same from wherever one begins."""

import torch

from discretevae.data import Examples
from discretevae.training.feed import Feed


def feed() -> Feed:
    return Feed(Examples(torch.arange(10.0)[:, None]), size=3, seed=1)


def test_beginning_anywhere_gives_the_same() -> None:
    whole = [batch.flatten().tolist() for batch in feed().batches(0, 11)]
    for first in range(11):
        rest = [batch.flatten().tolist() for batch in feed().batches(first, 11 - first)]
        assert rest == whole[first:]
    in_parts = feed()
    parts = [*in_parts.batches(0, 4), *in_parts.batches(4, 4), *in_parts.batches(8, 3)]
    assert [batch.flatten().tolist() for batch in parts] == whole


def test_a_pass_has_no_row_twice_and_passes_differ() -> None:
    batches = list(feed().batches(0, 6))
    first, second = torch.cat(batches[:3]).flatten(), torch.cat(batches[3:]).flatten()
    assert len(first.unique()) == len(second.unique()) == 9
    assert first.tolist() != second.tolist()


def test_going_back_begins_anew() -> None:
    one = feed()
    before = [batch.tolist() for batch in one.batches(2, 2)]
    assert [batch.tolist() for batch in one.batches(2, 2)] == before
