"""log Z from both sides, against sums over every code of one side."""

from statistics import NormalDist

import pytest
import torch
from torch import Tensor

from discretevae.latents import enumerate_codes, to_one_hot
from discretevae.priors.annealing import Forward, anneal, known_codes, log_mean_exp, sandwich
from discretevae.priors.bipartite import BipartiteMachine
from discretevae.priors.holder import holder_bound

QUANTILE = NormalDist().inv_cdf(1 - 1e-6 / 2)


def random_machine(size: int, categories: int, scale: float, seed: int = 0) -> BipartiteMachine:
    generator = torch.Generator().manual_seed(seed)
    shapes = (size, categories), (size, categories), (size, categories, size, categories)
    parts = [scale * torch.randn(*s, dtype=torch.float64, generator=generator) for s in shapes]
    return BipartiteMachine(*parts)


def planted(size: int, strength: float, bias: float, seed: int = 0) -> BipartiteMachine:
    """One code of 2^(2 · size) that all others see as unlikely, until all its latents agree."""
    code = torch.randint(2, (2 * size,), generator=torch.Generator().manual_seed(seed))
    a, b = to_one_hot(code, 2, torch.float64).split(size)
    return BipartiteMachine(-bias * a, -bias * b, strength * torch.einsum("ak,bl->akbl", a, b))


def potts(size: int, categories: int, strength: float) -> BipartiteMachine:
    """Classes that agree, in a transition of the first order: modes that are broad."""
    eye = torch.eye(categories, dtype=torch.float64)
    weight = strength * eye[None, :, None, :].expand(size, -1, size, -1)
    return BipartiteMachine(*(torch.zeros(size, categories, dtype=torch.float64),) * 2, weight)


def all_b(machine: BipartiteMachine) -> Tensor:
    size, categories = machine.bias_b.shape
    return to_one_hot(enumerate_codes(size, categories), categories, torch.float64)


def exact(machine: BipartiteMachine) -> float:
    return float(machine.log_marginal(all_b(machine)).logsumexp(0))


def draws(machine: BipartiteMachine, count: int, generator: torch.Generator) -> Tensor:
    b = all_b(machine)
    return b[machine.log_marginal(b).softmax(0).multinomial(count, True, generator=generator)]


def no_starts(machine: BipartiteMachine) -> Tensor:
    return torch.zeros(0, *machine.bias_b.shape, dtype=torch.float64)


@pytest.mark.parametrize("back", [False, True])
def test_mean_weights_are_exact_however_short_the_annealing(back: bool) -> None:
    """20,000 chains at two temperatures; fails once in 10^6 runs, an error of 0.1 is seen."""
    machine, generator = random_machine(3, 2, 0.7), torch.Generator().manual_seed(0)
    truth = exact(machine) - float(machine.log_sum_uncoupled())
    start = (
        draws(machine, 20_000, generator) if back else machine.sample_uncoupled(20_000, generator)
    )
    path = [0.0, 0.5, 1.0]
    log_w, _ = anneal(machine, start, path[::-1] if back else path, generator)
    ratio = (log_w + (truth if back else -truth)).exp()
    bound = QUANTILE * ratio.std() / len(ratio) ** 0.5
    assert bound < 0.1
    assert (ratio.mean() - 1).abs() < bound
    logs, _ = log_mean_exp((ratio.log()).view(400, 50))
    estimates = -logs if back else logs  # of log Z, less log Z: from above, and from below
    assert (estimates.mean() > 0) == back
    wrong = (log_w + (-truth if back else truth)).exp()  # the other sign is caught
    assert (wrong.mean() - 1).abs() > QUANTILE * wrong.std() / len(wrong) ** 0.5


def test_both_standard_errors_are_those_of_repeated_estimates() -> None:
    """The ratio of two variances of 40 estimates lies in [0.35, 2.5] but once in 10^4 runs."""
    machine, generator = random_machine(10, 2, 1.0), torch.Generator().manual_seed(0)
    known = known_codes(machine, no_starts(machine), generator)[:1]
    found = [Forward(machine, known, 100, 50, generator) for _ in range(40)]
    log_z, se = (
        torch.stack(column) for column in zip(*((f.log_z, f.se) for f in found), strict=True)
    )
    assert 0.35 < log_z.var() / se.square().mean() < 2.5
    start = draws(machine, 4000, generator)
    log_w, _ = anneal(machine, start, torch.linspace(1, 0, 51).tolist(), generator)
    log_z, se = log_mean_exp(log_w.view(40, 100))
    assert 0.35 < log_z.var() / se.square().mean() < 2.5


@pytest.mark.parametrize("seed", range(3))
def test_the_ends_meet_about_log_z_where_annealing_works(seed: int) -> None:
    """Each end is off by chance once in 10^6 runs; an error of 0.3 nats does not pass."""
    machine, generator = random_machine(10, 2, 1.0, seed), torch.Generator().manual_seed(seed)
    truth, found = exact(machine), sandwich(machine, no_starts(machine), 500, 200, generator)
    assert max(found.lower_se, found.upper_se) < 0.06
    assert not found.disagree
    assert abs(found.lower - truth) < QUANTILE * found.lower_se + 0.01  # the known part's rest
    assert truth - QUANTILE * found.upper_se < found.upper < truth + 0.3


@pytest.mark.parametrize(("strength", "bias"), [(1.0, 4.0), (2.0, 8.0), (3.0, 15.0)])
def test_one_dominant_code_is_never_missed(strength: float, bias: float) -> None:
    """Annealing alone is nats too low with a small error: the search finds what it does not."""
    machine, generator = planted(12, strength, bias), torch.Generator().manual_seed(0)
    truth = exact(machine)
    alone, _ = anneal(machine, machine.sample_uncoupled(128, generator), [0.0, 0.5, 1.0], generator)
    assert float(machine.log_sum_uncoupled() + log_mean_exp(alone)[0]) < truth - 5
    found = sandwich(machine, no_starts(machine), 128, 100, generator)
    assert found.lower == pytest.approx(truth, abs=0.01)
    assert found.upper > truth - QUANTILE * found.upper_se
    assert holder_bound(machine) == pytest.approx(truth, abs=0.01)


@pytest.mark.parametrize("strength", [1.0, 1.5, 2.0, 2.5])
def test_broad_modes_are_bounded_or_said_to_be_uncertain(strength: float) -> None:
    """Potts machines whose ordered modes have entropy; a bound too low fails once in 10^6 runs."""
    machine, generator = potts(5, 8, strength), torch.Generator().manual_seed(0)
    truth, found = exact(machine), sandwich(machine, no_starts(machine), 128, 100, generator)
    assert found.upper > truth - QUANTILE * found.upper_se
    assert found.disagree or abs(found.lower - truth) < 0.5


def test_reverse_chains_from_single_codes_see_a_mode_that_the_others_miss(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a search the forward chains miss the planted code; a start on it tells."""
    machine = planted(12, 2.0, 8.0)
    truth, codes = exact(machine), all_b(machine)
    best = codes[machine.log_marginal(codes).argmax()][None]
    opposite = best.flip(-1)
    monkeypatch.setattr("discretevae.priors.annealing.known_codes", lambda *_: opposite)
    blind, told = (
        sandwich(machine, starts, 128, 100, torch.Generator().manual_seed(0))
        for starts in (no_starts(machine), best)
    )
    assert blind.upper < truth - 5  # what is not found cannot be seen
    assert told.upper > truth
    assert told.disagree


@pytest.mark.parametrize("elements", [8, 400, 10**6])
@pytest.mark.parametrize("scale", [0.01, 0.5, 2.0])
@pytest.mark.parametrize("size", [(5, 2), (4, 3)])
def test_the_bound_of_holder_is_never_below_log_z(
    elements: int, scale: float, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In blocks of one latent, of some, of all; with all it is log Z."""
    monkeypatch.setattr("discretevae.priors.holder.ELEMENTS", elements)
    for seed in range(3):
        machine = random_machine(*size, scale, seed)
        excess = holder_bound(machine) - exact(machine)
        assert excess > -1e-9
        if elements == 10**6:
            assert excess < 1e-3
        if scale == 0.01:
            assert excess < 0.02
    with torch.inference_mode():
        assert holder_bound(machine) == pytest.approx(exact(machine) + excess)
