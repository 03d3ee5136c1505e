"""Measures estimators on a model of the user's own: bias, variance, error and cost."""

import contextlib
import copy
import math
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, overload, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from discretevae.data.seeding import generator
from discretevae.estimators import ESTIMATORS, RLOO, Estimator, Exact
from discretevae.latents import require_enumerable
from discretevae.models import DiscreteVAE
from discretevae.studies.laboratory.moments import GROUPS, Interval, Moments, Truth
from discretevae.studies.laboratory.problem import ModelProblem, Problem

__all__ = [
    "GradientReport",
    "GradientRow",
    "measure_gradients",
    "measure_gradients_of",
    "require_suitable",
    "suitable_estimators",
]

ROWS = 2**12
"""Rows of the decoder in one chunk of replicates; bounds the memory."""
TIMED = 100
"""The most examples of a batch that is timed, and on which what learns does so."""
TRUTH_SAMPLES = 16
ROUNDS = 7
"""Timed calls of each estimator, in turns; the median counts."""

Progress = Callable[[Iterable[int], str], Iterable[int]]


@dataclass(frozen=True)
class GradientRow:
    """What was measured of one estimator; figures are for one estimate of one example.

    Attributes:
        relative_bias: ‖E g − ∇‖ / ‖∇‖, with the ends of its 95 % interval.
        variance: Of g, summed over D × K, mean over examples; the square of the unit.
        mean_squared_error: E ‖g − ∇‖², as `variance`.
        relative_error: The root of E ‖g − ∇‖² as a share of the norm of ∇.
        cosine: Mean cosine between g and ∇.
        seconds: Of one estimate for the batch (its first 100 examples, where there are more)
            with its backward pass, as in training.
        evaluations: Of f per example.
    """

    estimator: str
    claims_unbiased: bool
    replicates: int
    relative_bias: Interval
    variance: float
    mean_squared_error: float
    relative_error: float
    cosine: float
    seconds: float
    evaluations: int

    @property
    def variance_times_evaluations(self) -> float:
        return self.variance * self.evaluations

    @property
    def variance_times_seconds(self) -> float:
        return self.variance * self.seconds

    def as_dict(self) -> dict[str, Any]:
        """Gives plain types, the products with the cost among them."""
        return {
            **asdict(self),
            "variance_times_evaluations": self.variance_times_evaluations,
            "variance_times_seconds": self.variance_times_seconds,
        }


@dataclass
class GradientReport(Sequence[GradientRow]):
    """The rows measured so far, as a list of them, and what they were compared with.

    Attributes:
        of: What is expected, in words.
        unit: Of it, or nothing.
        truth: "enumeration", or "RLOO" for a long run.
        truth_relative_error: The error of that gradient as a share of its norm; 0 if enumerated.
        gradient_norm: ‖∇‖, root mean square over examples, in the unit.
        examples: In the batch.
        left_out: Names of estimators that f does not suit.
        rows: One an estimator, in the order of measurement.
    """

    of: str
    unit: str
    truth: str
    truth_relative_error: float
    gradient_norm: float
    examples: int
    left_out: list[str] = field(default_factory=list)
    rows: list[GradientRow] = field(default_factory=list)

    @overload
    def __getitem__(self, index: int) -> GradientRow: ...

    @overload
    def __getitem__(self, index: slice) -> list[GradientRow]: ...

    def __getitem__(self, index: int | slice) -> GradientRow | list[GradientRow]:
        return self.rows[index]

    def __len__(self) -> int:
        return len(self.rows)

    def as_dict(self) -> dict[str, Any]:
        """Gives plain types, as the JSON file has them."""
        return {
            "of": self.of,
            "truth": self.truth,
            "truth_relative_error": self.truth_relative_error,
            "gradient_norm": self.gradient_norm,
            "examples": self.examples,
            "left_out": self.left_out,
            "rows": [row.as_dict() for row in self.rows],
        }


@runtime_checkable
class Sized(Protocol):
    """What has D latents of K categories: a model, or a problem."""

    @property
    def num_latents(self) -> int:
        """D."""

    @property
    def num_categories(self) -> int:
        """K."""


def suitable_estimators(sized: Sized) -> dict[str, Estimator]:
    """Makes every estimator of the table, with its defaults, whose theory covers D × K.

    Arguments:
        sized: A model, or a problem.

    Example:
        >>> model = DiscreteVAE((6,), num_latents=2, num_categories=3, network="tutorial")
        >>> "rloo" in suitable_estimators(model), "disarm" in suitable_estimators(model)
        (True, False)
    """
    suitable = {}
    for name, make in ESTIMATORS.items():
        with contextlib.suppress(ValueError):
            require_suitable(make(), sized)
            suitable[name] = make()
    return suitable


def require_suitable(estimator: Estimator, sized: Sized) -> None:
    """Refuses an estimator whose theory does not cover D × K.

    Raises:
        ValueError: As the estimator has it.
    """
    if isinstance(estimator, Exact):
        require_enumerable(*_sizes(sized), estimator.budget)
    else:
        copy.deepcopy(estimator)(_total, torch.zeros(1, *_sizes(sized)))


def _total(z: Float[Tensor, "S *B D K"]) -> Float[Tensor, "S *B"]:
    return z.sum((-2, -1))


def measure_gradients(
    model: DiscreteVAE,
    x: Float[Tensor, "B *shape"],
    estimators: Mapping[str, Estimator] | None = None,
    replicates: int = 1000,
    fit_steps: int = 200,
    truth_replicates: int = 20_000,
    seed: int = 0,
    progress: Progress = lambda steps, what: steps,
    watch: Callable[[GradientReport], None] = lambda report: None,
) -> GradientReport:
    r"""Measures the gradient of E_q[log p(x|z)] for the logits of q(z|x), example by example.

    The true gradient is enumerated where K^D fits, else the mean of a long run of RLOO, whose own
    error is stated and taken off the bias and the error of the others. Estimators that learn
    first do so for `fit_steps` calls on this batch, as many at the model as it stands; while the
    replicates are drawn they learn nothing, so that these are independent. The KL has a closed
    form, the same for all, and is left out.

    Arguments:
        model: The model; its weights and mode are left as they are.
        x: The batch.
        estimators: Name → estimator; by default all that suit the model.
        replicates: Independent estimates of each, at least 40.
        fit_steps: Calls in which estimators that learn do so.
        truth_replicates: Of the long run, each of 16 samples.
        seed: Of everything random.
        progress: Wraps the chunks of each step, for a progress bar.
        watch: Is given the report after each estimator, so that an interruption loses the one at
            hand only.

    Returns:
        A row for each estimator, with what they were compared with.

    Raises:
        ValueError: If `replicates` is below 40, the batch is empty, or an estimator does not suit
            the model.

    Example:
        >>> model = DiscreteVAE((6,), num_latents=2, num_categories=3, network="tutorial")
        >>> x = torch.bernoulli(torch.full((4, 6), 0.5))
        >>> estimators = {"rloo": RLOO(), "reinmax": ESTIMATORS["reinmax"]()}
        >>> report = measure_gradients(model, x, estimators, replicates=100)
        >>> [row.estimator for row in report], report.truth
        (['rloo', 'reinmax'], 'enumeration')
    """
    problem = ModelProblem(model, x)
    bench = _Bench(problem, seed, progress, watch)
    return bench.run(estimators, replicates, fit_steps, truth_replicates)


def measure_gradients_of(
    problem: Problem,
    estimators: Mapping[str, Estimator] | None = None,
    replicates: int = 1000,
    fit_steps: int = 200,
    truth_replicates: int = 20_000,
    seed: int = 0,
    progress: Progress = lambda steps, what: steps,
    watch: Callable[[GradientReport], None] = lambda report: None,
) -> GradientReport:
    """Measures the gradient of any E_q[f(z)], as :func:`measure_gradients` does a model's.

    Arguments:
        problem: Such as :class:`~discretevae.studies.laboratory.OwnProblem`, f and logits.
        estimators: Name → estimator; by default all that suit D, K and f.
        replicates: Independent estimates of each, at least 40.
        fit_steps: Calls in which estimators that learn do so.
        truth_replicates: Of the long run, each of 16 samples.
        seed: Of everything random.
        progress: Wraps the chunks of each step, for a progress bar.
        watch: Is given the report after each estimator.

    Returns:
        A row for each estimator, with what they were compared with.

    Raises:
        ValueError: If `replicates` is below 40, or an estimator does not suit D, K or f.

    Example:
        >>> from discretevae.studies.laboratory import OwnProblem
        >>> problem = OwnProblem(lambda z: z[..., 0].sum(-1).square(), torch.zeros(2, 3))
        >>> report = measure_gradients_of(problem, {"rloo": RLOO()}, replicates=100)
        >>> report[0].estimator, report.examples, report.truth
        ('rloo', 1, 'enumeration')
    """
    bench = _Bench(problem, seed, progress, watch)
    return bench.run(estimators, replicates, fit_steps, truth_replicates)


class _Bench:
    """One problem, with its true gradient, on which estimators are measured."""

    def __init__(
        self,
        problem: Problem,
        seed: int,
        progress: Progress,
        watch: Callable[[GradientReport], None],
    ) -> None:
        self.problem, self.seed, self.progress, self.watch = problem, seed, progress, watch
        self.logits = problem.logits
        self.timed = next(problem.parts(TIMED))

    def run(
        self,
        wanted: Mapping[str, Estimator] | None,
        replicates: int,
        fit_steps: int,
        truth_replicates: int,
    ) -> GradientReport:
        if replicates < 2 * GROUPS:
            raise ValueError(f"`replicates` must be at least {2 * GROUPS}, got {replicates}.")
        estimators, left_out = self._estimators(wanted)
        for name, estimator in estimators.items():
            self._fit(name, estimator, fit_steps)
        seconds = self._time(estimators)
        truth = self._truth(truth_replicates)
        examples = len(self.logits)
        report = GradientReport(
            of=self.problem.of,
            unit=self.problem.unit,
            truth="enumeration" if self.problem.enumerable else "RLOO",
            truth_relative_error=truth.relative_error,
            gradient_norm=math.sqrt(truth.square / examples),
            examples=examples,
            left_out=left_out,
        )
        for name, estimator in estimators.items():
            moments = Moments(truth)
            for group, gradients in self._replicates(name, estimator, replicates):
                moments.add(gradients, group)
            report.rows.append(self._row(name, estimator, moments, seconds[name]))
            self.watch(report)
        return report

    def _estimators(
        self, wanted: Mapping[str, Estimator] | None
    ) -> tuple[dict[str, Estimator], list[str]]:
        """Gives the estimators that are measured, and the names of those that f does not suit."""
        if wanted is None:
            offered = suitable_estimators(self.problem)
            found = self.problem.suitable(offered)
            return found, [name for name in offered if name not in found]
        for estimator in wanted.values():
            require_suitable(estimator, self.problem)
            self.problem.require(estimator)
        return dict(copy.deepcopy(wanted)), []

    def _row(
        self, name: str, estimator: Estimator, moments: Moments, seconds: float
    ) -> GradientRow:
        error = moments.mean_squared_error
        square = moments.truth.square / len(self.logits)
        return GradientRow(
            estimator=name,
            claims_unbiased=estimator.unbiased,
            replicates=moments.replicates,
            relative_bias=moments.relative_bias,
            variance=moments.variance,
            mean_squared_error=error,
            relative_error=math.sqrt(error / square) if square else math.inf,
            cosine=moments.cosine,
            seconds=seconds,
            evaluations=estimator.evaluations(*_sizes(self.problem)),
        )

    def _fit(self, name: str, estimator: Estimator, steps: int) -> None:
        """Lets what learns do so, then holds it still."""
        if not estimator.learns:
            return
        _in_mode(estimator, training=True)
        f, draws = self.problem.f(self.timed), self._generator("fit", name)
        for _ in self.progress(range(steps), f"{name} learns"):
            estimator(f, self.logits[self.timed].clone().requires_grad_(), draws)

    def _time(self, estimators: Mapping[str, Estimator]) -> dict[str, float]:
        """Times them in turns, so that what slows the machine slows all."""
        seconds: dict[str, list[float]] = {name: [] for name in estimators}
        for _ in self.progress(range(ROUNDS), "seconds of one estimate"):
            for name, estimator in estimators.items():
                start = time.perf_counter()
                self._estimate_as_in_training(estimator, self._generator("time", name))
                seconds[name].append(time.perf_counter() - start)
        for estimator in estimators.values():
            _in_mode(estimator, training=False)
        return {name: statistics.median(times[1:]) for name, times in seconds.items()}

    def _estimate_as_in_training(self, estimator: Estimator, draws: torch.Generator) -> None:
        logits = self.logits[self.timed].clone().requires_grad_()
        value = estimator(self.problem.f(self.timed), logits, draws).sum()
        torch.autograd.grad(value, [logits, *self.problem.parameters])
        if logits.is_cuda:
            torch.cuda.synchronize(logits.device)

    def _truth(self, replicates: int) -> Truth:
        if self.problem.enumerable:
            return Truth(self._gradient(Exact(), (), TIMED, None).double())
        zero = Truth(torch.zeros_like(self.logits, dtype=torch.float64))
        moments = Moments(zero)
        for group, gradients in self._replicates("truth", RLOO(TRUTH_SAMPLES), replicates):
            moments.add(gradients, group)
        mean = sum(moments.sums[1:], moments.sums[0]) / moments.replicates
        return Truth(mean, moments.variance * len(mean) / moments.replicates)

    def _replicates(
        self, name: str, estimator: Estimator, count: int
    ) -> Iterator[tuple[int, Tensor]]:
        """Draws independent estimates, so many at a time, group after group."""
        if isinstance(estimator, Exact):  # all alike
            gradient = self._gradient(estimator, (), TIMED, None)
            yield from ((group, gradient.expand(2, *gradient.shape)) for group in range(GROUPS))
            return
        draws = self._generator("replicates", name)
        examples = max(1, ROWS // estimator.evaluations(*_sizes(self.problem)))
        most = max(1, examples // len(self.logits))
        sizes = [
            (group, min(most, size - start))
            for group, size in enumerate(_shares(count, GROUPS))
            for start in range(0, size, most)
        ]
        for step in self.progress(range(len(sizes)), name):
            group, size = sizes[step]
            yield group, self._gradient(estimator, (size,), examples, draws)

    def _gradient(
        self,
        estimator: Estimator,
        replicates: tuple[int, ...],
        examples: int,
        draws: torch.Generator | None,
    ) -> Tensor:
        """Gives the gradients of so many replicates, of so many examples at a time."""
        parts: list[Tensor] = []
        for part in self.problem.parts(examples):
            logits = self.logits[part]
            leaf = logits.expand(*replicates, *logits.shape).clone().requires_grad_()
            value = estimator(self.problem.f(part), leaf, draws)
            parts += torch.autograd.grad(value.sum(), leaf)
        return torch.cat(parts, -3)

    def _generator(self, purpose: str, name: str) -> torch.Generator:
        return generator("gradients", purpose, name, self.seed, device=self.logits.device)


def _in_mode(estimator: Estimator, training: bool) -> None:
    """Has an estimator learn, or hold still; others do neither."""
    if isinstance(estimator, nn.Module):
        estimator.train(training)


def _shares(count: int, parts: int) -> list[int]:
    """Splits a count as evenly as it goes.

    Example:
        >>> _shares(10, 4)
        [3, 3, 2, 2]
    """
    return [count // parts + (part < count % parts) for part in range(parts)]


def _sizes(sized: Sized) -> tuple[int, int]:
    return sized.num_latents, sized.num_categories
