import copy

import pytest
import torch
from vector_quantize_pytorch import ResidualVQ

from discretevae.latents.quantisers import (
    FiniteScalarQuantiser,
    ResidualQuantiser,
    VectorQuantiser,
)

Q, K, E = 3, 16, 4


def small(dropout: float = 0.0, by_gradient: bool = False) -> ResidualQuantiser:
    levels = [VectorQuantiser(K, E, by_gradient=by_gradient, revive_below=0) for _ in range(Q)]
    for level in levels:
        level.start_from(torch.randn(K, E))
    return ResidualQuantiser(levels, dropout).double()


def test_values_codes_and_cost_are_the_oracle_s() -> None:
    ours = small().float()
    theirs = ResidualVQ(
        dim=E,
        num_quantizers=Q,
        codebook_size=K,
        decay=0.99,
        commitment_weight=0.25,
        rotation_trick=False,
    )
    for own, other in zip(ours.quantisers, theirs.layers, strict=True):
        other._codebook.embed.data.copy_(own.codebook[None])
        other._codebook.embed_avg.copy_(own.codebook[None])
    z = torch.randn(2, 50, E)
    for _ in range(2):
        values, codes, cost = ours(z)
        quantised, indices, loss = theirs(z)
        torch.testing.assert_close(values, quantised)
        assert torch.equal(codes, indices)
        torch.testing.assert_close(cost.mean(), E * loss.sum())  # theirs are means over E


def test_the_gradient_is_one_copy_and_not_one_for_each_level() -> None:
    z, g = torch.randn(2, 20, E, dtype=torch.float64)
    z.requires_grad_()
    found = torch.autograd.grad((small()(z).values * g).sum(), z)[0]
    torch.testing.assert_close(found, g)


def test_every_codebook_learns_by_gradient() -> None:
    ours = small(by_gradient=True)
    ours(torch.randn(50, E).double()).cost.sum().backward()
    assert all(level.codebook.grad.abs().max() > 0.1 for level in ours.quantisers)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_every_prefix_is_a_coarser_sum(length: int) -> None:
    ours, z = small().eval(), torch.randn(20, E).double()
    _, codes, _ = ours(z)
    residual, total = z, torch.zeros_like(z)
    for level in ours.quantisers[:length]:
        q = level.codebook[torch.cdist(residual, level.codebook).argmin(-1)]
        residual, total = residual - q, total + q
    torch.testing.assert_close(ours.lookup(codes[..., :length]), total)


def test_dropout_draws_all_prefixes_alike() -> None:
    """χ² with 2 degrees over 3,000 rows: above 27.6 by chance once in 10^6 seeds.

    A method that never uses the last level has χ² = 1,500.
    """
    torch.manual_seed(0)
    ours, z = small(dropout=1.0), torch.randn(3000, 2, E).double()
    before = copy.deepcopy(ours)  # a step moves the codebooks
    values, codes, _ = ours(z)
    prefixes = torch.stack([before.lookup(codes[..., :n]) for n in (1, 2, 3)])
    same = prefixes.isclose(values).all(-1).all(-1)
    assert (same.sum(0) == 1).all()  # one prefix for both vectors of a row
    counts = same.sum(1).double()
    assert ((counts - 1000).square() / 1000).sum() < 27.6


def test_dropout_is_a_probability_and_none_in_evaluation() -> None:
    z = torch.randn(2000, E).double()
    torch.manual_seed(0)
    ours = small(dropout=0.5).eval()
    full, codes, _ = ours(z)
    torch.testing.assert_close(full, ours.lookup(codes))
    part = ours.train()(z).values
    shorter = (~part.isclose(full).all(-1)).double().mean()
    assert abs(shorter - 1 / 3) < 0.06  # 5.7 standard deviations: once in 10^8 seeds


def test_one_vector_without_a_batch() -> None:
    ours = small(dropout=1.0)
    values, codes, cost = ours(torch.randn(E).double())
    assert (values.shape, codes.shape, cost.shape) == ((E,), (Q,), ())


def test_what_is_no_residual_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`quantisers` must be .* of one E, got E = \[\]"):
        ResidualQuantiser([])
    with pytest.raises(ValueError, match=r"`quantisers` must be .* of one E, got E = \[2, 4\]"):
        ResidualQuantiser([VectorQuantiser(K, E), FiniteScalarQuantiser([5, 5])])
    with pytest.raises(ValueError, match=r"`dropout` must be a probability, got 1\.5"):
        ResidualQuantiser([VectorQuantiser(K, E)], dropout=1.5)
    with pytest.raises(ValueError, match="`codes` must have from 1 to 3 columns, got 4"):
        small().lookup(torch.zeros(5, 4, dtype=torch.long))
