"""What the laboratory says of estimators, against enumeration."""

import copy
import itertools
import math

import pytest
import torch
from torch import Tensor

from discretevae.estimators import (
    RLOO,
    DoubleCV,
    Estimator,
    Exact,
    LocalExpectation,
    StraightThrough,
)
from discretevae.models import DiscreteVAE
from discretevae.models.coded import LogLikelihood
from discretevae.networks import MLP
from discretevae.studies.laboratory import GradientReport, measure_gradients, suitable_estimators

PIXELS, D, K = 6, 2, 3


def small_model(num_latents: int = D, num_categories: int = K) -> DiscreteVAE:
    torch.manual_seed(3)
    model = DiscreteVAE((PIXELS,), num_latents, num_categories, MLP((8,)))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    return model


def batch(count: int = 4) -> Tensor:
    return torch.bernoulli(torch.full((count, PIXELS), 0.5))


def last(
    model: DiscreteVAE, x: Tensor, estimators: dict[str, Estimator], **options: int
) -> GradientReport:
    return measure_gradients(model, x, estimators, **options)


def straight_through_by_hand(model: DiscreteVAE, x: Tensor) -> tuple[float, float, float]:
    """Relative bias, variance and mean squared error, by the sum over all codes."""
    logits = model.logits(x).detach().double()
    model = copy.deepcopy(model).double()
    p = logits.softmax(-1)
    f = LogLikelihood(model, x.double())
    exact_logits = logits.clone().requires_grad_()
    (exact,) = torch.autograd.grad(Exact()(f, exact_logits).sum(), exact_logits)
    mean, square = torch.zeros_like(exact), 0.0
    for code in itertools.product(range(K), repeat=D):
        z = torch.eye(K, dtype=torch.float64)[list(code)].expand(len(x), D, K).clone()
        z.requires_grad_()
        (v,) = torch.autograd.grad(f(z[None]).sum(), z)
        g = p * (v - (p * v).sum(-1, keepdim=True))
        q = (p * z.detach()).sum(-1).prod(-1)
        mean = mean + q[:, None, None] * g
        square += float((q * (g - exact).square().sum((-2, -1))).sum())
    bias = float((mean - exact).square().sum())
    relative = math.sqrt(bias / float(exact.square().sum()))
    return relative, (square - bias) / len(x), square / len(x)


def test_a_biased_estimator_is_measured_as_enumeration_has_it() -> None:
    """10 % is more than five standard errors of the variance at 20,000 replicates."""
    model, x = small_model(), batch()
    relative, variance, error = straight_through_by_hand(model, x)
    row = last(model, x, {"straight-through": StraightThrough()}, replicates=20_000).rows[0]
    assert relative > 0.1
    assert row.relative_bias.low * 0.9 <= relative <= row.relative_bias.high * 1.1
    assert row.relative_bias.value == pytest.approx(relative, rel=0.1)
    assert row.variance == pytest.approx(variance, rel=0.1)
    assert row.mean_squared_error == pytest.approx(error, rel=0.1)
    assert row.evaluations == 1


def test_an_exact_gradient_has_no_error() -> None:
    row = last(small_model(), batch(), {"exact": Exact()}).rows[0]
    assert row.relative_bias.high < 1e-5
    assert row.variance < 1e-10
    assert row.cosine == pytest.approx(1, abs=1e-5)
    assert row.evaluations == K**D


def test_a_long_run_stands_in_where_nothing_can_be_enumerated() -> None:
    """An unbiased estimator's 95 % interval starts at 0: here with a fixed seed."""
    model, x = small_model(11, 4), batch(2)
    estimators: dict[str, Estimator] = {"local": LocalExpectation(), "st": StraightThrough()}
    report = last(model, x, estimators, replicates=200, truth_replicates=4_000)
    local, biased = report.rows
    assert report.truth == "RLOO"
    assert 0 < report.truth_relative_error < 0.1
    assert local.relative_bias.low == 0
    assert biased.relative_bias.low > 0.05


def test_the_same_seed_gives_the_same_figures_whatever_the_chunks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, x = small_model(), batch()
    reports = []
    for rows in (4096, 4096, 16):
        monkeypatch.setattr("discretevae.studies.laboratory.gradients.ROWS", rows)
        reports.append(last(model, x, {"rloo": RLOO()}, replicates=2_000).rows[0])
    first, again, chunked = reports
    assert first.variance == again.variance
    assert chunked.variance == pytest.approx(first.variance, rel=0.2)


def test_a_chunk_of_rows_bounds_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []
    call = LogLikelihood.__call__

    def counted(self: LogLikelihood, z: Tensor) -> Tensor:
        rows.append(z[..., 0, 0].numel())
        return call(self, z)

    monkeypatch.setattr(LogLikelihood, "__call__", counted)
    monkeypatch.setattr("discretevae.studies.laboratory.gradients.ROWS", 100)
    last(small_model(), batch(), {"rloo": RLOO()}, replicates=400)
    assert max(rows) <= 100


def test_an_interruption_keeps_what_was_measured() -> None:
    def interrupted(steps: range, what: str) -> range:
        if what == "reinforce":
            raise KeyboardInterrupt
        return steps

    estimators: dict[str, Estimator] = {
        "rloo": RLOO(),
        "reinforce": StraightThrough(),  # has nothing to learn, and so no earlier step
    }
    seen: list[GradientReport] = []
    with pytest.raises(KeyboardInterrupt):
        measure_gradients(
            small_model(), batch(), estimators, 100, progress=interrupted, watch=seen.append
        )
    (report,) = seen
    assert [row.estimator for row in report] == ["rloo"]


def test_a_report_is_a_list_of_its_rows() -> None:
    report = last(small_model(), batch(), {"exact": Exact(), "rloo": RLOO()}, replicates=40)
    assert len(report) == 2
    assert [row.estimator for row in report] == ["exact", "rloo"]
    assert report[0] is report.rows[0]
    assert report[-1:] == report.rows[1:]
    assert report.of == "log p(x|z)"


def test_model_and_estimators_are_left_as_they_were() -> None:
    model, x = small_model(), batch()
    learning = DoubleCV()
    before = copy.deepcopy(model.state_dict())
    last(model, x, {"double-cv": learning}, replicates=100)
    assert learning.training
    assert float(learning.square) == 0
    assert all(parameter.grad is None for parameter in model.parameters())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_only_what_suits_the_sizes_is_offered() -> None:
    binary, large = suitable_estimators(small_model(3, 2)), suitable_estimators(small_model(20, 32))
    assert {"disarm", "arm", "darn", "exact"} <= binary.keys()
    assert not {"disarm", "arm", "darn", "exact", "carms"} & large.keys()
    assert "rloo" in large


def test_refusals() -> None:
    model, x = small_model(), batch()
    with pytest.raises(ValueError, match="`replicates` must be at least 40, got 39"):
        measure_gradients(model, x, replicates=39)
    with pytest.raises(ValueError, match="`x` must hold at least one example"):
        measure_gradients(model, x[:0])
    with pytest.raises(ValueError, match=r"12\^11|65536"):
        measure_gradients(small_model(11, 12), x, {"exact": Exact()})
