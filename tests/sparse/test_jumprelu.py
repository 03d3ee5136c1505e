"""The pseudo-gradients of JumpReLU, beside the gradient of the mean that they estimate."""

from statistics import NormalDist

import pytest
import torch

from discretevae.sparse import JumpReLUAutoencoder
from discretevae.sparse.jumprelu import jump, step

NORMAL = NormalDist()


def test_gradients_are_as_written() -> None:
    h = torch.tensor([0.30, 0.48, 0.52, 0.90], dtype=torch.float64, requires_grad=True)
    theta = torch.full((4,), 0.5, dtype=torch.float64, requires_grad=True)
    for_h, for_theta = torch.autograd.grad(jump(h, theta, 0.1).sum(), [h, theta])
    assert for_h.tolist() == [0, 0, 1, 1]
    torch.testing.assert_close(for_theta, torch.tensor([0, -5.0, -5.0, 0]).double())
    (for_theta,) = torch.autograd.grad(step(h, theta, 0.1).sum(), theta)
    torch.testing.assert_close(for_theta, torch.tensor([0, -10.0, -10.0, 0]).double())


def test_they_estimate_the_gradient_of_the_mean() -> None:
    """d/dθ P(h > θ) = −p(θ) and d/dθ E h·1[h > θ] = −θ·p(θ) of a normal h.

    With 400,000 draws the standard error is 1 % of either; a test at 5 of them fails once in two
    million, and sees a factor of 1.06.
    """
    torch.manual_seed(0)
    h = torch.randn(400_000, dtype=torch.float64)
    theta = torch.full_like(h, 0.7).requires_grad_()
    density = NORMAL.pdf(0.7)
    (found,) = torch.autograd.grad(step(h, theta, 0.1).mean(), theta)
    assert float(found.sum()) == pytest.approx(-density, rel=0.05)
    (found,) = torch.autograd.grad(jump(h, theta, 0.1).mean(), theta)
    assert float(found.sum()) == pytest.approx(-0.7 * density, rel=0.05)
    assert float(found.sum()) != pytest.approx(-0.7 * density * 1.1, rel=0.05)


def test_the_objective_looks_at_what_is_nearly_active() -> None:
    """Latents just below their threshold have a part in its gradient."""
    torch.manual_seed(0)
    model = JumpReLUAutoencoder(dim=4, width=6, k=2, bandwidth=0.5).double()
    x = torch.randn(50, 4, dtype=torch.float64)
    found = model.objective(x)
    h = (x - model.b_dec) @ model.W_enc + model.b_enc
    theta = model.threshold.expand(50, 6)
    a = jump(h, theta, 0.5)
    l0 = step(h, theta, 0.5).sum(1).mean()
    expected = (x - a @ model.W_dec - model.b_dec).square().sum(1).mean()
    expected = expected + model.weight * 4 * (l0 / 2 - 1).square()
    torch.testing.assert_close(found.loss, expected)
    one = torch.autograd.grad(found.loss, list(model.parameters()))
    other = torch.autograd.grad(expected, list(model.parameters()))
    for mine, exact in zip(one, other, strict=True):
        torch.testing.assert_close(mine, exact)


@pytest.mark.parametrize(("name", "value"), [("penalty", -1.0), ("bandwidth", 0.0)])
def test_bad_numbers_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        JumpReLUAutoencoder(4, 6, 2, **{name: value})
