import sys
from decimal import Decimal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from discretevae.codes.ans import GRID, MARGIN, SHIFTS, WEIGHTS, AnsStack, safe_shift, weights
from discretevae.codes.errors import CodesError

sizes = st.tuples(st.integers(0, 50), st.integers(2, 20))
seeds = st.integers(0, 2**32)
spreads = st.sampled_from([0.0, 0.1, 3.0, 1000.0])


def drawn(seed: int, n: int, k: int, spread: float) -> tuple[np.ndarray, torch.Tensor]:
    random = np.random.default_rng(seed)
    return random.integers(0, k, n), torch.from_numpy(random.normal(0, spread, (n, k)))


@given(seeds, sizes, spreads)
@settings(deadline=None, max_examples=50)
def test_symbols_come_off_as_they_were_put_on(
    seed: int, size: tuple[int, int], spread: float
) -> None:
    symbols, logits = drawn(seed, *size, spread)
    stack = AnsStack(np.empty(0, np.uint32))
    p = weights(logits)
    stack.push(symbols, p)
    assert AnsStack(stack.words()).pop(p).tolist() == symbols.tolist()


@given(seeds, sizes, spreads)
@settings(deadline=None, max_examples=50)
def test_bits_that_became_symbols_come_back(
    seed: int, size: tuple[int, int], spread: float
) -> None:
    _, logits = drawn(seed, *size, spread)
    bottom = np.random.default_rng(seed).bytes(32 + 4 * 50 * 24 // 32 * 4)
    stack = AnsStack.upon(bottom)
    symbols = stack.pop(weights(logits))
    assert stack.is_sound
    stack.push(symbols, weights(logits))
    assert stack.bottom() == bottom


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_order_in_memory_does_not_matter(order: str) -> None:
    symbols, logits = drawn(0, 50, 7, 3.0)
    stacks = [AnsStack(np.empty(0, np.uint32)) for _ in range(2)]
    p = weights(logits)
    stacks[0].push(symbols, p)
    stacks[1].push(np.repeat(symbols, 2)[::2], np.array(p, order=order))
    assert np.array_equal(stacks[0].words(), stacks[1].words())
    assert stacks[1].pop(np.array(p, order=order)).tolist() == symbols.tolist()


@pytest.mark.parametrize("categories", [2, 10, 300])
def test_a_symbol_takes_its_information_in_bits(categories: int) -> None:
    """The truth is NumPy's softmax; 64 bits are the granularity of a stack."""
    n = 200_000 // categories
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, (n, categories))
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    symbols = (p.cumsum(1) < random.random((n, 1))).sum(1)
    information = -np.log2(p[np.arange(n), symbols]).sum()
    stack = AnsStack(np.empty(0, np.uint32))
    stack.push(symbols, weights(torch.from_numpy(logits)))
    assert abs(32 * len(stack.words()) - information) < 64 + 1e-5 * information + 1e-5 * n


def test_whole_numbers_are_the_exponential_to_more_digits_than_a_machine_has() -> None:
    for i in range(0, len(WEIGHTS), 7):
        exact = (-Decimal(i) * Decimal(GRID)).exp() * 2**30
        assert WEIGHTS[i] == int(exact + Decimal("0.5"))
        # Nowhere would an error in the last bit of e^-x turn the rounding.
        assert abs(exact % 1 - Decimal("0.5")) > Decimal("1e-5")


on_edges = st.lists(
    st.integers(-40, 40).map(lambda i: i * GRID / 2) | st.floats(-9, 9), min_size=2, max_size=8
)


@given(on_edges, seeds)
@settings(deadline=None, max_examples=80)
def test_small_differences_in_logits_make_none_in_weights(edges: list[float], seed: int) -> None:
    logits = torch.tensor([edges], dtype=torch.float64)
    noise = np.random.default_rng(seed).uniform(-0.9, 0.9, logits.shape) * MARGIN
    shift = safe_shift(logits)
    assert 0 <= shift < SHIFTS
    noisy = logits + torch.from_numpy(noise)
    assert np.array_equal(weights(logits, shift), weights(noisy, shift))


def test_without_a_shift_they_would() -> None:
    logits = torch.tensor([[0.0, GRID / 2]], dtype=torch.float64)
    noisy = logits - torch.tensor([0.0, MARGIN / 2])
    assert not np.array_equal(weights(logits), weights(noisy))


def test_where_no_shift_is_safe_the_best_is_taken() -> None:
    edges = torch.tensor([[(0.5 - j / SHIFTS) * GRID for j in range(SHIFTS)]]).double()
    edges[0, 11] += MARGIN / 2
    assert safe_shift(edges) == 11


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_no_numbers_are_refused(value: float) -> None:
    with pytest.raises(CodesError, match="must compute finite logits"):
        safe_shift(torch.tensor([[0.0, value]]))


def test_more_than_there_is_cannot_be_taken() -> None:
    stack = AnsStack.upon(bytes(range(32)))
    uniform = weights(torch.zeros(20, 8))
    first = stack.try_pop(uniform)
    assert first is not None
    assert len(first) == 20
    before = stack.words()
    assert stack.try_pop(weights(torch.zeros(100, 8))) is None
    assert np.array_equal(stack.words(), before)
    stack.push(first, uniform)
    assert stack.bottom() == bytes(range(32))
    stack.pop(weights(torch.zeros(100, 8)))
    with pytest.raises(CodesError, match="checksum"):
        stack.bottom()


def test_words_that_are_no_stack_are_refused() -> None:
    with pytest.raises(CodesError, match="never end in 0"):
        AnsStack(np.zeros(3, np.uint32))


def test_without_constriction_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "constriction", None)
    with pytest.raises(CodesError, match=r"pip install \"discretevae\[compress\]\""):
        AnsStack(np.empty(0, np.uint32))
