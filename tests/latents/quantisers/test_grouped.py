import copy
from itertools import product

import pytest
import torch
from vector_quantize_pytorch import GroupedResidualVQ

from discretevae.latents.quantisers import (
    BinarySphericalQuantiser,
    DiVeQ,
    FiniteScalarQuantiser,
    GroupedQuantiser,
    LookupFreeQuantiser,
    Quantiser,
    SimVQ,
    VectorQuantiser,
)

G, K, E = 3, 5, 2


def small() -> GroupedQuantiser:
    groups = [VectorQuantiser(K, E, revive_below=0) for _ in range(G)]
    for group in groups:
        group.start_from(torch.randn(K, E))
    return GroupedQuantiser(groups)


def all_kinds() -> list[Quantiser]:
    return [
        VectorQuantiser(K, E),
        VectorQuantiser(K, E, "rotation", by_gradient=True),
        DiVeQ(K, E),
        SimVQ(K, E),
        FiniteScalarQuantiser([4, 3]),
        LookupFreeQuantiser(E),
        BinarySphericalQuantiser(E),
    ]


def test_each_group_is_its_quantiser_on_its_numbers() -> None:
    """Values, codes, cost, gradients, and what a step leaves behind, of all kinds beside others."""
    ours = GroupedQuantiser(all_kinds())
    alone = copy.deepcopy(list(ours.quantisers))
    z = torch.randn(2, 40, E * len(alone), requires_grad=True)
    weights = torch.randn_like(z)
    for training in (True, True, False):
        torch.manual_seed(1)
        values, codes, cost = ours.train(training)(z)
        of_z = torch.autograd.grad((values * weights).sum() + cost.sum(), z)[0]
        torch.manual_seed(1)
        total = torch.zeros(2, 40)
        for i, quantiser in enumerate(alone):
            place = slice(E * i, E * (i + 1))
            part = z.detach()[..., place].clone().requires_grad_()
            found = quantiser.train(training)(part)
            torch.testing.assert_close(values[..., place], found.values)
            assert torch.equal(codes[..., i], found.codes)
            aim = (found.values * weights[..., place]).sum() + found.cost.sum()
            torch.testing.assert_close(of_z[..., place], torch.autograd.grad(aim, part)[0])
            total = total + found.cost
        torch.testing.assert_close(cost, total)
    for own, other in zip(ours.quantisers, alone, strict=True):
        for name, value in own.state_dict().items():
            torch.testing.assert_close(value, other.state_dict()[name])


def test_values_codes_and_cost_are_the_oracle_s() -> None:
    ours = small()
    theirs = GroupedResidualVQ(
        dim=G * E,
        groups=G,
        num_quantizers=1,
        codebook_size=K,
        decay=0.99,
        commitment_weight=0.25,
        rotation_trick=False,
    )
    for own, other in zip(ours.quantisers, theirs.rvqs, strict=True):
        other.layers[0]._codebook.embed.data.copy_(own.codebook[None])
        other.layers[0]._codebook.embed_avg.copy_(own.codebook[None])
    z = torch.randn(2, 50, G * E)
    for _ in range(2):
        values, codes, cost = ours(z)
        quantised, indices, loss = theirs(z)
        torch.testing.assert_close(values, quantised)
        assert torch.equal(codes, indices[..., 0].movedim(0, -1))
        torch.testing.assert_close(cost.mean(), E * loss.sum())  # theirs are means over E


def test_it_is_the_nearest_of_all_combinations() -> None:
    ours, z = small().eval(), torch.randn(30, G * E)
    every = torch.tensor(list(product(range(K), repeat=G)))
    books = [quantiser.codebook for quantiser in ours.quantisers]
    vectors = torch.cat([book[every[:, g]] for g, book in enumerate(books)], -1)
    assert vectors.shape == (K**G, G * E)
    nearest = torch.cdist(z, vectors).argmin(-1)
    values, codes, _ = ours(z)
    assert codes.dtype == torch.int64
    assert torch.equal(codes, every[nearest])
    torch.testing.assert_close(values, vectors[nearest])
    torch.testing.assert_close(ours.lookup(every), vectors)


def test_one_vector_without_a_batch() -> None:
    values, codes, cost = small()(torch.randn(G * E))
    assert (values.shape, codes.shape, cost.shape) == ((G * E,), (G,), ())


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="`quantisers` must be at least one"):
        GroupedQuantiser([])
    with pytest.raises(ValueError, match="`z` must end in E = 6 numbers, got 5"):
        small()(torch.randn(4, 5))
    with pytest.raises(ValueError, match="`codes` must have 3 columns, got 2"):
        small().lookup(torch.zeros(4, 2, dtype=torch.long))
    with pytest.raises(ValueError, match=r"`codes` must lie in \[0, 5\), got 7"):
        small().lookup(torch.full((4, 3), 7))
