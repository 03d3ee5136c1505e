"""Problems of one's own: f and logits, from Python and from a file."""

import math
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
import torch
from torch import Tensor

from discretevae.estimators import ESTIMATORS, RLOO, Estimator, Exact, ReinMax, StraightThrough
from discretevae.studies.laboratory import (
    GradientReport,
    OwnProblem,
    measure_gradients_of,
    read_problem,
)

B, D, K = 3, 2, 3
WEIGHTS = torch.arange(B * D * K, dtype=torch.float64).sin().view(B, D, K)


def logits() -> Tensor:
    return torch.randn(B, D, K, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def smooth(z: Tensor) -> Tensor:
    """Knows its batch: row b has weights of its own."""
    return ((z * WEIGHTS.to(z.dtype)).sum((-2, -1)) - 1).square()


def black_box(z: Tensor) -> Tensor:
    return (z.argmax(-1).sum(-1) == 2).to(z.dtype)


def moments_by_hand() -> tuple[float, float]:
    """Relative bias and variance of straight-through, by the sum over all codes."""
    leaf = logits().requires_grad_()
    (exact,) = torch.autograd.grad(Exact()(smooth, leaf).sum(), leaf)
    p = logits().softmax(-1)
    mean, square = torch.zeros_like(exact), 0.0
    for code in product(range(K), repeat=D):
        z = torch.eye(K, dtype=torch.float64)[list(code)].expand(B, D, K).clone().requires_grad_()
        (v,) = torch.autograd.grad(smooth(z[None]).sum(), z)
        g = p * (v - (p * v).sum(-1, keepdim=True))
        q = (p * z.detach()).sum(-1).prod(-1)[:, None, None]
        mean = mean + q * g
        square += float((q * (g - exact).square()).sum())
    bias = float((mean - exact).square().sum())
    return math.sqrt(bias / float(exact.square().sum())), (square - bias) / B


def measured(problem: OwnProblem, **estimators: Estimator) -> GradientReport:
    return measure_gradients_of(problem, estimators or None, replicates=5_000, fit_steps=0)


def test_bias_and_variance_are_those_of_enumeration() -> None:
    """10 % is more than three standard errors at 5,000 replicates; the seed is fixed."""
    relative, variance = moments_by_hand()
    report = measured(OwnProblem(smooth, logits()), st=StraightThrough(), rloo=RLOO())
    biased, unbiased = report
    assert report.truth == "enumeration"
    assert report.examples == B
    assert relative > 0.1
    assert biased.relative_bias.value == pytest.approx(relative, rel=0.1)
    assert biased.variance == pytest.approx(variance, rel=0.1)
    assert unbiased.relative_bias.low == 0


@pytest.mark.parametrize("batch", [(), (B,), (1, B)])
def test_f_sees_its_own_batch(batch: tuple[int, ...]) -> None:
    """However many replicates are drawn at once."""
    seen: set[tuple[int, ...]] = set()

    def f(z: Tensor) -> Tensor:
        seen.add(tuple(z.shape[1:]))
        return z[..., 0].sum(-1)

    problem = OwnProblem(f, torch.zeros(*batch, D, K))
    report = measure_gradients_of(problem, {"rloo": RLOO()}, replicates=40)
    assert seen == {(*batch, D, K)}
    assert report.examples == math.prod(batch)


def test_a_black_box_is_measured_by_those_that_ask_for_values() -> None:
    problem = OwnProblem(black_box, logits())
    report = measure_gradients_of(problem, replicates=40, fit_steps=2)
    names = [row.estimator for row in report]
    assert {"exact", "rloo", "nvil", "top-k"} <= set(names)
    assert not any(ESTIMATORS[name].needs_gradient_of_f for name in names)
    assert {"reinmax", "gumbel-softmax", "relax"} <= set(report.left_out)
    with pytest.raises(ValueError, match="`f` must be differentiable in z for ReinMax"):
        measure_gradients_of(problem, {"reinmax": ReinMax()})


def test_one_that_takes_codes_alone_is_left_to_those_that_show_it_codes() -> None:
    def f(z: Tensor) -> Tensor:
        assert ((z == 0) | (z == 1)).all()
        return smooth(z)

    report = measure_gradients_of(OwnProblem(f, logits()), replicates=40, fit_steps=2)
    assert "gumbel-softmax" in report.left_out
    assert "reinmax" in [row.estimator for row in report]


def test_a_long_run_stands_in_where_nothing_can_be_enumerated() -> None:
    problem = OwnProblem(lambda z: z[..., 0].sum(-1).square(), torch.zeros(1, 16, 4))
    report = measure_gradients_of(problem, {"rloo": RLOO()}, 100, truth_replicates=400)
    assert report.truth == "RLOO"
    assert report.truth_relative_error > 0


@pytest.mark.parametrize(
    ("f", "values", "message"),
    [
        (smooth, torch.zeros(3), r"`logits` must be a tensor .* \(\*B, D, K\), got \(3,\)"),
        (smooth, torch.zeros(2, 3, dtype=torch.int64), "`logits` must be a tensor of floating"),
        (smooth, torch.full((2, 3), torch.nan), "`logits` must be finite"),
        (smooth, torch.zeros(0, 2, 3), "`logits` must hold an example"),
        (smooth, torch.zeros(2, 1), "`num_categories` at least 2"),
        (lambda z: z, torch.zeros(2, 3), r"`f` must return \(2,\), got \(2, 2, 3\)"),
        (lambda z: 1.0, torch.zeros(2, 3), "`f` must return a tensor .* got float"),
        (lambda z: z.argmax(-1).sum(-1), torch.zeros(2, 3), "numbers, got torch.int64"),
        (lambda z: z[..., 7, 0], torch.zeros(2, 3), r"`f` must take codes .* got IndexError"),
        (lambda z: z.sum((-2, -1)) / 0, torch.zeros(2, 3), "`f` must be finite at every code"),
    ],
)
def test_refusals(f: Callable[[Tensor], Tensor], values: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OwnProblem(f, values)


GOOD = "import torch\nlogits = torch.zeros(2, 3)\ndef f(z):\n    return z[..., 0].sum(-1)\n"


def test_a_file_is_run_with_what_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "beside_it.py").write_text("FACTOR = 2.0\n")
    path = tmp_path / "problem.py"
    path.write_text(f"from beside_it import FACTOR\n{GOOD}    \n")
    problem = read_problem(path)
    assert problem.logits.shape == (1, 2, 3)
    assert problem.differentiable


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(z: return 1", "`file` must run, got SyntaxError in line 1"),
        (f"{GOOD}1 / 0\n", "`file` must run, got ZeroDivisionError in line 5: division by zero"),
        ("raise SystemExit(3)", "`file` must run, got SystemExit in line 1: 3"),
        ("import no_such_module", "ModuleNotFoundError in line 1"),
        ("def f(z):\n    return z\n", "`file` must define `logits`, got none in"),
        ("logits = 1", "`file` must define `f`, got none in"),
        ("f = logits = 1", "`f` must be a function of codes, got int"),
        ("f, logits = print, [0.0, 1.0]", "`logits` must be a tensor, got list"),
    ],
)
def test_a_bad_file_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "problem.py"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_problem(path)


def test_the_path_of_python_is_left_as_it_was(tmp_path: Path) -> None:
    import sys

    before = [*sys.path]
    path = tmp_path / "problem.py"
    path.write_text("1 / 0")
    with pytest.raises(ValueError, match="must run"):
        read_problem(path)
    assert sys.path == before
