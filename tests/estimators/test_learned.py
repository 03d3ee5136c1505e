"""Estimators that learn: Adam to the digit, and nothing moved that is not theirs to move."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from discretevae.estimators import learned
from discretevae.estimators.battery import PROBLEMS, check_unbiased
from discretevae.estimators.learned import LearnedEstimator, MovingMoments, bounded
from discretevae.estimators.nvil import NVIL
from discretevae.estimators.rebar import REBAR
from discretevae.estimators.relax import RELAX
from discretevae.estimators.rodeo import RODEO

METHODS = [NVIL, REBAR, RELAX, RODEO]


class _Fit(LearnedEstimator):
    """Fits a line to numbers that f holds."""

    unbiased = False

    def build(self, num_latents: int, num_categories: int) -> None:
        self.line = nn.Linear(num_latents * num_categories, 3)

    def forward(
        self,
        f: Callable[[Tensor], Tensor],
        logits: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        self.prepare_for(logits)
        with self.recording():
            self.inside = [parameter.requires_grad for parameter in self.parameters()]
            self.descend((self.line(logits.flatten(-2)) - f(logits)).square().mean())
        return logits.sum((-2, -1))

    def evaluations(self, num_latents: int, num_categories: int) -> int:
        return 0


def fitted(steps: int, estimator: _Fit) -> tuple[Tensor, Tensor]:
    """Gives the parameters after some steps of ours and of `torch.optim.Adam`."""
    estimator.prepare(2, 3)
    line = copy.deepcopy(estimator.line).requires_grad_()
    adam = torch.optim.Adam(line.parameters(), estimator.learning_rate)
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        x = torch.randn(7, 2, 3, generator=generator)
        target = torch.randn(7, 3, generator=generator)
        estimator(lambda z, target=target: target, x)
        adam.zero_grad()
        (line(x.flatten(-2)) - target).square().mean().backward()
        adam.step()
    ours, theirs = (nn.utils.parameters_to_vector(m.parameters()) for m in (estimator.line, line))
    return ours, theirs.detach()


@pytest.mark.parametrize("steps", [1, 2, 100])
def test_descends_as_adam_does(steps: int) -> None:
    torch.testing.assert_close(*fitted(steps, _Fit(1e-2)), rtol=1e-5, atol=1e-6)


def test_another_adam_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learned, "BETAS", (0.9, 0.99))
    with pytest.raises(AssertionError, match="not close"):
        torch.testing.assert_close(*fitted(100, _Fit(1e-2)), rtol=1e-5, atol=1e-6)


def test_parameters_ask_for_a_gradient_while_recording_only() -> None:
    estimator = _Fit(1e-2)

    def asked() -> list[bool]:
        return [parameter.requires_grad for parameter in estimator.parameters()]

    estimator.prepare(2, 3)
    assert asked() == [False, False]
    estimator(lambda z: z.new_zeros(3), torch.randn(7, 2, 3))
    assert (estimator.inside, asked()) == ([True, True], [False, False])
    with pytest.raises(ZeroDivisionError):
        estimator(lambda z: 1 / 0, torch.randn(7, 2, 3))
    assert asked() == [False, False]
    with torch.no_grad():
        estimator(lambda z: z.new_zeros(3), torch.randn(7, 2, 3))
    assert estimator.inside == [False, False]


def test_starts_the_same_and_leaves_the_global_generator_alone() -> None:
    first, second = _Fit(1e-2), _Fit(1e-2)
    first.prepare(2, 3)
    before = torch.get_rng_state()
    torch.rand(5)
    second.prepare(2, 3)
    assert torch.equal(first.line.weight, second.line.weight)
    torch.set_rng_state(before)
    _Fit(1e-2).prepare(2, 3)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("method", METHODS)
def test_other_sizes_are_refused(method: type[LearnedEstimator]) -> None:
    estimator = method()
    estimator.prepare(3, 4)
    estimator.prepare(3, 4)
    with pytest.raises(ValueError, match=r"D × K = 3 × 4.*has learned, got 4 × 3"):
        estimator.prepare(4, 3)
    with pytest.raises(ValueError, match=r"D × K = 3 × 4.*has learned, got 2 × 4"):
        estimator(total, torch.zeros(5, 2, 4))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rate", [0.0, float("nan")])
def test_other_rates_are_refused(method: type[LearnedEstimator], rate: float) -> None:
    with pytest.raises(ValueError, match=f"`learning_rate` must be positive, got {rate}"):
        method(learning_rate=rate)


def total(z: Tensor) -> Tensor:
    return (z.flatten(-2).cumsum(-1) - 2).square().sum(-1) - 90


def run(estimator: LearnedEstimator, steps: int, seed: int = 0) -> Tensor:
    """Estimates on batch after batch; gives the last gradient and value in one vector."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        logits = torch.randn(20, 3, 4, generator=generator).requires_grad_()
        value = estimator(total, logits, generator)
        (grad,) = torch.autograd.grad(value.sum(), logits)
    return torch.cat([grad.flatten(), value.detach()])


def state(estimator: LearnedEstimator) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in estimator.state_dict().items()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first | second)


@pytest.mark.parametrize("method", METHODS)
def test_a_state_is_all_there_is_to_go_on_from(method: type[LearnedEstimator]) -> None:
    estimator, copied = method(), method()
    run(estimator, 5)
    copied.prepare(3, 4)
    copied.load_state_dict(estimator.state_dict())
    assert torch.equal(run(estimator, 5, seed=1), run(copied, 5, seed=1))
    assert same(state(estimator), state(copied))


@pytest.mark.parametrize("method", METHODS)
def test_a_generator_decides_what_is_learned(method: type[LearnedEstimator]) -> None:
    first, second = method(), method()
    gradient = run(first, 5)
    torch.rand(3)
    assert torch.equal(gradient, run(second, 5))
    assert same(state(first), state(second))


@pytest.mark.parametrize("method", METHODS)
def test_stands_still_in_evaluation(method: type[LearnedEstimator]) -> None:
    estimator = method()
    run(estimator, 2)
    before = state(estimator)
    estimator.eval()
    run(estimator, 2)
    estimator.train()
    with torch.no_grad():
        assert not estimator(total, torch.randn(20, 3, 4)).requires_grad
    assert same(before, state(estimator))
    run(estimator, 1)
    changed = state(estimator)
    assert all(
        not torch.equal(before[name], changed[name]) for name, _ in estimator.named_parameters()
    )


@pytest.mark.parametrize("method", METHODS)
def test_learning_reaches_nothing_else(method: type[LearnedEstimator]) -> None:
    """The model's gradient is that of the same estimate without learning."""

    def gradients(estimator: LearnedEstimator) -> list[Tensor]:
        decoder = nn.Sequential(nn.Linear(12, 5), nn.Tanh(), nn.Linear(5, 1)).double()
        for number, parameter in enumerate(decoder.parameters()):
            nn.init.constant_(parameter, 0.1).view(-1)[0].data.fill_(0.2 * number - 1)
        logits = torch.linspace(-1, 1, 84, dtype=torch.float64).view(7, 3, 4).requires_grad_()
        value = estimator(
            lambda z: decoder(z.flatten(-2)).squeeze(-1), logits, torch.Generator().manual_seed(0)
        )
        leaves = [logits, *decoder.parameters()]
        assert all(leaf.grad is None for leaf in leaves)
        value.sum().backward()
        assert all(parameter.grad is None for parameter in estimator.parameters())
        return [leaf.grad for leaf in leaves if leaf.grad is not None]

    learning, still = method(), method().eval()
    for one, other in zip(gradients(learning), gradients(still), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
    assert float(learning.steps) == 1


@pytest.mark.parametrize("method", METHODS)
def test_learns_in_double_precision_too(method: type[LearnedEstimator]) -> None:
    estimator = method()
    estimator.prepare(3, 4)
    estimator.double()
    logits = torch.randn(20, 3, 4, dtype=torch.float64, requires_grad=True)
    assert estimator(total, logits).dtype == torch.float64
    assert all(tensor.dtype == torch.float64 for tensor in estimator.state_dict().values())


@pytest.mark.parametrize("method", METHODS)
def test_extreme_logits_leave_finite_parameters(method: type[LearnedEstimator]) -> None:
    estimator = method()
    for _ in range(20):
        logits = torch.tensor([[[1e4, -1e4, 0.0], [0.0, 0.0, 3e4]], [[-1e4] * 3, [5.0, 9e3, 9e3]]])
        logits.requires_grad_()
        (grad,) = torch.autograd.grad(estimator(total, logits).sum(), logits)
        assert grad.isfinite().all()
    assert all(tensor.isfinite().all() for tensor in estimator.state_dict().values())


def test_moments_are_those_of_earlier_batches() -> None:
    """Against weighted moments of all numbers at once."""
    batches = [torch.tensor([[1.0, 4.0]]), torch.tensor([[-2.0, 0.0]]), torch.tensor([[7.0, 7.5]])]
    moments = MovingMoments(decay=0.8)
    assert [float(number) for number in moments()] == [0, 1]
    for batch in batches:
        moments.remember(batch)
    weight = torch.tensor([0.64, 0.8, 1.0])[:, None].expand(3, 2)
    weight, values = weight / weight.sum(), torch.cat(batches)
    mean = (weight * values).sum()
    spread = (weight * (values - mean).square()).sum().sqrt()
    torch.testing.assert_close(moments(), (mean, spread))


def test_a_constant_has_a_spread_of_one() -> None:
    moments = MovingMoments()
    moments.remember(torch.full((2, 3), 4.0))
    torch.testing.assert_close(moments(), (torch.tensor(4.0), torch.tensor(1.0)))
    with pytest.raises(ValueError, match=r"`decay` must lie in \[0, 1\), got 1.0"):
        MovingMoments(decay=1.0)


def test_bounded() -> None:
    assert bounded(torch.tensor([-1e4, 0.5, torch.inf])).tolist() == [-10, 0.5, 10]


# 16 cases × 3 quantities at 1e-6: a false alarm less than once in 20,000 seeds; the seed is fixed.
@pytest.mark.parametrize("make", METHODS)
@pytest.mark.parametrize("name", ["smooth", "rough", "one latent", "binary"])
def test_what_has_learned_agrees_with_enumeration(
    make: Callable[..., LearnedEstimator], name: str, taught: Callable[..., Any]
) -> None:
    """The battery has those that have not."""
    problem = PROBLEMS[name]
    check_unbiased(taught(make(learning_rate=1e-2), problem, 100), problem, 50_000)
