"""k of n one after the other, against the sum over all orders."""

from collections.abc import Callable
from itertools import permutations

import pytest
import torch
from torch import Tensor

from discretevae.choices import conditional_poisson, plackett_luce

MeanIs = Callable[[Tensor, Tensor], None]
N, CHOSEN = 5, 2


def logits() -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return 2 * torch.randn(N, dtype=torch.float64, generator=generator)


def orders() -> tuple[Tensor, Tensor]:
    """All orders, and log p from the definition: what is left is renormalised after each draw."""
    w = logits().exp()
    found, log_p = [], []
    for order in permutations(range(N), CHOSEN):
        left, total = w.clone(), torch.zeros((), dtype=torch.float64)
        for item in order:
            total = total + (left[item] / left.sum()).log()
            left[item] = 0
        found.append(order)
        log_p.append(total)
    return torch.tensor(found), torch.stack(log_p)


def test_log_prob() -> None:
    order, log_p = orders()
    torch.testing.assert_close(plackett_luce.log_prob(order, logits()), log_p)
    assert float(log_p.exp().sum()) == pytest.approx(1)


def test_orders_have_their_frequencies(mean_is: MeanIs) -> None:
    """20,000 draws, false alarm 1e-6; those of the other distribution are caught."""
    order, log_p = orders()
    generator = torch.Generator().manual_seed(0)
    found = plackett_luce.sample(logits(), CHOSEN, 20_000, generator)
    mean_is((found[:, None] == order).all(-1).double(), log_p.exp())
    z = conditional_poisson.sample(logits(), CHOSEN, 20_000, generator)
    sets = torch.zeros(len(order), N, dtype=torch.float64).scatter(-1, order, 1.0)
    ascending = (order[:, 0] < order[:, 1]).nonzero()[:, 0]
    of_set = torch.stack([log_p[(sets == sets[i]).all(-1)].logsumexp(0).exp() for i in ascending])
    with pytest.raises(AssertionError, match="biased"):
        mean_is((z @ sets[ascending].T == CHOSEN).double(), of_set)


def test_the_gradient_of_log_prob() -> None:
    order = torch.tensor([[1, 3, 0], [2, 4, 1]])
    leaf = logits().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: plackett_luce.log_prob(order, x), leaf)


def test_shapes_and_refusals() -> None:
    assert plackett_luce.sample(torch.zeros(4, 6), 3, samples=2).shape == (2, 4, 3)
    with pytest.raises(ValueError, match="`num_chosen` must lie in"):
        plackett_luce.sample(torch.zeros(4), 5)
    with pytest.raises(ValueError, match="`samples` must be at least 1"):
        plackett_luce.sample(torch.zeros(4), 2, 0)
