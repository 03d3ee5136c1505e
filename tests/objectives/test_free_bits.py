"""The floor of the KL, against its formula."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from discretevae.objectives import free_bits


@given(
    kl=st.lists(st.lists(st.floats(0, 5), min_size=3, max_size=3), min_size=1, max_size=6),
    floor=st.floats(0, 3),
)
def test_the_mean_is_that_of_the_paper(kl: list[list[float]], floor: float) -> None:
    values = torch.tensor(kl, dtype=torch.float64)
    expected = values.mean(0).clamp_min(floor).sum()
    torch.testing.assert_close(free_bits(values, floor).mean(), expected)


def test_a_latent_below_the_floor_has_no_gradient() -> None:
    kl = torch.tensor([[0.1, 2.0], [0.3, 0.2]], requires_grad=True)
    free_bits(kl, 0.5).sum().backward()
    assert kl.grad is not None
    torch.testing.assert_close(kl.grad, torch.tensor([[0.0, 1.0], [0.0, 1.0]]))


@pytest.mark.parametrize("batch", [(), (4,), (2, 3)])
def test_shapes(batch: tuple[int, ...]) -> None:
    assert free_bits(torch.ones(*batch, 2), 0.5).shape == batch


def test_a_prior_follows_q_below_the_floor_and_q_stays_free() -> None:
    q = torch.tensor([[0.3], [0.1]], requires_grad=True)
    p = torch.tensor(0.5, requires_grad=True)

    def kl(q: torch.Tensor) -> torch.Tensor:
        return (q - p).square()

    found = free_bits(kl(q), 1.0, kl(q.detach())).mean()
    assert float(found.detach()) == 1
    found.backward()
    assert q.grad is not None
    assert p.grad is not None
    assert bool((q.grad == 0).all())
    torch.testing.assert_close(p.grad, (2 * (p - q)).mean().detach())
