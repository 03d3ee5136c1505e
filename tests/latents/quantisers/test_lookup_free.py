import pytest
import torch
from torch import Tensor
from vector_quantize_pytorch import LFQ

from discretevae.latents.quantisers import BinarySphericalQuantiser, LookupFreeQuantiser
from discretevae.latents.quantisers.lookup_free import BinaryQuantiser

BITS = 5


def enumerated(quantiser: BinaryQuantiser, u: Tensor) -> Tensor:
    """q(·|u) = softmax(5 uᵀe / s²) over all codes by hand."""
    e = quantiser.lookup(torch.arange(quantiser.num_codes)).to(u)
    return (5 * u @ e.T / quantiser.scale**2).softmax(-1)


def entropy(p: Tensor) -> Tensor:
    return torch.special.entr(p).sum(-1)


def test_values_codes_and_gradient_are_the_oracle_s() -> None:
    ours, theirs = LookupFreeQuantiser(BITS), LFQ(dim=BITS)
    z = torch.randn(3, 40, BITS, requires_grad=True)
    values, codes, _ = ours(z)
    quantised, indices, _ = theirs(z)
    torch.testing.assert_close(values, quantised)
    assert torch.equal(codes, indices.long())
    g = torch.randn_like(z)
    assert torch.equal(torch.autograd.grad((values * g).sum(), z)[0], g)


def test_spherical_values_and_codes_are_the_oracle_s() -> None:
    ours, theirs = BinarySphericalQuantiser(BITS), LFQ(dim=BITS, spherical=True)
    z = torch.randn(3, 40, BITS)
    values, codes, _ = ours(z)
    quantised, indices, _ = theirs(z)
    torch.testing.assert_close(values, quantised)
    assert torch.equal(codes, indices.long())
    torch.testing.assert_close(values.norm(dim=-1), torch.ones(3, 40))


def test_the_cost_is_the_enumerated_one_and_the_oracle_s() -> None:
    ours = LookupFreeQuantiser(BITS, 0.1, 0.7, commitment=0)
    theirs = LFQ(dim=BITS, diversity_gamma=0.7)
    z = 0.4 * torch.randn(3, 40, BITS)
    cost = ours(z.double()).cost
    p = enumerated(ours, z.double())
    expected = 0.1 * (entropy(p) - 0.7 * entropy(p.flatten(0, 1).mean(0)))
    torch.testing.assert_close(cost, expected)
    torch.testing.assert_close(cost.mean().float(), theirs(z, inv_temperature=2.5).entropy_aux_loss)


def test_commitment_is_the_squared_distance() -> None:
    z = torch.randn(40, BITS)
    without, beside = (LookupFreeQuantiser(BITS, commitment=beta)(z).cost for beta in (0.0, 0.25))
    torch.testing.assert_close(beside - without, 0.25 * (z - z.sign()).square().sum(-1))


def test_the_spherical_cost_is_that_of_the_directions() -> None:
    ours = BinarySphericalQuantiser(BITS)
    z = torch.randn(200, BITS, dtype=torch.float64)
    p = enumerated(ours, z / z.norm(dim=-1, keepdim=True))
    torch.testing.assert_close(ours(z).cost, 0.1 * (entropy(p) - entropy(p.mean(0))))


@pytest.mark.parametrize("kind", [LookupFreeQuantiser, BinarySphericalQuantiser])
def test_the_weight_follows_what_a_code_stands_for(kind: type[LookupFreeQuantiser]) -> None:
    ours = kind(BITS)
    z = torch.randn(50, BITS)
    once = ours(z).cost
    ours.weigh(100.0)
    assert ours.config()["entropy_weight"] == 3.0
    if kind is BinarySphericalQuantiser:  # the other has a commitment besides
        torch.testing.assert_close(ours(z).cost, 30 * once)


@pytest.mark.parametrize("kind", [LookupFreeQuantiser, BinarySphericalQuantiser])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_large_vectors_in_half_precision_have_finite_cost_and_gradient(
    kind: type[LookupFreeQuantiser], dtype: torch.dtype
) -> None:
    z = torch.tensor([[1e4, -1e4, 6e4, 0.0], [1.0, -1.0, 1e-6, 0.0]]).to(dtype).requires_grad_()
    values, _, cost = kind(4)(z)
    (values.sum() + cost.sum()).backward()
    assert cost.isfinite().all()
    assert z.grad is not None
    assert z.grad.isfinite().all()


def test_many_bits_come_back() -> None:
    ours = BinarySphericalQuantiser(62)
    values, codes, _ = ours(torch.randn(100, 62))
    assert torch.equal(ours.lookup(codes), values)
    assert codes.max() > 2**53


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 0}, "`dim` must be from 1 to 62, got 0"),
        ({"dim": 63}, "`dim` must be from 1 to 62, got 63"),
        ({"dim": 3, "entropy_weight": -1.0}, "`entropy_weight` must be at least 0"),
        ({"dim": 3, "diversity": -1.0}, "`diversity` must be at least 0"),
    ],
)
def test_what_is_out_of_range_is_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LookupFreeQuantiser(**options)
    with pytest.raises(ValueError, match=message):
        BinarySphericalQuantiser(**options)
