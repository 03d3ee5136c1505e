"""The grouped layer beside a loop over rows."""

import pytest
import torch
from torch import Tensor

from discretevae.routing import grouped_linear, products

SHAPES = [(12, 8), (7, 5), (1, 1), (16, 3)]


def loop(rows: Tensor, weights: Tensor, biases: Tensor, experts: Tensor) -> Tensor:
    return torch.stack(
        [x @ weights[e] + biases[e] for x, e in zip(rows, experts.tolist(), strict=True)]
    )


def given(d: int, h: int, dtype: torch.dtype, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = ((40, d), (6, d, h), (6, h))
    draws = [torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in shapes]
    return [draw.to(dtype).requires_grad_() for draw in draws]


EXPERTS = {
    "all": torch.arange(6).repeat(7)[:40].sort().values,
    "some": torch.tensor([1] * 3 + [4] * 37),  # the first, the last and two between have none
    "one": torch.full((40,), 2),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("experts", EXPERTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_is_a_loop_over_rows(shape: tuple[int, int], experts: str, dtype: torch.dtype) -> None:
    """Value and all gradients, also where the one that comes is expanded."""
    inputs, chosen = given(*shape, dtype), EXPERTS[experts]
    found, truth = grouped_linear(*inputs, chosen), loop(*inputs, chosen)
    assert found.dtype == dtype
    close = {"rtol": 0.05, "atol": 0.2} if dtype == torch.bfloat16 else {}
    torch.testing.assert_close(found, truth, **close)
    for weigh in (torch.sum, lambda y: y.float().square().sum() / 2):
        grads = torch.autograd.grad(weigh(found), inputs, retain_graph=True)
        others = torch.autograd.grad(weigh(truth), inputs, retain_graph=True)
        for one, other in zip(grads, others, strict=True):
            torch.testing.assert_close(one, other, **({"rtol": 0.1, "atol": 0.6} if close else {}))


def test_no_rows() -> None:
    rows, weights, biases = given(4, 4, torch.float32)
    y = grouped_linear(rows[:0], weights, biases, torch.zeros(0, dtype=torch.int64))
    assert y.shape == (0, 4)


def test_a_torch_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = given(5, 3, torch.float32)
    found = grouped_linear(*inputs, EXPERTS["some"])
    monkeypatch.setattr(products, "GROUPED", None)
    torch.testing.assert_close(grouped_linear(*inputs, EXPERTS["some"]), found)


def test_only_some_are_trained() -> None:
    rows, weights, biases = given(4, 8, torch.float32)
    weights.requires_grad_(False)
    grouped_linear(rows, weights, biases, EXPERTS["all"]).sum().backward()
    assert rows.grad is not None
    assert biases.grad is not None
    assert weights.grad is None


def test_autocast_decides_the_type() -> None:
    inputs = given(8, 8, torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = grouped_linear(*inputs, EXPERTS["all"])
    assert y.dtype == torch.bfloat16
    y.sum().backward()
    assert all(one.grad is not None and one.grad.dtype == torch.float32 for one in inputs)
