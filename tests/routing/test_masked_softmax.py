"""Which experts are ruled out."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from discretevae.routing import masked_logits

numbers = st.floats(-10, 10).map(lambda v: round(v, 3))


@given(st.lists(numbers, min_size=2, max_size=6), st.sampled_from([0.0, 0.01, 0.1, 0.5, 0.9]))
def test_the_rule(logits: list[float], r: float) -> None:
    found = masked_logits(torch.tensor(logits, dtype=torch.float64), r).tolist()
    best = max(logits)
    for z, new in zip(logits, found, strict=True):
        assert new == (-torch.inf if best - z > r * (abs(z) + abs(best)) else z)
    assert best in found


def test_published_code_is_more_lenient() -> None:
    """Its test, (z* − z)/max(|z|, z*) > 2r, keeps what the paper's rules out."""
    z = torch.tensor([1.0, 0.81])
    assert masked_logits(z, 0.1).isneginf().tolist() == [False, True]
    assert ((1.0 - z) / z.abs().clamp_min(1.0) > 0.2).tolist() == [False, False]


def test_no_gradient_where_ruled_out() -> None:
    z = torch.tensor([1.0, 0.9, 0.2], requires_grad=True)
    masked_logits(z).softmax(-1)[0].backward()
    assert z.grad is not None
    assert z.grad[2] == 0
    assert z.grad[:2].abs().min() > 0.1


@pytest.mark.parametrize("r", [-0.1, 1.0, float("nan")])
def test_r_out_of_range(r: float) -> None:
    with pytest.raises(ValueError, match=r"`r` must lie in \[0, 1\)"):
        masked_logits(torch.zeros(2), r)
