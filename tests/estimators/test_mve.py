"""MVE: exact for quadratics, and of the smallest weights that are."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from discretevae.estimators import Estimator, ReinMax
from discretevae.estimators.battery import (
    PROBLEMS,
    measure,
)
from discretevae.estimators.mve import MVE

LOGITS = torch.tensor([0.4, -0.3, 1.1, -0.8, 0.0], dtype=torch.float64)
ODD = torch.cos(1.7 * torch.arange(25.0, dtype=torch.float64)).reshape(5, 5)


def gradient_by_class(
    estimator: Estimator, f: Callable[[Tensor], Tensor], logits: Tensor
) -> Tensor:
    """The gradient that each class of one latent gives when drawn, row by row."""
    rows = logits.repeat(2000, 1, 1).requires_grad_()
    seen: list[Tensor] = []

    def recording(z: Tensor) -> Tensor:
        seen.append(z.detach())
        return f(z)

    value = estimator(recording, rows, torch.Generator().manual_seed(0))
    (grads,) = torch.autograd.grad(value.sum(), rows)
    drawn = seen[0].argmax(-1).flatten().tolist()
    return torch.stack([grads[drawn.index(k), 0] for k in range(len(logits))])


def quadratic(z: Tensor) -> Tensor:
    return ((z @ ODD) * z).sum((-2, -1)) + (z @ ODD[0]).sum(-1)


def cubic(z: Tensor) -> Tensor:
    return (z @ ODD[1]).sum(-1) ** 3


def bias(f: Callable[[Tensor], Tensor]) -> Tensor:
    """Mean over the classes less the gradient of Σ p f: no chance in it."""
    logits = LOGITS.clone().requires_grad_()
    at_codes = f(torch.eye(5, dtype=torch.float64)[:, None])
    (exact,) = torch.autograd.grad(logits.softmax(-1) @ at_codes, logits)
    return LOGITS.softmax(-1) @ gradient_by_class(MVE(), f, LOGITS) - exact


def test_exact_for_quadratics_and_not_beyond() -> None:
    torch.testing.assert_close(bias(quadratic), torch.zeros(5).double(), rtol=0, atol=1e-13)
    assert bias(cubic).abs().max() > 0.01


def weights(estimator: Estimator, logits: Tensor) -> Tensor:
    """The matrix A(i) of every class i, where the gradient is A(i)v: (i, logit, j)."""
    unit = torch.eye(len(logits), dtype=logits.dtype)
    columns = [
        gradient_by_class(estimator, lambda z, slope=slope: (z @ slope).sum(-1), logits)
        for slope in unit
    ]
    return torch.stack(columns, -1)


def test_weights_against_their_formula() -> None:
    """(G + 11ᵀ/K) C = ½ J, G the Laplacian of ω, solved as it stands."""
    p = LOGITS.softmax(-1)
    omega = p[:, None] * p / (p[:, None] + p)
    laplacian = torch.diag(omega.sum(1)) - omega
    jacobian = torch.diag(p) - torch.outer(p, p)
    c = torch.linalg.solve(laplacian + 1 / 5, jacobian / 2)
    found = weights(MVE(), LOGITS)
    for i in range(5):
        columns = [p[j] / (p[i] + p[j]) * (c[j] - c[i]) for j in range(5)]
        columns[i] = (torch.eye(5)[i] - p) / 2
        torch.testing.assert_close(found[i], torch.stack(columns, -1), rtol=1e-11, atol=1e-13)


def smallest_weights(logits: Tensor) -> Tensor:
    """The A(i) of least Σ p ‖A‖² with Σ p A v = J f for every quadratic f, by a pseudo-inverse."""
    p, K = logits.softmax(-1), len(logits)
    jacobian, identity = torch.diag(p) - torch.outer(p, p), torch.eye(K, dtype=p.dtype)
    slopes = [(identity[b].expand(K, K), jacobian[b]) for b in range(K)]  # f = z_b: v, J f
    for a in range(K):
        for b in range(a + 1):  # f = z_a z_b: at code i, v = e_a [i = b] + e_b [i = a]
            v = torch.outer(identity[b], identity[a]) + torch.outer(identity[a], identity[b])
            slopes.append((v, jacobian[a] if a == b else torch.zeros_like(p)))
    conditions = torch.stack([(v * p.sqrt()[:, None]).flatten() for v, _ in slopes])
    scaled = torch.linalg.pinv(conditions) @ torch.stack([right for _, right in slopes])
    return (scaled.reshape(K, K, K) / p.sqrt()[:, None, None]).transpose(1, 2)


@pytest.mark.parametrize("num_categories", [2, 3, 5])
def test_weights_are_the_smallest_that_are_exact_for_quadratics(num_categories: int) -> None:
    """Σ p ‖A‖²: the mean square of Av when f's gradient at each code is white noise."""

    def size(found: Tensor) -> float:
        return float(logits.softmax(-1) @ found.square().sum((1, 2)))

    logits = LOGITS[:num_categories]
    mve, reinmax = weights(MVE(), logits), weights(ReinMax(), logits)
    torch.testing.assert_close(mve, smallest_weights(logits), rtol=1e-10, atol=1e-12)
    if num_categories == 2:
        torch.testing.assert_close(mve, reinmax)
    else:
        assert size(mve) < 0.999 * size(reinmax)


@pytest.mark.parametrize(("name", "least", "most"), [("linear", 0.0, 0.85), ("smooth", 1.0, 1.1)])
def test_variance_of_one_f_may_lie_on_either_side_of_reinmax(
    name: str, least: float, most: float
) -> None:
    """Ratios near 0.79 and 1.05 on the same codes; their Monte-Carlo errors are below 0.01."""
    _, mve, _ = measure(MVE(), PROBLEMS[name])
    _, reinmax, _ = measure(ReinMax(), PROBLEMS[name])
    ratio = mve.standard_error.square().sum() / reinmax.standard_error.square().sum()
    assert least < ratio < most


def test_small_probabilities_keep_the_digits_of_float32() -> None:
    """p from 1 down to e⁻²⁰⁰, where p_i + p_j of float32 is zero."""
    logits = torch.tensor([0.0, -3.0, -30.0, -100.0, -200.0]).requires_grad_()
    slope = torch.tensor([0.3, -1.1, 0.7, 2.0, -0.4])

    def gradient(dtype: torch.dtype) -> Tensor:
        rows = logits.to(dtype).repeat(200, 1, 1)
        generator = torch.Generator().manual_seed(0)
        value = MVE()(lambda z: (z @ slope.to(dtype)).sum(-1).square(), rows, generator)
        return torch.autograd.grad(value.mean(), logits)[0]

    double = gradient(torch.float64)
    assert double.abs().max() > 0.01
    torch.testing.assert_close(gradient(torch.float32), double, rtol=1e-5, atol=1e-7)
