"""REBAR: unbiased whatever it has learned, REINFORCE at η = 0, less variance as it learns."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from discretevae.estimators import rebar
from discretevae.estimators.battery import (
    PROBLEMS,
    BiasedError,
    check_unbiased,
    measure,
)
from discretevae.estimators.conditional_gumbel import conditional_gumbel
from discretevae.estimators.estimator import Estimator
from discretevae.estimators.rebar import REBAR
from discretevae.estimators.reinforce import Reinforce
from discretevae.latents.categorical import gumbel, one_hot_argmax


@pytest.mark.parametrize(("temperature", "scale"), [(0.2, 0.5), (2.0, -1.0)])
def test_agrees_with_enumeration_at_any_parameters(temperature: float, scale: float) -> None:
    check_unbiased(REBAR(temperature, scale), PROBLEMS["smooth"], 50_000)


def smooth(z: Tensor) -> Tensor:
    return PROBLEMS["smooth"].f(z, PROBLEMS["smooth"].parameters)


LOGITS = PROBLEMS["smooth"].logits.expand(5, -1, -1)


def gradient(estimator: Estimator, f: Callable[[Tensor], Tensor] = smooth) -> Tensor:
    logits = LOGITS.clone().requires_grad_()
    value = estimator(f, logits, torch.Generator().manual_seed(7))
    return torch.autograd.grad(value.sum(), logits)[0]


def test_against_its_formula() -> None:
    """The same noise; c differentiated by finite differences."""
    generator = torch.Generator()

    def x_and_tilde(logits: Tensor) -> Tensor:
        log_p = logits.log_softmax(-1)
        x = log_p + gumbel(logits.shape, logits, generator.manual_seed(7))
        return torch.stack([x, conditional_gumbel(log_p, z, generator)])

    def c(logits: Tensor) -> Tensor:
        return 0.8 * smooth((x_and_tilde(logits) / 0.7).softmax(-1))

    z = torch.zeros_like(LOGITS)
    z = one_hot_argmax(x_and_tilde(LOGITS)[0])
    weight = smooth(z[None])[0] - c(LOGITS)[1]
    expected = weight[:, None, None] * (z - LOGITS.softmax(-1))
    for d in range(3):
        for k in range(4):
            step = torch.zeros_like(LOGITS)
            step[:, d, k] = 1e-6
            slope = (c(LOGITS + step) - c(LOGITS - step)) / 2e-6
            expected[:, d, k] += slope[0] - slope[1]
    found = gradient(REBAR(temperature=0.7, scale=0.8))
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7)


def test_descends_on_the_variance() -> None:
    """The gradient of mean ‖g‖² in log τ and η, by finite differences of the estimates."""

    class Probe(REBAR):
        def descend(self, loss: Tensor) -> None:
            self.found = torch.stack(torch.autograd.grad(loss, list(self.parameters())))

    def loss(log_temperature: float, scale: float) -> float:
        estimator = REBAR().double().eval()
        estimator.log_temperature.fill_(log_temperature)
        estimator.scale.fill_(scale)
        return float(gradient(estimator).square().sum((-2, -1)).mean())

    probe = Probe(1.0, 0.8).double()
    gradient(probe)
    in_temperature = (loss(1e-5, 0.8) - loss(-1e-5, 0.8)) / 2e-5
    in_scale = (loss(0.0, 0.8 + 1e-5) - loss(0.0, 0.8 - 1e-5)) / 2e-5
    expected = torch.tensor([in_temperature, in_scale], dtype=torch.float64)
    torch.testing.assert_close(probe.found, expected, rtol=1e-5, atol=1e-7)


def test_scale_zero_is_reinforce_without_a_baseline() -> None:
    seen: list[Tensor] = []

    def f(z: Tensor) -> Tensor:
        seen.append(z.detach())
        return smooth(z)

    found = gradient(REBAR(scale=0.0), f)
    z = seen[-1][0]
    expected = smooth(z[None])[0][:, None, None] * (z - LOGITS.softmax(-1))
    torch.testing.assert_close(found, expected)


def test_the_level_of_f_does_not_matter_at_scale_one() -> None:
    torch.testing.assert_close(gradient(REBAR(), lambda z: smooth(z) - 1e3), gradient(REBAR()))


def variance(estimator: Estimator, name: str) -> float:
    return float(measure(estimator, PROBLEMS[name], 20_000)[1].standard_error.square().sum())


def test_learning_lowers_the_variance(taught: Callable[..., Any]) -> None:
    """On 20,000 replicates: a share of 0.9 is more than ten standard errors away."""
    fresh = variance(REBAR().eval(), "rough")
    learned = variance(taught(REBAR(learning_rate=1e-2), PROBLEMS["rough"]).eval(), "rough")
    assert learned < 0.9 * fresh
    assert learned < 0.9 * variance(Reinforce(), "rough")  # with a moving average
    assert learned < 0.5 * variance(Reinforce(baseline=0.0), "rough")


def _detached(log_p: Tensor, z: Tensor, generator: torch.Generator | None = None) -> Tensor:
    return conditional_gumbel(log_p.detach(), z, generator)


def _unnormalised(log_p: Tensor, z: Tensor, generator: torch.Generator | None = None) -> Tensor:
    return conditional_gumbel(log_p + 1, z, generator)


@pytest.mark.parametrize("wrong", [_detached, _unnormalised])
def test_another_law_given_the_code_is_caught(
    wrong: Callable[..., Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebar, "conditional_gumbel", wrong)
    with pytest.raises(BiasedError, match="logits"):
        check_unbiased(REBAR(), PROBLEMS["smooth"], 20_000)


def test_differentiates_twice_in_training_only() -> None:
    recorded: list[bool] = []

    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx: torch.autograd.function.FunctionCtx, z: Tensor) -> Tensor:
            ctx.save_for_backward(z)
            return z.square()

        @staticmethod
        def backward(ctx: torch.autograd.function.FunctionCtx, grad: Tensor) -> Tensor:
            recorded.append(torch.is_grad_enabled())
            return 2 * ctx.saved_tensors[0] * grad

    estimator = REBAR()
    for training in (True, False):
        gradient(estimator.train(training), lambda z: Square.apply(z).flatten(-2).sum(-1))
        assert recorded.pop(0) == training
        recorded.clear()


def test_large_codes() -> None:
    logits = torch.randn(2, 32, 64, requires_grad=True)
    REBAR()(lambda z: z[..., 0].sum(-1).square(), logits).sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("training", [True, False])
def test_functions_without_a_gradient_are_refused(training: bool) -> None:
    weight = torch.ones((), requires_grad=True)
    for blind in (
        lambda z: z.detach()[..., 0].sum(-1),
        lambda z: weight * z.detach().sum((-2, -1)),
    ):
        with pytest.raises(ValueError, match="`f` must be differentiable in `z`, got"):
            REBAR().train(training)(blind, torch.zeros(2, 3, 4))


def test_what_lies_outside_the_theory_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`temperature` must be positive, got 0.0"):
        REBAR(temperature=0.0)
