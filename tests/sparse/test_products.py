"""Sparse products beside the same ones written densely."""

import pytest
import torch
from torch import Tensor

from discretevae.sparse.products import (
    Pick,
    Support,
    above,
    decoded,
    dense,
    largest,
    of_batch,
    of_row,
    preactivations,
)


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


@pytest.mark.parametrize("pick", [of_row(3), above(1.0), above(torch.linspace(0, 3, 20).double())])
def test_values_and_gradients_are_those_of_dense_products(
    pick: Pick, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("discretevae.sparse.products.ROWS", 100)  # five rows at a time
    x, w, b, v = (t.requires_grad_() for t in (drawn(12, 6), drawn(6, 20), drawn(20), drawn(20, 4)))
    weight = drawn(12, 4)
    support, values = largest(x, w, b, pick)
    h = preactivations(x, w, b, values, support)
    found = decoded(h.relu().square(), v, support)
    sparse = torch.autograd.grad((found * weight).sum(), [x, w, b, v])

    full = x @ w + b
    mask = dense(torch.ones_like(values), support)
    expected = (full.relu().square() * mask) @ v
    exact = torch.autograd.grad((expected * weight).sum(), [x, w, b, v])
    torch.testing.assert_close(dense(values, support), full.detach() * mask)
    torch.testing.assert_close(found, expected)
    for one, other in zip(sparse, exact, strict=True):
        torch.testing.assert_close(one, other)


def test_a_gradient_without_its_mask_is_caught() -> None:
    """As one library has it: all activations are 0, and the gradient is not."""
    x, w = drawn(5, 3), drawn(3, 7).requires_grad_()
    b = torch.full((7,), -100.0, dtype=torch.float64)
    support, values = largest(x, w, b, of_row(2))
    h = preactivations(x, w, b, values, support)
    (right,) = torch.autograd.grad(h.relu().sum(), w, retain_graph=True)
    (wrong,) = torch.autograd.grad(h.sum(), w)
    assert not right.any()
    assert wrong.any()


def test_rows_and_latents_without_entries() -> None:
    x, w, b = drawn(4, 3), drawn(3, 7).requires_grad_(), drawn(7)
    support, values = largest(x, w, b, above(1e6))
    assert len(support) == 4
    assert support.counts.tolist() == [0] * 4
    h = preactivations(x, w, b, values, support)
    found = decoded(h, drawn(7, 2), support)
    assert not found.any()
    found.sum().backward()
    assert w.grad is not None
    assert not w.grad.any()


@pytest.mark.parametrize("rows", [1, 7, 40])
@pytest.mark.parametrize("count", [1, 30, 10**6])
def test_the_largest_of_a_batch_are_exact(
    rows: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("discretevae.sparse.products.ROWS", 60)  # three rows at a time
    x, w, b = drawn(rows, 3), drawn(3, 20), drawn(20)
    x[:3] *= 50  # the first rows mislead about the others
    support, values = of_batch(x, w, b, count)
    full = x @ w + b
    positive = full[full > 0]
    expected = positive.topk(min(count, len(positive))).values
    torch.testing.assert_close(values.sort(descending=True).values, expected)
    torch.testing.assert_close(full[support.rows, support.latents], values)


def test_parts_of_a_support() -> None:
    support = Support(torch.tensor([0, 2, 2, 5]), torch.tensor([3, 1, 0, 3, 2]), width=4)
    kept = support.where(support.latents < 3)
    assert kept.offsets.tolist() == [0, 1, 1, 3]
    assert kept.latents.tolist() == [1, 0, 2]
    assert support.times.tolist() == [1, 1, 1, 2]
