"""RODEO: unbiased whatever it has learned, RLOO before it has, far less variance afterwards."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from discretevae.estimators import rodeo
from discretevae.estimators.battery import (
    PROBLEMS,
    BiasedError,
    check_unbiased,
    measure,
)
from discretevae.estimators.estimator import Estimator
from discretevae.estimators.rloo import RLOO
from discretevae.estimators.rodeo import RODEO


def test_agrees_with_enumeration_with_more_samples(taught: Callable[..., Any]) -> None:
    problem = PROBLEMS["smooth"]
    check_unbiased(taught(RODEO(samples=3, learning_rate=1e-2), problem), problem, 10_000)


@pytest.mark.parametrize("samples", [2, 4])
def test_starts_as_rloo(samples: int) -> None:
    for ours, rloo in zip(
        measure(RODEO(samples).eval(), PROBLEMS["smooth"], 100),
        measure(RLOO(samples=samples), PROBLEMS["smooth"], 100),
        strict=True,
    ):
        torch.testing.assert_close(ours.mean, rloo.mean, rtol=1e-12, atol=1e-12)


def known(taught: Callable[..., Any], samples: int = 3) -> RODEO:
    """An estimator in double precision with parameters far from the start."""
    estimator = taught(RODEO(samples, learning_rate=1e-2), PROBLEMS["smooth"], 3).double().eval()
    generator = torch.Generator().manual_seed(2)
    for parameter in estimator.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
    return estimator


def by_the_formula(estimator: RODEO, z: Tensor, logits: Tensor) -> Tensor:
    """The estimate for one example, with a loop over samples, latents and classes."""
    samples, latents, classes = z.shape
    problem, p = PROBLEMS["smooth"], logits.softmax(-1)
    at = z.clone().requires_grad_()
    value = problem.f(at, problem.parameters)
    (v,) = torch.autograd.grad(value.sum(), at)
    m, sigma = estimator.moments_of_f()

    def h(i: int, y: Tensor) -> Tensor:
        others = [j for j in range(samples) if j != i]
        mean = sum(value[j] for j in others) / len(others)
        expansion = sum((v[j] * (y - z[j])).sum() for j in others) / len(others)
        of_mean = estimator.of_mean(((mean - m) / sigma)[None])
        of_expansion = estimator.of_expansion((expansion / sigma)[None])
        hidden = of_mean + of_expansion
        return sigma * estimator.output(torch.where(hidden > 0, hidden, 0.3 * hidden))

    def stein(h: object, y: Tensor) -> Tensor:
        result = 0
        for d in range(latents):
            for k in range(classes):
                moved = y.clone()
                moved[d] = torch.eye(classes, dtype=y.dtype)[k]
                result = result + p[d, k] * (h(moved) - h(y))  # type: ignore[operator]
        return result  # type: ignore[return-value]

    g = torch.zeros_like(p)
    for i in range(samples):
        baseline = sum(
            value[j] + estimator.alpha * stein(lambda y, j=j: h(j, y)[0], z[j])
            for j in range(samples)
            if j != i
        ) / (samples - 1)
        second = stein(lambda y, i=i: h(i, y)[1] * (y - p), z[i])
        g = g + (value[i] - baseline) * (z[i] - p) + estimator.beta * second
    return (g / samples).detach()


def gradient_and_codes(estimator: RODEO, examples: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    problem, seen = PROBLEMS["smooth"], []
    logits = torch.linspace(-1, 1, examples * 12, dtype=torch.float64).sin().view(-1, 3, 4)
    logits = logits.requires_grad_()

    def f(z: Tensor) -> Tensor:
        seen.append(z.detach())
        return problem.f(z, problem.parameters)

    value = estimator(f, logits, torch.Generator().manual_seed(0))
    (grad,) = torch.autograd.grad(value.sum(), logits)
    return grad, seen[0], logits.detach()


def test_against_its_formula(taught: Callable[..., Any]) -> None:
    estimator = known(taught)
    grad, z, logits = gradient_and_codes(estimator)
    expected = [by_the_formula(estimator, z[:, b], logits[b]) for b in range(len(logits))]
    torch.testing.assert_close(grad, torch.stack(expected), rtol=1e-9, atol=1e-9)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch, taught: Callable[..., Any]) -> None:
    """Neither the estimate nor the step after it."""

    estimator = known(taught).train()

    def result() -> list[Tensor]:
        copied = copy.deepcopy(estimator)
        return [gradient_and_codes(copied)[0], *copied.parameters()]

    whole = result()
    monkeypatch.setattr(rodeo, "ROWS", 30)  # two of twelve at once
    for chunked, expected in zip(result(), whole, strict=True):
        torch.testing.assert_close(chunked, expected, rtol=1e-8, atol=1e-8)


def test_descends_on_the_variance(taught: Callable[..., Any]) -> None:
    """The gradient of mean ‖g‖² in all parameters, along one direction by finite differences."""

    class Probe(RODEO):
        def descend(self, loss: Tensor) -> None:
            self.loss = loss.item()
            if self.learns:
                self.found = torch.autograd.grad(loss, list(self.parameters()))

    probe = Probe(samples=3)
    probe.prepare(3, 4)
    probe.double().load_state_dict(known(taught).state_dict())
    generator = torch.Generator().manual_seed(4)
    gradient_and_codes(probe)
    directions = [torch.randn(p.shape, generator=generator) for p in probe.parameters()]
    along = sum(float((g * d).sum()) for g, d in zip(probe.found, directions, strict=True))

    def loss(step: float) -> float:
        probe.load_state_dict(known(taught).state_dict())
        for parameter, direction in zip(probe.parameters(), directions, strict=True):
            parameter.add_(step * direction)
        grad = gradient_and_codes(probe.eval())[0]
        assert probe.loss == pytest.approx(float(grad.square().sum((-2, -1)).mean()))
        return probe.loss

    assert (loss(1e-5) - loss(-1e-5)) / 2e-5 == pytest.approx(along, rel=1e-5)


def variance(estimator: Estimator, name: str) -> float:
    return float(measure(estimator, PROBLEMS[name], 20_000)[1].standard_error.square().sum())


@pytest.mark.parametrize("name", ["smooth", "rough"])
def test_learning_lowers_the_variance(name: str, taught: Callable[..., Any]) -> None:
    learned = taught(RODEO(learning_rate=1e-2), PROBLEMS[name]).eval()
    assert variance(learned, name) < 0.4 * variance(RLOO(samples=2), name)


class _SeesItself(RODEO):
    """Lets H see the mean of f over all samples, its own among them."""

    def _h(self, mean: Tensor, expansion: Tensor) -> tuple[Tensor, Tensor]:
        return super()._h(mean.mean(0).expand_as(mean), expansion)


def test_a_surrogate_that_sees_its_own_sample_is_caught(taught: Callable[..., Any]) -> None:
    problem = PROBLEMS["smooth"]
    with pytest.raises(BiasedError, match="logits"):
        check_unbiased(taught(_SeesItself(learning_rate=1e-2), problem), problem)


def test_neighbours_that_remember_where_they_come_from_are_caught(
    monkeypatch: pytest.MonkeyPatch, taught: Callable[..., Any]
) -> None:
    """The expansion about z where a latent is not taken out before it is set anew."""
    right = rodeo._expansions

    def wrong(value: Tensor, v: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        mean, expansion = right(value, v, z)
        return mean, expansion + (v.flip(0) * z).sum(-1, keepdim=True)

    monkeypatch.setattr(rodeo, "_expansions", wrong)
    problem = PROBLEMS["smooth"]
    with pytest.raises(BiasedError, match="logits"):
        check_unbiased(taught(RODEO(learning_rate=1e-2), problem), problem)


def test_large_codes() -> None:
    logits = torch.randn(20, 32, 64, requires_grad=True)
    RODEO()(lambda z: z[..., 0].sum(-1).square(), logits).sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_what_lies_outside_the_theory_is_refused() -> None:
    with pytest.raises(ValueError, match="`samples` must be at least 2 to leave one out, got 1"):
        RODEO(samples=1)
    with pytest.raises(ValueError, match="`f` must be differentiable in `z`, got"):
        RODEO()(lambda z: z.detach()[..., 0].sum(-1), torch.zeros(2, 3, 4))
