"""Moments against those of all vectors at once, and what stands after training."""

import pytest
import torch
from torch import Tensor

from discretevae.latents.quantisers import FiniteScalarQuantiser, Whitening


def correlated(count: int, seed: int) -> Tensor:
    """Of mean (5, −3, 100) and a covariance that is far from diagonal."""
    draws = torch.Generator().manual_seed(seed)
    mix = torch.tensor([[2.0, 0.0, 0.0], [1.5, 0.5, 0.0], [-1.0, 0.3, 0.4]])
    return torch.randn(count, 3, generator=draws) @ mix.T + torch.tensor([5.0, -3.0, 100.0])


def test_the_first_batch_comes_out_with_mean_0_and_covariance_1() -> None:
    found = Whitening(3)(correlated(500, seed=0).view(5, 100, 3)).view(-1, 3)
    torch.testing.assert_close(found.mean(0), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(found.T.cov(correction=0), torch.eye(3), atol=1e-3, rtol=0)


def test_averages_are_those_of_weighted_batches() -> None:
    """The moments of all vectors, each with the weight that its batch has in the end."""
    whitening = Whitening(3)
    batches = [correlated(50, seed) * (1 + seed) for seed in range(4)]
    for batch in batches:
        whitening(batch)
    weights = torch.tensor([0.8 ** (3 - i) for i in range(4)]).double().repeat_interleave(50)
    weights /= weights.sum()
    z = torch.cat(batches).double()
    mean = weights @ z
    covariance = (z - mean).T @ ((z - mean) * weights[:, None])
    torch.testing.assert_close(whitening.mean.double(), mean, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(whitening.covariance.double(), covariance, rtol=1e-4, atol=1e-2)


def test_a_direction_without_variance_stays_finite() -> None:
    z = torch.cat([torch.randn(100, 1), torch.zeros(100, 1)], 1)
    whitening = Whitening(2)
    assert whitening(z).isfinite().all()
    assert whitening.matrix.abs().max() < 100
    assert Whitening(2)(torch.ones(3, 2)).isfinite().all()


def test_after_training_an_example_does_not_depend_on_its_batch() -> None:
    whitening, z = Whitening(3), correlated(100, seed=0)
    whitening(z)
    before = {name: value.clone() for name, value in whitening.state_dict().items()}
    whitening.eval()
    torch.testing.assert_close(whitening(z)[:1], whitening(z[:1]))
    assert all(torch.equal(value, before[name]) for name, value in whitening.state_dict().items())


def test_the_gradient_is_that_of_a_constant_map() -> None:
    whitening, z = Whitening(3), correlated(100, seed=0).requires_grad_()
    g = torch.randn(100, 3)
    (found,) = torch.autograd.grad((whitening(z) * g).sum(), z)
    torch.testing.assert_close(found, g @ whitening.matrix.T)


@pytest.mark.parametrize("whitened", [True, False])
def test_levels_of_vectors_that_move_together_are_all_used_once_they_are_white(
    whitened: bool,
) -> None:
    """Without, the wrong way, less than half of 8 × 8 × 8 are."""
    quantiser, z = FiniteScalarQuantiser([8, 8, 8]), correlated(20_000, seed=0) * 0.3
    used = quantiser.nearest(Whitening(3)(z) if whitened else z).unique()
    assert (len(used) > 0.9 * 512) == whitened
