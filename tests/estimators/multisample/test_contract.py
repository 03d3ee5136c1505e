"""What both estimators share: shapes, defaults, refusals, numerics."""

import pytest
import torch
from torch import Tensor

from discretevae.estimators.multisample import (
    IWAE,
    MULTISAMPLE_ESTIMATORS,
    VIMCO,
    MultiSampleEstimator,
)
from discretevae.latents import categorical


def total(z: Tensor) -> Tensor:
    return (z * torch.arange(z.shape[-1], dtype=z.dtype)).sum((-2, -1))


def estimate(
    estimator: MultiSampleEstimator, logits: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    return estimator(lambda z: total(z) - categorical.log_prob(z, logits), logits, generator)


@pytest.fixture(params=MULTISAMPLE_ESTIMATORS, name="estimator")
def _estimator(request: pytest.FixtureRequest) -> MultiSampleEstimator:
    return MULTISAMPLE_ESTIMATORS[request.param]()


@pytest.mark.parametrize("batch", [(), (5,), (2, 3)])
@pytest.mark.parametrize("sizes", [(1, 2), (4, 5), (32, 64)])
def test_shapes(
    estimator: MultiSampleEstimator, batch: tuple[int, ...], sizes: tuple[int, int]
) -> None:
    logits = torch.randn(*batch, *sizes, requires_grad=True)
    value = estimate(estimator, logits)
    value.sum().backward()
    assert value.shape == batch
    assert logits.grad is not None
    assert logits.grad.shape == logits.shape
    assert logits.grad.isfinite().all()
    assert logits.grad.abs().max() > 0


def test_a_generator_decides_everything(estimator: MultiSampleEstimator) -> None:
    logits = torch.ones(5, 3, 4)
    first, second = (
        estimate(estimator, logits, torch.Generator().manual_seed(3)) for _ in range(2)
    )
    torch.manual_seed(99)
    third = estimate(estimator, logits, torch.Generator().manual_seed(3))
    assert torch.equal(first, second)
    assert torch.equal(first, third)


def test_log_weights_of_the_wrong_shape_are_refused(estimator: MultiSampleEstimator) -> None:
    with pytest.raises(ValueError, match=r"`log_weight` must return \(5, 3\), got \(5, 1\)"):
        estimator(lambda z: total(z)[:, :1], torch.zeros(3, 2, 4))


@pytest.mark.parametrize("scale", [1e4, 3e4])
def test_extreme_logits_give_finite_gradients(
    estimator: MultiSampleEstimator, scale: float
) -> None:
    logits = (scale * torch.tensor([[[1.0, -1.0, 0.0], [0.0, 0.0, 3.0]]])).requires_grad_()
    value = estimate(estimator, logits)
    value.sum().backward()
    assert value.isfinite().all()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_log_weights_thousands_of_nats_apart(estimator: MultiSampleEstimator) -> None:
    """float32 agrees with float64 for the same codes: nothing is exponentiated as it stands."""
    shift = torch.randn(5, 40, generator=torch.Generator().manual_seed(0)).double() * 3e3 - 1e4

    def gradient(dtype: torch.dtype) -> Tensor:
        logits = torch.linspace(-1, 1, 8).view(2, 4).expand(40, 2, 4).to(dtype).requires_grad_()
        codes = torch.Generator().manual_seed(1)
        z = categorical.sample(torch.zeros(40, 2, 4), 5, codes).to(dtype)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(categorical, "sample", lambda *_: z)
            value = estimator(
                lambda z: shift.to(dtype) - categorical.log_prob(z, logits), logits, None
            )
        return torch.autograd.grad(value.sum(), logits)[0].double()

    if isinstance(estimator, IWAE):
        estimator.eval()
    exact = gradient(torch.float64)
    assert exact.abs().max() > 100
    torch.testing.assert_close(gradient(torch.float32), exact, rtol=1e-4, atol=0.02)


@pytest.mark.parametrize("sizes", [(2, 1), (1, 1), (0, 2)])
def test_a_code_has_a_latent_and_a_latent_two_classes(
    estimator: MultiSampleEstimator, sizes: tuple[int, int]
) -> None:
    message = "`num_latents` must be at least 1 and `num_categories` at least 2, got {} and {}"
    with pytest.raises(ValueError, match=message.format(*sizes)):
        estimate(estimator, torch.zeros(5, *sizes))


def test_a_logit_of_minus_infinity_rules_its_class_out(estimator: MultiSampleEstimator) -> None:
    """The same draws from fewer classes would give the same: mean bound within 5.5 errors."""
    fewer = torch.randn(1, 2, 3, dtype=torch.float64)
    logits = torch.cat([fewer, torch.full((1, 2, 1), -torch.inf)], -1)
    wide, narrow = (v.repeat(50_000, 1, 1).requires_grad_() for v in (logits, fewer))
    values, gradients = [], []
    for leaf in (wide, narrow):
        value = estimate(estimator, leaf, torch.Generator().manual_seed(0))
        (gradient,) = torch.autograd.grad(value.sum(), leaf)
        values.append(value.detach())
        gradients.append(gradient[..., :3])
        assert value.isfinite().all()
        assert gradient.isfinite().all()
        assert (gradient[..., 3:] == 0).all()
    for one, other in (values, gradients):
        error = ((one.var(0) + other.var(0)) / 50_000).sqrt()
        assert ((one.mean(0) - other.mean(0)).abs() < 5.5 * error).all()


def test_works_where_no_gradient_is_recorded(estimator: MultiSampleEstimator) -> None:
    with torch.no_grad():
        assert not estimate(estimator, torch.zeros(5, 3, 4)).requires_grad


def test_a_weight_that_is_constant_is_the_bound_itself(estimator: MultiSampleEstimator) -> None:
    """At the true posterior every w is p(x), whatever the codes: log p(x) = log 4^3 here."""
    logits = torch.zeros(5, 3, 4)
    value = estimator(lambda z: -categorical.log_prob(z, logits), logits)
    torch.testing.assert_close(value, torch.full((5,), 64.0).log())


def test_what_lies_outside_the_theory_is_refused() -> None:
    with pytest.raises(ValueError, match="`samples` must be at least 2 to leave one out, got 1"):
        VIMCO(samples=1)
    with pytest.raises(ValueError, match="`samples` must be at least 1, got 0"):
        IWAE(samples=0)
