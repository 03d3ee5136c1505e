"""One battery that holds every estimator to its claims, by comparison with enumeration.

For a fixed f and fixed logits, n independent replicates of an estimator run as one batch in
float64. Their mean must agree with the exact value and gradients, coordinate by coordinate,
within the error that chance allows at a stated false-alarm rate.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.estimators.estimator import Estimator
from discretevae.estimators.exact import Exact

__all__ = [
    "PROBLEMS",
    "BiasedError",
    "Measurement",
    "Problem",
    "check_evaluations",
    "check_points",
    "check_unbiased",
    "measure",
]

Function = Callable[[Tensor, Tensor], Tensor]
"""(z of shape (S, *B, D, K), parameters inside f of shape (*B, P)) → (S, *B)."""

FALSE_ALARM = 1e-6
"""Chance that one check of an unbiased estimator fails, over all its coordinates together."""
RESOLUTION = 0.1
"""The bias that a check must be able to see, as a share of the largest coordinate."""


class BiasedError(AssertionError):
    """Raised where a mean differs from the exact one beyond chance."""


@dataclass(frozen=True)
class Problem:
    """A function of codes with parameters inside it, and the point where it is differentiated."""

    name: str
    f: Function
    logits: Float[Tensor, "D K"]
    parameters: Float[Tensor, " P"]


@dataclass(frozen=True)
class Measurement:
    """The mean of n replicates of one quantity, its standard error, and the exact value."""

    quantity: str
    mean: Float[Tensor, " C"]
    standard_error: Float[Tensor, " C"]
    exact: Float[Tensor, " C"]

    def bound(self, false_alarm: float = FALSE_ALARM) -> Float[Tensor, " C"]:
        """The largest difference that chance allows, shared out over the coordinates."""
        quantile = NormalDist().inv_cdf(1 - false_alarm / 2 / self.exact.numel())
        return quantile * self.standard_error

    @property
    def relative_bias(self) -> float:
        """|mean − exact| / |exact|, as Euclidean norms."""
        return float((self.mean - self.exact).norm() / self.exact.norm())


def _linear(z: Tensor, w: Tensor) -> Tensor:
    return (z.flatten(-2) * _weights(z)).sum(-1) + w.sum(-1) * z[..., 0, 0]


def _quadratic(z: Tensor, w: Tensor) -> Tensor:
    return (_linear(z, w) - 0.5).square()


def _smooth(z: Tensor, w: Tensor) -> Tensor:
    hidden = torch.stack([_linear(z, w * k) * (0.6 + 0.3 * k) - 0.4 * k for k in range(3)], -1)
    return 1 + hidden.tanh().sum(-1) + 0.5 * torch.sin(2 * _linear(z, w))


def _rough(z: Tensor, w: Tensor) -> Tensor:
    """Saturates at the codes, so that its gradient there says little of its differences."""
    return 3 * torch.sigmoid(8 * (_linear(z, w) - 0.4)) - torch.sigmoid(-9 * (_linear(z, w) + 0.6))


def _weights(z: Tensor) -> Tensor:
    count = z.shape[-1] * z.shape[-2]
    return torch.cos(1.7 * torch.arange(count, dtype=z.dtype, device=z.device)) * 0.8


def _problem(name: str, f: Function, num_latents: int, num_categories: int) -> Problem:
    generator = torch.Generator().manual_seed(5)
    logits = torch.randn(num_latents, num_categories, dtype=torch.float64, generator=generator)
    parameters = 0.3 * torch.randn(2, dtype=torch.float64, generator=generator)
    return Problem(name, f, logits, parameters)


PROBLEMS: dict[str, Problem] = {
    name: _problem(name, f, *sizes)
    for name, f, sizes in [
        ("linear", _linear, (2, 3)),
        ("quadratic", _quadratic, (2, 3)),
        ("smooth", _smooth, (3, 4)),
        ("rough", _rough, (3, 4)),
        ("one latent", _smooth, (1, 5)),
        ("binary", _smooth, (3, 2)),
        ("binary rough", _rough, (2, 2)),
    ]
}
"""Functions from those that even biased estimators get right to those that catch them."""


def measure(
    estimator: Estimator, problem: Problem, replicates: int = 50_000, seed: int = 0
) -> list[Measurement]:
    """Compares n replicates of value, gradient for logits and gradient inside f with enumeration.

    Example:
        >>> from discretevae.estimators import RLOO
        >>> value, *_ = measure(RLOO(), PROBLEMS["smooth"], replicates=1000)
        >>> value.quantity, value.relative_bias < 0.1
        ('value', True)
    """
    exact = _gradients(Exact(), problem, 1, None)
    generator = torch.Generator().manual_seed(seed)
    _gradients(estimator, problem, 100, generator)  # what learns or remembers has seen a batch
    drawn = _gradients(estimator, problem, replicates, generator)
    return [
        Measurement(
            quantity, values.mean(0), values.std(0, correction=1) / replicates**0.5, truth[0]
        )
        for (quantity, values), truth in zip(drawn.items(), exact.values(), strict=True)
    ]


def check_unbiased(
    estimator: Estimator,
    problem: Problem,
    replicates: int = 50_000,
    seed: int = 0,
    false_alarm: float = FALSE_ALARM,
    quantities: tuple[str, ...] = ("value", "logits", "parameters"),
) -> None:
    """Passes where value and both gradients agree with enumeration.

    Raises:
        BiasedError: Where a coordinate differs beyond chance; an unbiased estimator gets here
            with a probability of at most `false_alarm` for each quantity.
        AssertionError: Where there are too few replicates to see a bias of 10 %.
    """
    for found in measure(estimator, problem, replicates, seed):
        if found.quantity not in quantities:
            continue
        bound, scale = found.bound(false_alarm), found.exact.abs().max()
        assert bound.max() < RESOLUTION * scale, (
            f"{found.quantity} of {problem.name}: too few replicates to see a bias of "
            f"{RESOLUTION:.0%}, only one of {float(bound.max() / scale):.0%}"
        )
        excess = (found.mean - found.exact).abs() - bound
        if excess.max() > 1e-10 * scale:
            raise BiasedError(
                f"{type(estimator).__name__}: {found.quantity} of {problem.name} is biased by "
                f"{found.relative_bias:.2%}, beyond chance at {false_alarm:g}"
            )


def check_points(estimator: Estimator, problem: Problem) -> None:
    """Passes where f sees exact one-hot codes if and only if the estimator is not relaxed.

    Raises:
        AssertionError: Where the claim `relaxed` is wrong.
    """
    seen = _record(estimator, problem)
    exact_codes = all(bool(((z == 0) | (z == 1)).all() and (z.sum(-1) == 1).all()) for z in seen)
    assert exact_codes != estimator.relaxed, (
        f"{type(estimator).__name__} claims relaxed={estimator.relaxed}, "
        f"but f saw {'only codes' if exact_codes else 'points inside the simplex'}"
    )


def check_evaluations(estimator: Estimator, problem: Problem) -> None:
    """Passes where f was evaluated on as many rows as `evaluations(D, K)` says.

    Raises:
        AssertionError: Where the claim is wrong.
    """
    rows = sum(z.shape[0] for z in _record(estimator, problem))
    claimed = estimator.evaluations(*problem.logits.shape)
    assert rows == claimed, f"{type(estimator).__name__} claims {claimed} rows, f saw {rows}"


def _gradients(
    estimator: Estimator, problem: Problem, replicates: int, generator: torch.Generator | None
) -> dict[str, Tensor]:
    logits = problem.logits.repeat(replicates, 1, 1).requires_grad_()
    parameters = problem.parameters.repeat(replicates, 1).requires_grad_()
    value = estimator(lambda z: problem.f(z, parameters), logits, generator)
    grads = torch.autograd.grad(value.sum(), (logits, parameters))
    return {
        "value": value.detach()[:, None],
        "logits": grads[0].flatten(1),
        "parameters": grads[1],
    }


def _record(estimator: Estimator, problem: Problem) -> list[Tensor]:
    seen: list[Tensor] = []

    def f(z: Tensor) -> Tensor:
        seen.append(z.detach())
        return problem.f(z, problem.parameters)

    estimator(f, problem.logits.expand(7, -1, -1), torch.Generator().manual_seed(0))
    return seen
