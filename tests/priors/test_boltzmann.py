"""Small machines with random weights, whose every code is summed over here by hand."""

import math
from collections.abc import Callable
from itertools import product
from statistics import NormalDist

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from discretevae.latents import EnumerationError, categorical
from discretevae.priors import BoltzmannPrior, boltzmann, prior_from_config


@pytest.fixture(autouse=True)
def _the_budget_alone_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else machines whose log Z is known would never be estimated."""
    monkeypatch.setattr(boltzmann, "REPORTED", 1)
    monkeypatch.setattr(boltzmann, "TEMPERATURES", 200)  # enough for machines this small


few = settings(deadline=None, max_examples=20)
seeds, sizes = st.integers(0, 1000), st.tuples(st.integers(1, 4), st.integers(2, 4))


def random_prior(
    num_latents: int,
    num_categories: int,
    seed: int = 0,
    scale: float = 1.0,
    **options: int,
) -> BoltzmannPrior:
    prior = BoltzmannPrior(num_latents, num_categories, **options).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.normal_(generator=generator).mul_(scale)
    return prior


def trained(prior: BoltzmannPrior, code: Tensor) -> Tensor:
    one_hot = torch.nn.functional.one_hot(code, prior.shape[1]).to(prior.bias.dtype)
    return prior.trained_log_prob(one_hot)


def all_codes(num_latents: int, num_categories: int) -> Tensor:
    return torch.tensor(list(product(range(num_categories), repeat=num_latents)))


def log_p_by_hand(prior: BoltzmannPrior) -> Tensor:
    """The energy term by term, log Z over all K^D codes."""
    (num_latents, num_categories), first = prior.shape, math.ceil(prior.shape[0] / 2)
    scores = []
    for code in product(range(num_categories), repeat=num_latents):
        score = sum(prior.bias[d, k] for d, k in enumerate(code))
        for d in range(first):
            for e in range(first, num_latents):
                score = score + prior.weight[d, code[d], e - first, code[e]]
        scores.append(score)
    return torch.stack(scores).log_softmax(0)  # type: ignore[arg-type]


@few
@given(seeds, sizes)
def test_log_prob_is_that_of_the_formula_and_sums_to_one(seed: int, size: tuple[int, int]) -> None:
    prior, codes = random_prior(*size, seed), all_codes(*size)
    found, expected = prior.log_prob_of_codes(codes), log_p_by_hand(prior)
    assert prior.exact
    torch.testing.assert_close(found, expected)
    assert found.exp().sum().item() == pytest.approx(1)
    weights = torch.linspace(-1, 1, len(codes), dtype=torch.float64)
    parameters = list(prior.parameters())
    gradients = torch.autograd.grad((weights * found).sum(), parameters)
    truth = torch.autograd.grad((weights * expected).sum(), parameters, allow_unused=True)
    for gradient, true in zip(gradients, truth, strict=True):
        expected_gradient = torch.zeros_like(gradient) if true is None else true
        torch.testing.assert_close(gradient, expected_gradient)


def test_two_classes_make_the_usual_restricted_boltzmann_machine() -> None:
    """−E = c·v + d·h + vᵀMh of units in {0, 1}."""
    prior, codes = random_prior(5, 2, scale=0.0), all_codes(5, 2)
    c, d, m = (torch.randn(*s, dtype=torch.float64) for s in ((3,), (2,), (3, 2)))
    with torch.no_grad():
        prior.bias[:, 1] = torch.cat([c, d])
        prior.weight[:, 1, :, 1] = m
    v, h = codes[:, :3].double(), codes[:, 3:].double()
    score = v @ c + h @ d + torch.einsum("si,ij,sj->s", v, m, h)
    torch.testing.assert_close(prior.log_prob_of_codes(codes), score.log_softmax(0))


def test_the_sum_in_chunks_equals_the_sum_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    prior = random_prior(6, 3)
    parameters = list(prior.parameters())

    def log_z_and_gradients() -> tuple[Tensor, ...]:
        log_z = prior.exact_log_partition()
        return (log_z, *torch.autograd.grad(log_z, parameters))

    whole, samples = log_z_and_gradients(), prior.sample(50, torch.Generator().manual_seed(0))
    monkeypatch.setattr(boltzmann, "ELEMENTS", 36)  # four codes
    for chunked, expected in zip(log_z_and_gradients(), whole, strict=True):
        torch.testing.assert_close(chunked, expected, rtol=1e-12, atol=1e-12)
    assert torch.equal(prior.sample(50, torch.Generator().manual_seed(0)), samples)


@pytest.mark.parametrize("leading", [(), (5,), (3, 2, 4)])
@pytest.mark.parametrize("budget", [1, 2**16])
def test_any_leading_dimensions_and_points_inside_the_simplex(
    leading: tuple[int, ...], budget: int
) -> None:
    prior = random_prior(3, 4, budget=budget).eval()
    z = torch.randn(*leading, 3, 4, dtype=torch.float64).softmax(-1)
    found = prior.log_prob(z)
    assert found.shape == leading
    rows = torch.stack([prior.log_prob(row) for row in z.view(-1, 3, 4)])
    torch.testing.assert_close(found.flatten(), rows)
    one = z.view(-1, 3, 4)[0].clone().requires_grad_()
    assert torch.autograd.gradcheck(prior.log_prob, (one,))


@pytest.mark.parametrize("budget", [1, 2**16])
def test_it_is_uniform_at_first(budget: int) -> None:
    prior, codes = BoltzmannPrior(4, 3, budget=budget), all_codes(4, 3)
    assert prior.exact == (budget > 1)
    assert prior.log_prob_of_codes(codes).exp().tolist() == pytest.approx([3.0**-4] * 81)


def pooled(observed: Tensor, expected: Tensor) -> list[Tensor]:
    """Codes expected fewer than twenty times count as one, with the commonest."""
    rare = expected < 20
    rare[expected.argmax()] = True
    return [torch.cat([t[~rare], t[rare].sum()[None]]).numpy() for t in (observed, expected)]


@pytest.mark.parametrize("size", [(1, 3), (3, 3), (4, 2)])
@pytest.mark.parametrize("budget", [1, 2**16])
def test_samples_have_the_right_joint_frequencies(
    size: tuple[int, int], budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chi-square over all codes; each fails by chance once in 10^6 runs."""
    monkeypatch.setattr(boltzmann, "SWEEPS", 40)  # enough for codes this small
    prior = random_prior(*size, budget=budget)
    codes = prior.sample(20_000, torch.Generator().manual_seed(0))
    place = size[1] ** torch.arange(size[0] - 1, -1, -1)
    observed = (codes @ place).bincount(minlength=size[1] ** size[0])
    expected = 20_000 * log_p_by_hand(prior).exp().detach()
    assert codes.dtype == torch.int64
    assert stats.chisquare(*pooled(observed, expected)).pvalue > 1e-6
    if size[0] > 1:  # the same without the coupling is told apart
        with torch.no_grad():
            prior.weight.zero_()
        uncoupled = 20_000 * log_p_by_hand(prior).exp().detach()
        assert stats.chisquare(*pooled(observed, uncoupled)).pvalue < 1e-6


@pytest.mark.parametrize("budget", [1, 2**16])
def test_a_generator_decides_samples_and_estimates(budget: int) -> None:
    prior = random_prior(4, 3, budget=budget)
    for draw in (
        lambda generator: prior.sample(20, generator),
        lambda generator: torch.stack(prior.estimate_log_partition(8, 5, generator)),
    ):
        first, again = (draw(torch.Generator().manual_seed(3)) for _ in range(2))
        assert torch.equal(first, again)


def coupled(seed: int = 0) -> BoltzmannPrior:
    """Ten latents of each side, far from independent."""
    return random_prior(20, 2, seed, budget=1)


def far_off(estimate: tuple[Tensor, Tensor], exact: Tensor, false_alarm: float = 1e-6) -> bool:
    quantile = NormalDist().inv_cdf(1 - false_alarm / 2)
    return bool((estimate[0] - exact).abs() > quantile * estimate[1])


def test_annealed_importance_sampling_is_within_its_error() -> None:
    """Three machines, each off by chance once in 10^6 runs; an error of 0.3 nats does not pass."""
    for seed in range(3):
        prior, generator = coupled(seed), torch.Generator().manual_seed(seed)
        exact = prior.exact_log_partition()
        estimate = prior.estimate_log_partition(500, 200, generator)
        assert estimate[1] < 0.03
        assert not far_off(estimate, exact)
        assert far_off((estimate[0] + 0.3, estimate[1]), exact)
        assert torch.equal(prior.log_partition, estimate[0])
        assert torch.equal(prior.log_partition_se, estimate[1])


def test_a_wrong_sign_is_caught() -> None:
    """The weights of the annealing in the other direction: log Z far off, its error small."""
    prior, generator = coupled(), torch.Generator().manual_seed(0)
    log_z, se = prior.estimate_log_partition(500, 200, generator)
    at_zero = prior.bias.logsumexp(-1).sum()
    assert far_off((2 * at_zero - log_z, se), prior.exact_log_partition())


def test_the_negative_phase_of_long_chains_is_unbiased() -> None:
    """Independent chains; it fails once in 10^6 runs, and without moves it would be seen."""
    prior = random_prior(6, 2, chains=5000, steps=30, budget=1)
    parameters = list(prior.parameters())
    codes = all_codes(6, 2)
    truth = torch.autograd.grad(log_p_by_hand(prior)[5], parameters)

    def off() -> bool:
        gradients = torch.autograd.grad(trained(prior, codes[5]), parameters)
        p = log_p_by_hand(prior).exp().detach()
        z = torch.nn.functional.one_hot(codes, 2).double()
        moments = (
            torch.einsum("s,sdk->dk", p, z),
            torch.einsum("s,sak,sbl->akbl", p, z[:, :3], z[:, 3:]),
        )
        quantile = NormalDist().inv_cdf(1 - 1e-6 / 2 / sum(t.numel() for t in truth))
        return any(
            bool(((g - t).abs() > quantile * (m * (1 - m) / 5000).sqrt()).any())
            for g, t, m in zip(gradients, truth, moments, strict=True)
        )

    assert not off()
    prior.eval()  # chains stand still
    prior.chain_codes.copy_(torch.randint(2, prior.chain_codes.shape))
    assert off()


def test_the_value_is_that_of_the_estimate_whatever_the_chains() -> None:
    prior, codes = random_prior(6, 2, budget=1), all_codes(6, 2)
    log_z, _ = prior.estimate_log_partition(generator=torch.Generator().manual_seed(0))
    z = torch.nn.functional.one_hot(codes, 2).double()
    for mode in (True, False):
        prior.train(mode)
        torch.testing.assert_close(prior.log_prob(z), prior.negative_energy(z) - log_z)


def test_chains_move_with_each_gradient_in_training_and_never_else() -> None:
    prior, code = random_prior(6, 2, budget=1), torch.zeros(6, dtype=torch.int64)

    def moved(log_prob: Callable[..., Tensor] = trained) -> bool:
        before = prior.chain_codes.clone()
        log_prob(prior, code)
        return not torch.equal(prior.chain_codes, before)

    random = torch.get_rng_state()
    assert moved()
    assert moved()
    assert not moved(BoltzmannPrior.log_prob_of_codes)
    with torch.no_grad():
        assert not moved()
    prior.eval()
    assert not moved()
    prior.train().requires_grad_(False)
    assert not moved()
    assert torch.equal(random, torch.get_rng_state())


def test_two_evaluations_before_one_backward_pass() -> None:
    prior, code = random_prior(6, 2, budget=1), torch.zeros(6, dtype=torch.int64)
    (trained(prior, code) + trained(prior, code)).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in prior.parameters())


def test_training_goes_on_where_it_was_saved() -> None:
    def step(prior: BoltzmannPrior) -> None:
        loss = -trained(prior, torch.zeros(6, dtype=torch.int64))
        for p, g in zip(
            prior.parameters(), torch.autograd.grad(loss, [*prior.parameters()]), strict=True
        ):
            p.data -= 0.1 * g

    through, stopped = BoltzmannPrior(6, 2, budget=1), BoltzmannPrior(6, 2, budget=1)
    for _ in range(3):
        step(through)
    stopped.load_state_dict(through.state_dict())
    for prior in (through, stopped):
        step(prior)
    state = stopped.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in through.state_dict().items())


@pytest.mark.parametrize("training", [True, False])
def test_the_estimate_is_renewed_when_weights_have_changed_and_never_to_train(
    training: bool,
) -> None:
    prior, code = random_prior(8, 2, scale=0.3, budget=1), torch.zeros(8, dtype=torch.int64)
    first = float(prior.log_partition)  # that of W = 0
    assert first == pytest.approx(8 * math.log(2))
    trained(prior, code)
    assert float(prior.log_partition) == first
    prior.train(training).log_prob_of_codes(code)
    renewed = float(prior.log_partition)
    assert renewed == pytest.approx(prior.exact_log_partition().item(), abs=0.05)
    prior.estimate_log_partition(1000, 100)
    kept = float(prior.log_partition)
    assert kept != renewed
    prior.log_prob_of_codes(code)
    assert float(prior.log_partition) == kept  # the user's own
    with torch.no_grad():
        prior.weight[0, 0, 0, 0] += 1e-6
    prior.log_prob_of_codes(code)
    assert float(prior.log_partition) != kept


def test_weights_are_told_apart() -> None:
    prior = random_prior(6, 2)
    seen = {int(prior._checksum())}
    changes = [
        lambda: prior.weight.neg_(),
        lambda: prior.weight.copy_(prior.weight.flip(0)),
        lambda: prior.weight.view(-1)[:2].neg_(),
        lambda: prior.bias.view(-1)[3].mul_(1 + 1e-15),
        lambda: prior.bias.zero_(),
    ]
    with torch.no_grad():
        for change in changes:
            change()
            seen.add(int(prior._checksum()))
    assert len(seen) == 1 + len(changes)
    assert int(prior.float()._checksum()) == int(prior.double()._checksum())


def test_the_estimate_is_kept_with_the_weights() -> None:
    prior = random_prior(8, 2, budget=1).eval()
    prior.estimate_log_partition(50, 20)
    again = BoltzmannPrior(8, 2, budget=1).double().eval()
    again.load_state_dict(prior.state_dict())
    codes = prior.sample(20)
    assert torch.equal(again.log_prob_of_codes(codes), prior.log_prob_of_codes(codes))
    assert torch.equal(again.log_partition_se, prior.log_partition_se)
    kept, found = (p.log_partition_estimate() for p in (prior, again))
    assert kept is not None
    assert found is not None
    assert found.upper == pytest.approx(kept.upper, abs=1e-12)
    assert found.lower == pytest.approx(kept.lower, abs=0.2)  # it alone is not saved
    assert torch.equal(again.log_prob_of_codes(codes), prior.log_prob_of_codes(codes))


def test_what_is_summed_exactly_has_no_chains() -> None:
    assert list(BoltzmannPrior(4, 3).state_dict()) == ["bias", "weight"]
    prior = random_prior(4, 3)
    log_z, _ = prior.estimate_log_partition(500, 100, torch.Generator().manual_seed(0))
    assert float(log_z) == pytest.approx(prior.exact_log_partition().item(), abs=0.2)


def test_large_machines_are_estimated() -> None:
    prior = BoltzmannPrior(300, 10, chains=3)
    assert not prior.exact
    with pytest.raises(EnumerationError, match=r"10\^150 .* got 65536"):
        prior.exact_log_partition()
    codes = torch.zeros(2, 300, dtype=torch.int64)
    expected = torch.full((2,), -300 * math.log(10))
    torch.testing.assert_close(prior.log_prob_of_codes(codes), expected)


@pytest.mark.parametrize("budget", [1, 2**16])
def test_half_precision_does_not_reach_it(budget: int) -> None:
    prior = random_prior(3, 4, budget=budget).float().eval()
    codes = all_codes(3, 4)
    with torch.autocast("cpu", torch.bfloat16):
        found = prior.log_prob_of_codes(codes)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, prior.log_prob_of_codes(codes))


def test_its_configuration_rebuilds_it() -> None:
    prior = random_prior(5, 3, chains=7, steps=2, budget=4)
    again = prior_from_config(prior.config(), 5, 3)
    assert prior.config() == {"kind": "boltzmann", "chains": 7, "steps": 2, "budget": 4}
    assert isinstance(again, BoltzmannPrior)
    again.load_state_dict(prior.state_dict())
    assert again.config() == prior.config()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_latents": 0}, "`num_latents` must be at least 1"),
        ({"num_categories": 1}, "`num_categories` at least 2"),
        ({"chains": 0}, "`chains` must be at least 1, got 0"),
        ({"steps": 0}, "`steps` must be at least 1, got 0"),
        ({"budget": -1}, "`budget` must be at least 1, got -1"),
    ],
)
def test_what_does_not_fit_is_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BoltzmannPrior(**({"num_latents": 3, "num_categories": 2} | options))


def test_estimates_out_of_range_are_refused() -> None:
    prior = BoltzmannPrior(3, 2)
    with pytest.raises(ValueError, match=r"`chains` must be at least 2 .* got 1"):
        prior.estimate_log_partition(chains=1)
    with pytest.raises(ValueError, match="`temperatures` must be at least 1, got 0"):
        prior.estimate_log_partition(temperatures=0)


def test_given_one_side_the_other_is_categorical() -> None:
    """The conditionals of block Gibbs sampling are those of the joint distribution."""
    prior = random_prior(3, 2)
    joint = log_p_by_hand(prior).view(2, 2, 2)
    for k in range(2):
        b = torch.eye(2, dtype=torch.float64)[[k]]
        a = torch.eye(2, dtype=torch.float64)[all_codes(2, 2)]
        found = categorical.log_prob(a, prior.machine.logits_a(b))
        torch.testing.assert_close(found, joint[..., k].flatten().log_softmax(0))
