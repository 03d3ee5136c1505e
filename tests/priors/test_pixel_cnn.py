"""What a PixelCNN of few layers sees, position by position."""

import pytest
import torch
from torch import Tensor
from torch.nn.utils import parametrize

from discretevae.priors import PixelCNNPrior

SIDE = 6
WIDTH = 16
"""Of fewer features none may be positive somewhere."""


def seen(prior: PixelCNNPrior) -> Tensor:
    """Which positions (columns) the logits of each (rows) depend on."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.normal_(std=0.7, generator=generator)
    z = torch.randn(prior.shape, dtype=torch.float64, generator=generator).softmax(-1)
    return torch.autograd.functional.jacobian(prior.logits_along, z).abs().sum((1, 3)) > 0


def in_reach(layers: int) -> Tensor:
    """n + 1 rows up, n columns to either side; n + 1 columns to the left in the row itself."""
    places = [(i, j) for i in range(SIDE) for j in range(SIDE)]
    rows = [
        [
            (1 <= i - a <= layers + 1 and abs(j - b) <= layers)
            or (a == i and 1 <= j - b <= layers + 1)
            for a, b in places
        ]
        for i, j in places
    ]
    return torch.tensor(rows)


@pytest.mark.parametrize("layers", [1, 2, 5])
def test_there_is_no_blind_spot(layers: int) -> None:
    prior = PixelCNNPrior(SIDE**2, 2, width=WIDTH, layers=layers).double()
    assert torch.equal(seen(prior), in_reach(layers))


def test_with_enough_layers_each_position_sees_all_before() -> None:
    found = seen(PixelCNNPrior(SIDE**2, 2, width=WIDTH, layers=SIDE - 1).double())
    assert torch.equal(found, torch.ones_like(found).tril(-1))


class WithoutRight(torch.nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return weight * torch.tensor([1.0, 1.0, 0.0])


def test_a_blind_spot_is_caught() -> None:
    """A vertical stack that looks only straight up and to the left."""
    prior = PixelCNNPrior(SIDE**2, 2, width=WIDTH, layers=5).double()
    for layer in prior.networks[0].layers:
        parametrize.register_parametrization(layer.of_rows, "weight", WithoutRight())
    assert not torch.equal(seen(prior), in_reach(5))


def test_a_finer_grid_sees_the_coarse_position_above_it() -> None:
    """One layer on a coarse 3 × 3 grid under a fine 6 × 6 one: the nearest neighbour, doubled."""
    prior = PixelCNNPrior(9 + 36, 2, [[3, 3], [6, 6]], width=WIDTH, layers=1).double()
    fine_by_coarse = seen(prior)[9:, :9]
    for i in range(6):
        for j in range(6):
            assert fine_by_coarse[6 * i + j, 3 * (i // 2) + j // 2]
