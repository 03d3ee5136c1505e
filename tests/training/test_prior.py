"""Codes of a known distribution, whose entropy bounds the mean log-probability of any prior."""

import math

import pytest
import torch
from torch import Tensor, nn

from discretevae.data import load
from discretevae.models import DiscreteVAE
from discretevae.networks import MLP
from discretevae.priors import (
    AutoregressivePrior,
    BoltzmannPrior,
    ConditionalPrior,
    LearnedPrior,
    Prior,
    UniformPrior,
    prior_from_config,
)
from discretevae.training.prior import fit_prior

D, K = 6, 3
START = torch.tensor([0.5, 0.3, 0.2])
MOVES = torch.tensor([[0.9, 0.1, 0.0], [0.05, 0.15, 0.8], [0.6, 0.2, 0.2]])


def markov_codes(count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    codes = [START.expand(count, K).multinomial(1, generator=generator)]
    for _ in range(D - 1):
        codes.append(MOVES[codes[-1][:, 0]].multinomial(1, generator=generator))
    return torch.cat(codes, 1)


def mean_log_p(codes: Tensor) -> float:
    """The true mean log-probability of these very codes: what no prior beats but by chance."""
    log_p = START[codes[:, 0]].log()
    for d in range(1, D):
        log_p = log_p + MOVES[codes[:, d - 1], codes[:, d]].log()
    return float(log_p.mean())


def test_the_autoregressive_prior_learns_a_markov_chain() -> None:
    """Within 0.03 nats of the truth, on codes not trained on; independent latents stay a nat off.

    The excess of a fitted prior is about half a nat for each weight over N codes: 0.015 here.
    """
    codes, others = markov_codes(20_000), markov_codes(20_000, seed=1)
    truth, log_p = mean_log_p(others), {}
    for prior in (AutoregressivePrior(D, K, (32,)), LearnedPrior(D, K)):
        history = fit_prior(prior, codes, 5, 200, 2e-2, validation=others)
        assert len(history) == 6
        assert history[0] == pytest.approx(-D * math.log(K), rel=1e-5)
        log_p[prior.kind] = prior.log_prob_of_codes(others).mean().item()
        assert log_p[prior.kind] == pytest.approx(max(history), abs=1e-4)
    assert truth - 0.03 < log_p["autoregressive"] < truth + 0.001
    assert log_p["learned"] < truth - 1


@pytest.mark.parametrize("budget", [1, 2**16])
def test_the_boltzmann_prior_learns_another_machine(budget: int) -> None:
    """By the exact gradient, or by that of the persistent chains: within 0.05 nats.

    One sweep a step, at this learning rate, would leave the chains 0.1 nats behind.
    """
    true = BoltzmannPrior(D, K)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in true.parameters():
            parameter.normal_(generator=generator)
    codes, others = (true.sample(8_000, generator) for _ in range(2))
    truth = true.log_prob_of_codes(others).mean().item()
    prior = BoltzmannPrior(D, K, steps=5, budget=budget)
    history = fit_prior(prior, codes, 3, 100, 2e-2, validation=others)
    exact = BoltzmannPrior(D, K)
    exact.load_state_dict(prior.state_dict(), strict=False)
    found = exact.log_prob_of_codes(others).mean().item()
    assert truth - 0.05 < found < truth + 0.01
    assert max(history) == pytest.approx(found, abs=0.05)
    assert history[0] < truth - 0.5


def test_the_bound_of_a_model_rises_by_as_much_as_the_mean_of_log_p() -> None:
    """20 draws of q for each example: their mean is within 0.05 nats of the exact bound's."""
    torch.manual_seed(0)
    model = DiscreteVAE((8,), D, K, MLP((16,)), estimator="exact", prior=LearnedPrior(D, K))
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.mul_(4)
        x = torch.rand(200, 8).round()
        generator = torch.Generator().manual_seed(0)
        codes = model.encode(x.repeat(20, 1), sample=True, generator=generator)
        before = float(model.objective(x).mean())
    model.prior = AutoregressivePrior(D, K, (16,))
    history = fit_prior(model.prior, codes, 5, 50, 1e-2)
    with torch.no_grad():
        rise = float(model.objective(x).mean()) - before
    assert rise > 0.5
    assert rise == pytest.approx(max(history) - history[0], abs=0.05)


class Spoilt(LearnedPrior):
    """Gets worse with every evaluation in training."""

    def log_prob(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        return -super().log_prob(z) if self.training else super().log_prob(z)


def test_the_best_weights_are_kept() -> None:
    prior = Spoilt(2, 3)
    codes = torch.zeros(50, 2, dtype=torch.int64)
    history = fit_prior(prior, codes, 4, 10, 0.1)
    assert history == sorted(history, reverse=True)
    assert torch.equal(prior.logits.detach(), torch.zeros(2, 3))


def test_a_seed_decides_the_result_and_the_mode_is_left_alone() -> None:
    codes, results = markov_codes(300), []
    random = torch.get_rng_state()
    for seed in (0, 0, 1):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            prior = AutoregressivePrior(D, K, (8,)).eval()
        history = fit_prior(prior, codes, 2, 50, 1e-2, seed)
        assert not prior.training
        assert all(p.grad is None for p in prior.parameters())
        results.append(history)
    assert results[0] == results[1] != results[2]
    assert torch.equal(random, torch.get_rng_state())


def test_frozen_weights_stay() -> None:
    prior = AutoregressivePrior(D, K, (8,))
    frozen: nn.Module = prior.hidden[0]
    frozen.requires_grad_(False)
    before = frozen.weight.clone()
    fit_prior(prior, markov_codes(200), 1)
    assert torch.equal(frozen.weight, before)


@pytest.mark.parametrize(
    ("prior", "options", "message"),
    [
        (UniformPrior(2, 3), {}, "`prior` must have weights to fit, got UniformPrior"),
        (ConditionalPrior(2, 3, 4), {}, "`context` must be given"),
        (LearnedPrior(2, 3), {"epochs": 0}, "`epochs` must be at least 1, got 0"),
        (LearnedPrior(2, 3), {"batch_size": 0}, "`batch_size` must be at least 1, got 0"),
        (LearnedPrior(2, 3), {"learning_rate": -1.0}, "`learning_rate` must be positive"),
        (LearnedPrior(2, 3), {"learning_rate": math.nan}, "`learning_rate` .* got nan"),
        (LearnedPrior(2, 2), {}, r"`codes` must lie in \[0, 2\), got values from 0 to 2"),
        (LearnedPrior(3, 3), {}, r"`codes` must have shape \(N, 3\), N ≥ 1, got \(2, 2\)"),
        (
            LearnedPrior(2, 3),
            {"validation": torch.zeros(0, 2, dtype=torch.int64)},
            r"`validation` must have shape \(N, 2\), N ≥ 1, got \(0, 2\)",
        ),
    ],
)
def test_what_cannot_be_fitted_is_refused(
    prior: Prior, options: dict[str, object], message: str
) -> None:
    before = {name: value.clone() for name, value in prior.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        fit_prior(prior, torch.tensor([[0, 2], [1, 1]]), **options)  # type: ignore[arg-type]
    assert all(torch.equal(before[name], value) for name, value in prior.state_dict().items())


@pytest.mark.audit
@pytest.mark.parametrize(
    ("kind", "options", "epochs"),
    [
        ("pixelcnn", {"width": 16, "layers": 3}, 3),
        ("transformer", {"width": 32, "layers": 2}, 10),
    ],
)
def test_a_prior_over_a_grid_learns_handwritten_digits(
    kind: str, options: dict[str, int], epochs: int
) -> None:
    """8 × 8 in black and white: on digits not trained on, nats better than independent pixels."""
    data = load("digits", binarize="threshold")
    draws = torch.Generator().manual_seed(0)
    seen, others = (
        data.binarizer.draw(part.values(), draws).flatten(1).long()
        for part in (data.train, data.test)
    )
    pixels = seen.double().mean(0).clamp(1e-3, 1 - 1e-3)
    independent = torch.distributions.Bernoulli(pixels).log_prob(others.double()).sum(-1).mean()
    torch.manual_seed(0)
    prior = prior_from_config({"kind": kind, **options}, 64, 2)
    history = fit_prior(prior, seen[:400], epochs, 20, 5e-3, validation=others)
    assert history[0] == pytest.approx(-64 * math.log(2), rel=1e-5)
    assert max(history) > float(independent) + 1
