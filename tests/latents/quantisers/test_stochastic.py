import pytest
import torch
from torch import Tensor

from discretevae.estimators import ESTIMATORS, Exact, StraightThrough
from discretevae.latents.quantisers import DistanceLogits

K, E, D = 7, 3, 2


def small(scale: float = 0.7) -> DistanceLogits:
    return DistanceLogits(K, E, scale).double()


def test_logits_are_the_distances() -> None:
    codes, z = small(), torch.randn(5, D, E, dtype=torch.float64)
    expected = -(z[..., None, :] - codes.codebook).square().sum(-1) / (2 * 0.7**2)
    torch.testing.assert_close(codes(z), expected)


def straight_through_gradient(codes: DistanceLogits, z: Tensor, g: Tensor) -> Tensor:
    def f(one_hot: Tensor) -> Tensor:
        return (codes.embed(one_hot) * g.flatten(-2)).sum(-1)

    value = StraightThrough()(f, codes(z)).sum()
    return torch.autograd.grad(value, z)[0]


def test_straight_through_has_the_covariance_for_a_gradient() -> None:
    r"""With logits −‖z − e‖² / τ it is (2 / τ) Cov_p(e) g, and τ is 2σ² here."""
    codes = small()
    z, g = torch.randn(2, 5, D, E, dtype=torch.float64)
    z.requires_grad_()
    p, e = codes(z).softmax(-1), codes.codebook
    mean = p @ e
    covariance = torch.einsum("bdk,ke,kf->bdef", p, e, e) - mean[..., None] * mean[..., None, :]
    expected = (2 / (2 * 0.7**2)) * (covariance @ g[..., None]).squeeze(-1)
    torch.testing.assert_close(straight_through_gradient(codes, z, g), expected)


@pytest.mark.parametrize(("spacing", "copies"), [(0.2, True), (0.5, True), (2.0, False)])
def test_on_a_dense_codebook_it_is_the_copy_of_vector_quantisation(
    spacing: float, copies: bool
) -> None:
    codes = DistanceLogits(201, 1, scale=0.5).double()
    codes.codebook.data = spacing * torch.arange(-100, 101.0, dtype=torch.float64)[:, None]
    z = torch.full((1, 1, 1), 0.05, dtype=torch.float64, requires_grad=True)
    ratio = straight_through_gradient(codes, z, torch.ones(1, 1, 1).double())
    assert (abs(float(ratio) - 1) < 1e-3) == copies


def test_it_is_trained_as_any_categorical() -> None:
    codes, z = small(), torch.randn(4, D, E, dtype=torch.float64)
    target = torch.randn(4, D * E, dtype=torch.float64)

    def f(one_hot: Tensor) -> Tensor:
        return -(codes.embed(one_hot) - target).square().sum(-1)

    learned = list(codes.parameters())
    exact = torch.autograd.grad(Exact()(f, codes(z)).sum(), learned)
    assert all(gradient.abs().max() > 0 for gradient in exact)
    for name in ("rloo", "reinmax", "gumbel-softmax"):
        found = torch.autograd.grad(ESTIMATORS[name]()(f, codes(z)).sum(), learned)
        assert all(gradient.isfinite().all() for gradient in found)


def test_a_scale_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`scale` must be positive and finite, got 0\.0"):
        DistanceLogits(K, E, 0.0)
