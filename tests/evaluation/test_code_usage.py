import pytest
import torch

from discretevae.evaluation.code_usage import code_usage, collisions, occurrences


def test_perplexity_is_that_of_the_shares() -> None:
    codes = torch.tensor([0] * 8 + [1] * 4 + [2] * 4)
    found = code_usage(codes, 6)
    assert found.counts.tolist() == [8, 4, 4, 0, 0, 0]
    assert found.perplexity == pytest.approx(2**1.5)
    assert found.share == 0.5


def test_all_codes_alike_are_all() -> None:
    found = code_usage(torch.arange(10).repeat(3), 10)
    assert (found.perplexity, found.share) == (pytest.approx(10), 1)


def test_what_cannot_be_counted_is_refused() -> None:
    with pytest.raises(ValueError, match="`codes` must be at least one, got none"):
        code_usage(torch.zeros(0, dtype=torch.long), 4)
    with pytest.raises(ValueError, match=r"`codes` must lie in \[0, 4\), got 4"):
        code_usage(torch.tensor([4]), 4)


def test_collisions_and_occurrences_are_those_of_a_loop() -> None:
    codes = torch.randint(3, (200, 4), generator=torch.Generator().manual_seed(0))
    rows = [tuple(row) for row in codes.tolist()]
    shared = sum(rows.count(row) > 1 for row in rows) / len(rows)
    assert collisions(codes) == pytest.approx(shared)
    before = [rows[:i].count(row) for i, row in enumerate(rows)]
    assert occurrences(codes).tolist() == before
    unique = torch.cat([codes, occurrences(codes)[:, None]], 1)
    assert collisions(unique) == 0
    with pytest.raises(ValueError, match="at least one example"):
        collisions(codes[:0])
