"""Beside vector-quantize-pytorch where it is right, and closed forms."""

import pytest
import torch
from torch import Tensor
from vector_quantize_pytorch import VectorQuantize

from discretevae.latents.quantisers import VectorQuantiser

K, E = 32, 6


def oracle(**options: object) -> VectorQuantize:
    return VectorQuantize(dim=E, codebook_size=K, commitment_weight=0.25, **options)


def same_codebook(ours: VectorQuantiser, theirs: VectorQuantize) -> None:
    vectors = torch.randn(K, E)
    ours.start_from(vectors)
    codebook = theirs._codebook
    codebook.embed.data.copy_(vectors[None])
    codebook.embed_avg.copy_(vectors[None])


@pytest.mark.parametrize("gradient", ["straight-through", "rotation"])
def test_values_codes_cost_and_moving_average_are_the_oracle_s(gradient: str) -> None:
    ours = VectorQuantiser(K, E, gradient, revive_below=0)
    theirs = oracle(decay=0.99, rotation_trick=gradient == "rotation")
    same_codebook(ours, theirs)
    for _ in range(3):
        z = torch.randn(2, 50, E, requires_grad=True)
        values, codes, cost = ours(z)
        quantised, indices, loss = theirs(z)
        torch.testing.assert_close(values, quantised)
        assert torch.equal(codes, indices)
        torch.testing.assert_close(cost.mean(), E * loss.squeeze())  # theirs is a mean over E
        g = torch.randn_like(z)
        own = torch.autograd.grad((values * g).sum() + cost.sum(), z)[0]
        other = torch.autograd.grad((quantised * g).sum() + 100 * E * loss.sum(), z)[0]
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours.codebook, theirs._codebook.embed[0])
    torch.testing.assert_close(ours.counts, theirs._codebook.cluster_size[0])


def gradients(quantiser: VectorQuantiser, z: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    values, _, cost = quantiser(z)
    found = torch.autograd.grad((values * g).sum() + cost.sum(), [z, quantiser.codebook])
    return found[0], found[1]


def test_gradients_are_the_declared_ones_where_the_codebook_learns_by_gradient() -> None:
    quantiser = VectorQuantiser(K, E, by_gradient=True, commitment=0.4, revive_below=0).double()
    quantiser.start_from(torch.randn(K, E).double())
    z, g = torch.randn(2, 50, E, dtype=torch.float64)
    codes = torch.cdist(z, quantiser.codebook).argmin(-1)
    q = quantiser.codebook[codes].detach()
    of_z, of_codebook = gradients(quantiser, z.requires_grad_(), g)
    torch.testing.assert_close(of_z, g + 2 * 0.4 * (z - q))
    expected = torch.zeros(K, E).double().index_add_(0, codes, 2 * (q - z))
    torch.testing.assert_close(of_codebook, expected)
    assert of_codebook.abs().max() > 0.1


def test_evaluation_and_search_change_nothing() -> None:
    quantiser = VectorQuantiser(K, E)
    quantiser(torch.randn(100, E))
    before = {name: value.clone() for name, value in quantiser.state_dict().items()}
    z = torch.randn(100, E)
    quantiser.nearest(z)
    values, codes, _ = quantiser.eval()(z)
    assert torch.equal(values, quantiser.lookup(codes))
    assert all(torch.equal(value, before[name]) for name, value in quantiser.state_dict().items())


def test_half_precision_comes_out_as_float32_and_keeps_the_gradient() -> None:
    quantiser = VectorQuantiser(K, E)
    z = torch.randn(100, E).bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        values, _, cost = quantiser(z)
    assert values.dtype == cost.dtype == torch.float32
    (values.sum() + cost.sum()).backward()
    assert z.grad is not None
    assert z.grad.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gradient": "rotatoin"}, "`gradient` must be one of straight-through, rotation"),
        ({"commitment": -1.0}, "`commitment` must be at least 0, got -1.0"),
        ({"decay": 1.0}, r"`decay` must lie in \[0, 1\), got 1.0"),
        ({"revive_below": 1.0}, r"`revive_below` must lie in \[0, 1\), got 1.0"),
    ],
)
def test_what_is_out_of_range_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VectorQuantiser(K, E, **options)


def test_one_code_is_none() -> None:
    with pytest.raises(ValueError, match="`num_codes` must be at least 2, got 1"):
        VectorQuantiser(1, E)


@pytest.mark.parametrize("code", [-1, K])
def test_a_code_outside_the_codebook_is_named(code: int) -> None:
    with pytest.raises(ValueError, match=rf"`codes` must lie in \[0, {K}\), got {code}"):
        VectorQuantiser(K, E).lookup(torch.tensor([0, code]))
