import pytest
import torch
from vector_quantize_pytorch import FSQ

from discretevae.latents.quantisers import FiniteScalarQuantiser

LEVELS = [[8, 6, 5], [8, 5, 5, 5], [7, 5, 5, 5, 5], [3], [4, 3]]


@pytest.mark.parametrize("levels", LEVELS)
def test_values_codes_and_gradient_are_the_oracle_s(levels: list[int]) -> None:
    ours, theirs = FiniteScalarQuantiser(levels), FSQ(levels)
    z = (2 * torch.randn(4, 500, len(levels))).requires_grad_()
    values, codes, cost = ours(z)
    quantised, indices = theirs(z)
    torch.testing.assert_close(values, quantised)
    assert codes.dtype == torch.int64
    assert torch.equal(codes, indices.long())
    assert not cost.any()
    g = torch.randn_like(z)
    own, other = (torch.autograd.grad((v * g).sum(), z)[0] for v in (values, quantised))
    torch.testing.assert_close(own, other)


@pytest.mark.parametrize("levels", [*LEVELS, [2, 2, 2], [2, 5]])
def test_every_code_is_reached_and_comes_back(levels: list[int]) -> None:
    ours = FiniteScalarQuantiser(levels)
    every = torch.arange(ours.num_codes)
    grid = ours.lookup(every)
    assert len(grid.unique(dim=0)) == ours.num_codes
    assert grid.abs().max() == 1
    z = torch.linspace(-6, 6, 500)[:, None].expand(-1, len(levels))
    assert [len(column.unique()) for column in ours(z).values.T] == levels
    z = 3 * torch.randn(1000, len(levels))
    values, codes, _ = ours(z)
    assert torch.equal(ours.lookup(codes), values)


def test_two_levels_are_the_sign_and_have_a_gradient_at_nought() -> None:
    z = torch.tensor([[-0.3], [0.2]], requires_grad=True)
    values, codes, _ = FiniteScalarQuantiser([2])(z)
    assert values.tolist() == [[-1.0], [1.0]]
    assert codes.tolist() == [0, 1]
    values.sum().backward()
    torch.testing.assert_close(z.grad, 1 - z.detach().tanh().square())


def test_extremes_stay_in_the_book() -> None:
    z = torch.tensor([[-1e30] * 4, [1e30] * 4])
    assert FiniteScalarQuantiser([8, 5, 4, 2]).nearest(z).tolist() == [0, 8 * 5 * 4 * 2 - 1]


@pytest.mark.parametrize("levels", [[3, 2, 4], [5]])
def test_the_cost_is_that_of_soft_levels(levels: list[int]) -> None:
    ours = FiniteScalarQuantiser(levels, entropy_weight=0.5)
    z = torch.randn(30, len(levels), dtype=torch.float64, requires_grad=True)
    grid = ours.lookup(torch.arange(ours.num_codes)).double() * torch.tensor(ours.scale)
    bounded = ours._bounded(z)
    distances = (bounded[:, None] - grid).square().sum(-1)  # in steps between levels
    p = (-10 * distances).softmax(-1)
    entropies = torch.special.entr(p).sum(-1) - torch.special.entr(p.mean(0)).sum()
    torch.testing.assert_close(ours(z).cost, 0.5 * entropies)
    assert ours(z).cost.sum().grad_fn is not None


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(ValueError, match="`entropy_weight` must be at least 0, got -1"):
        FiniteScalarQuantiser([3], entropy_weight=-1.0)


@pytest.mark.parametrize("levels", [[], [8, 1]])
def test_what_is_no_level_is_refused(levels: list[int]) -> None:
    with pytest.raises(ValueError, match="`levels` must be at least one number, each ≥ 2, got"):
        FiniteScalarQuantiser(levels)


def test_too_many_codes_are_refused() -> None:
    with pytest.raises(ValueError, match="`levels` must have a product below 2\\^63"):
        FiniteScalarQuantiser([2] * 63)


def test_a_code_outside_is_named() -> None:
    with pytest.raises(ValueError, match=r"`codes` must lie in \[0, 15\), got 15"):
        FiniteScalarQuantiser([5, 3]).lookup(torch.tensor([3, 15]))
