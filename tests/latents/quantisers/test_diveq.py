import pytest
import torch

from discretevae.latents.quantisers import DiVeQ


def small(variance: float = 5e-3) -> DiVeQ:
    quantiser = DiVeQ(16, 4, variance, revive_below=0).double()
    quantiser.start_from(torch.randn(16, 4).double())
    return quantiser


def test_in_training_the_value_is_as_far_as_its_code_and_about_there() -> None:
    quantiser, z = small(), torch.randn(200, 4, dtype=torch.float64)
    values, codes, cost = quantiser(z)
    q = quantiser.codebook[codes]
    torch.testing.assert_close((values - z).norm(dim=-1), (q - z).norm(dim=-1))
    assert 0 < (values - q).square().sum(-1).mean() < 0.1
    assert not cost.any()


def test_in_evaluation_it_is_the_vector() -> None:
    quantiser, z = small().eval(), torch.randn(200, 4, dtype=torch.float64)
    values, codes, _ = quantiser(z)
    assert torch.equal(values, quantiser.lookup(codes))


def test_gradients_are_those_of_the_formula() -> None:
    """With no noise: v = z + ‖q − z‖ u has dz = g − (u·g) u and dq = (u·g) u."""
    quantiser = small(variance=0)
    z, g = torch.randn(2, 50, 4, dtype=torch.float64)
    values, codes, _ = quantiser(z.requires_grad_())
    of_z, of_codebook = torch.autograd.grad((values * g).sum(), [z, quantiser.codebook])
    u = torch.nn.functional.normalize(quantiser.codebook[codes].detach() - z.detach(), dim=-1)
    along = (u * g).sum(-1, keepdim=True) * u
    torch.testing.assert_close(of_z, g - along)
    torch.testing.assert_close(of_codebook, torch.zeros(16, 4).double().index_add_(0, codes, along))


def test_a_vector_at_its_code_has_a_gradient_that_is_finite() -> None:
    quantiser = small()
    z = quantiser.codebook[:3].detach().clone().requires_grad_()
    values = quantiser(z).values
    values.sum().backward()
    assert z.grad is not None
    assert z.grad.isfinite().all()
    assert quantiser.codebook.grad.isfinite().all()


def test_a_negative_variance_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`variance` must be at least 0, got -1\.0"):
        DiVeQ(16, 4, variance=-1.0)
