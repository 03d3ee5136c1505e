from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from discretevae.latents import (
    EnumerationError,
    code_chunks,
    enumerate_codes,
    num_codes,
    require_enumerable,
    to_codes,
    to_one_hot,
)

few = settings(deadline=None, max_examples=30)
latents, categories = st.integers(1, 4), st.integers(2, 5)


def all_codes(num_latents: int, num_categories: int) -> list[list[int]]:
    return [list(code) for code in product(range(num_categories), repeat=num_latents)]


@few
@given(latents, categories)
def test_enumeration_lists_all_codes_in_order(num_latents: int, num_categories: int) -> None:
    expected = all_codes(num_latents, num_categories)
    assert enumerate_codes(num_latents, num_categories).tolist() == expected
    assert num_codes(num_latents, num_categories) == len(expected)


@few
@given(latents, categories, st.integers(1, 700))
def test_chunks_of_any_size_hold_every_code_once(
    num_latents: int, num_categories: int, chunk: int
) -> None:
    chunks = list(code_chunks(num_latents, num_categories, chunk))
    assert all(1 <= len(codes) <= chunk for codes in chunks)
    assert torch.cat(chunks).tolist() == all_codes(num_latents, num_categories)


def test_a_part_of_a_space_too_large_to_enumerate_is_listed() -> None:
    codes = enumerate_codes(20, 8, start=8**19, stop=8**19 + 2)
    assert codes.tolist() == [[1, *[0] * 19], [1, *[0] * 18, 1]]


@few
@given(st.integers(2, 6), st.lists(st.integers(0, 3), max_size=3), st.integers(1, 5), st.data())
def test_one_hot_and_codes_are_inverse(
    num_categories: int, batch: list[int], num_latents: int, data: st.DataObject
) -> None:
    seed = data.draw(st.integers(0, 1000))
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(num_categories, (*batch, num_latents), generator=generator)
    z = to_one_hot(codes, num_categories, torch.float64)
    assert z.shape == (*batch, num_latents, num_categories)
    assert z.dtype == torch.float64
    assert (z.sum(-1) == 1).all()
    assert ((z == 0) | (z == 1)).all()
    back = to_codes(z)
    assert back.dtype == torch.int64
    assert torch.equal(back, codes)


@pytest.mark.parametrize("codes", [[0, 3], [-1, 0]])
def test_an_index_outside_the_categories_is_refused(codes: list[int]) -> None:
    with pytest.raises(ValueError, match=r"`codes` must lie in \[0, 3\), got values from"):
        to_one_hot(torch.tensor(codes), 3)


def test_the_budget_is_inclusive_and_its_refusal_names_both_numbers() -> None:
    assert require_enumerable(2, 3, budget=9) == 9
    with pytest.raises(EnumerationError, match=r"3\^2 = 9 codes .* got 8"):
        require_enumerable(2, 3, budget=8)
    with pytest.raises(EnumerationError, match="got 8"):
        next(code_chunks(2, 3, chunk=1, budget=8))


def test_a_space_beyond_the_largest_float_is_refused_like_any_other() -> None:
    with pytest.raises(EnumerationError, match=r"10\^400 = 1e\+400 codes"):
        require_enumerable(400, 10)


@pytest.mark.parametrize(("num_latents", "num_categories"), [(0, 3), (2, 1), (-1, 2)])
def test_sizes_that_make_no_code_are_refused(num_latents: int, num_categories: int) -> None:
    with pytest.raises(ValueError, match=f"got {num_latents} and {num_categories}"):
        num_codes(num_latents, num_categories)


def test_a_chunk_without_codes_is_refused() -> None:
    with pytest.raises(ValueError, match="`chunk` must be at least 1, got 0"):
        next(code_chunks(2, 3, chunk=0))
