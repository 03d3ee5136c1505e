"""The antithetic pair for binary latents: ARM and DisARM."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from discretevae.estimators.arm import ARM
from discretevae.estimators.battery import (
    PROBLEMS,
    BiasedError,
    check_unbiased,
    measure,
)
from discretevae.estimators.disarm import DisARM
from discretevae.estimators.estimator import Estimator
from discretevae.estimators.exact import Exact


def f(z: Tensor) -> Tensor:
    """Depends on both latents together; not differentiable in z."""
    return torch.tensor([0.3, -1.0, 2.0, 0.7], dtype=z.dtype)[
        (2 * z[..., 0, 1] + z[..., 1, 1]).long()
    ]


def over_all_noise(
    estimator: Estimator, logits: Tensor, monkeypatch: pytest.MonkeyPatch
) -> tuple[Tensor, Tensor]:
    """Gives value and gradient at a grid of midpoints of the two uniforms u = σ(ε)."""
    count = 600
    u = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    logistic = torch.cartesian_prod(u, u).logit()
    gumbels = torch.stack([torch.zeros_like(logistic), logistic], -1)
    monkeypatch.setattr("discretevae.latents.categorical.gumbel", lambda *_: gumbels)
    copies = logits.detach().expand(count**2, 2, 2).clone().requires_grad_()
    value = estimator(f, copies)
    (grad,) = torch.autograd.grad(value.sum(), copies)
    return value, grad


@pytest.mark.parametrize("estimator", [ARM(), DisARM()], ids=["arm", "disarm"])
def test_integral_over_the_noise_is_exact(
    estimator: Estimator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The grid is off by about one of its 600 cells at each of f's jumps."""
    logits = torch.tensor([[0.4, -0.7], [-0.2, 0.1]], dtype=torch.float64, requires_grad=True)
    exact = Exact()(f, logits)
    (exact_grad,) = torch.autograd.grad(exact, logits)
    value, grad = over_all_noise(estimator, logits, monkeypatch)
    torch.testing.assert_close(value.mean(), exact, rtol=0, atol=5e-3)
    torch.testing.assert_close(grad.mean(0), exact_grad, rtol=0, atol=5e-3)


def test_disarm_is_arm_with_the_noise_integrated_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given the codes, which their DisARM gradients tell apart here, ARM averages to DisARM."""
    logits = torch.tensor([[0.4, -0.7], [-0.2, 0.1]], dtype=torch.float64)
    _, arm = over_all_noise(ARM(), logits, monkeypatch)
    _, disarm = over_all_noise(DisARM(), logits, monkeypatch)
    groups, index = disarm.round(decimals=9).flatten(1).unique(dim=0, return_inverse=True)
    assert len(groups) == 5  # 3 × 3 pairs, the exchanged ones alike
    for group in range(len(groups)):
        members = index == group
        torch.testing.assert_close(arm[members].mean(0), disarm[members].mean(0), rtol=0, atol=5e-3)


def test_disarm_varies_less_than_arm() -> None:
    arm, disarm = (
        measure(estimator, PROBLEMS["binary"], 20_000)[1].standard_error.square().sum()
        for estimator in (ARM(), DisARM())
    )
    assert disarm < 0.9 * arm


@dataclass(frozen=True)
class _WithoutTheWeight(DisARM):
    """Forgets σ(|η|), the correction for the coupling."""

    def weight(self, eta: Tensor, noise: Tensor, difference: Tensor) -> Tensor:
        return difference / 2


def test_a_pair_without_its_weight_is_caught() -> None:
    with pytest.raises(BiasedError, match="logits"):
        check_unbiased(_WithoutTheWeight(), PROBLEMS["binary"])


@pytest.mark.parametrize("batch", [(), (5,), (2, 3)])
@pytest.mark.parametrize("estimator", [ARM(), DisARM()], ids=["arm", "disarm"])
def test_shapes_generators_and_extremes(estimator: Estimator, batch: tuple[int, ...]) -> None:
    logits = torch.randn(*batch, 2, 2)
    logits[..., 0, 0] = 1e4
    logits.requires_grad_()
    first, second = (estimator(f, logits, torch.Generator().manual_seed(3)) for _ in range(2))
    assert first.shape == batch
    assert torch.equal(first, second)
    (grad,) = torch.autograd.grad(first.sum(), logits)
    assert grad.isfinite().all()
    if isinstance(estimator, DisARM):  # a latent that cannot change has no part in f(b) − f(b̃)
        assert (grad[..., 0, :] == 0).all()
