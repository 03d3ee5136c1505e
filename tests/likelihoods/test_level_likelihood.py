"""What all likelihoods of levels refuse and take, and what memory they need."""

from math import log, log2

import pytest
import torch

from discretevae.data import Examples
from discretevae.evaluation import evaluate
from discretevae.likelihoods import (
    BernoulliLikelihood,
    DiscretisedLogisticLikelihood,
    LevelsLikelihood,
    LogisticMixtureLikelihood,
    level_likelihood,
    likelihood_from_config,
)
from discretevae.likelihoods.level_likelihood import LevelLikelihood, counts_of_levels
from discretevae.models import DiscreteVAE
from discretevae.networks import MLP

KINDS = (DiscretisedLogisticLikelihood, LogisticMixtureLikelihood, LevelsLikelihood)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> type[LevelLikelihood]:
    return request.param


def test_every_byte_passes_however_it_was_divided(kind: type[LevelLikelihood]) -> None:
    k = torch.arange(256, dtype=torch.uint8)
    for x in (k / 255, k.float().div_(255), k * torch.tensor(1 / 255), k.double() / 255):
        kind().check(x)


@pytest.mark.parametrize("value", [0.5, -1 / 255, 256 / 255, 1e-3, float("nan"), float("inf")])
def test_what_is_no_level_is_named(kind: type[LevelLikelihood], value: float) -> None:
    with pytest.raises(ValueError, match=rf"`x` must be one of 256 levels, .* got {value:.6g}\."):
        kind().check(torch.tensor([[0.0, value], [0.3, 1.0]]))


def test_sizes_out_of_range_are_refused(kind: type[LevelLikelihood]) -> None:
    with pytest.raises(ValueError, match="`levels` must be at least 2, got 1"):
        kind(levels=1)
    with pytest.raises(ValueError, match="`event_dims` must be at least 1, got 0"):
        kind(0)
    with pytest.raises(ValueError, match="`components` must be at least 1, got 0"):
        LogisticMixtureLikelihood(components=0)


def test_options_are_in_the_config(kind: type[LevelLikelihood]) -> None:
    again = likelihood_from_config(kind(3, levels=16).config(), 3)
    assert isinstance(again, kind)
    assert (again.levels, again.event_dims) == (16, 3)
    mixture = LogisticMixtureLikelihood(2, components=4)
    assert likelihood_from_config(mixture.config(), 2).config() == mixture.config()
    with pytest.raises(ValueError, match="`likelihood` does not fit"):
        likelihood_from_config({"kind": kind.name, "shades": 3}, 1)


def test_pairs_are_the_same_however_they_are_cut(
    kind: type[LevelLikelihood], monkeypatch: pytest.MonkeyPatch
) -> None:
    p, x = kind(levels=8), torch.randint(8, (2, 3, 4)) / 7
    h = torch.randn(7, *p.output_shape((4,)))
    whole = p.log_prob_pairs(h, x)
    sizes: list[int] = []
    forward = type(p).forward

    def counted(self: LevelLikelihood, h: torch.Tensor) -> torch.distributions.Distribution:
        sizes.append(len(h))
        return forward(self, h)

    monkeypatch.setattr(type(p), "forward", counted)
    monkeypatch.setattr(level_likelihood, "NUMBERS", 2 * 6 * h[0].numel())
    torch.testing.assert_close(p.log_prob_pairs(h, x), whole)
    assert sizes == [2, 2, 2, 1]


@pytest.mark.parametrize("levels", [2, 16, 256])
def test_levels_of_which_nothing_is_known_have_log2_v_bits_each(levels: int) -> None:
    """Whatever the code, which says nothing: KL 0, and no example differs from another."""
    p = LevelsLikelihood(3, levels)
    model = DiscreteVAE((3, 2, 2), 2, 3, MLP((4,)), p)
    with torch.no_grad():
        for weights in model.parameters():
            weights.zero_()
    x = torch.randint(levels, (20, 3, 2, 2)) / (levels - 1)
    figure = evaluate(model, Examples(x))["test"]["bits_per_dimension"]
    assert figure["value"] == pytest.approx(log2(levels), abs=1e-5)
    assert figure["se"] == pytest.approx(0, abs=1e-5)
    assert figure["unit"] == "bits per dimension"


def test_bits_per_dimension_are_of_the_elbo_of_each_example(kind: type[LevelLikelihood]) -> None:
    """Against a model whose code is known for sure, so that the ELBO is no estimate."""
    torch.manual_seed(0)
    model = DiscreteVAE((2, 3, 3), 1, 2, MLP((4,)), kind(3), estimator="exact").eval()
    with torch.no_grad():
        model.encoder[-1].weight.zero_()
        model.encoder[-1].bias.copy_(torch.tensor([60.0, -60.0]))
    x = torch.randint(256, (9, 2, 3, 3)) / 255
    figure = evaluate(model, Examples(x))["test"]["bits_per_dimension"]
    log_p = model.decode(torch.zeros(9, 1, dtype=torch.int64)).log_prob(x) - log(2)
    bits = -log_p.detach().double() / log(2) / 18
    assert figure["value"] == pytest.approx(float(bits.mean()), rel=1e-5)
    assert figure["se"] == pytest.approx(float(bits.std() / 3), rel=0.02)


def test_evaluation_counts_what_the_decoder_says_not_what_is_observed(
    kind: type[LevelLikelihood],
) -> None:
    p = kind(3)
    assert p.evaluated((3, 8, 8)) == p.output_shape((3, 8, 8))
    assert BernoulliLikelihood(3).evaluated((3, 8, 8)) == (3, 8, 8)


def test_counts_are_of_all_examples() -> None:
    x = torch.randint(4, (50, 2, 3)) / 3
    counts = counts_of_levels(x, 4)
    for k in range(4):
        assert torch.equal(counts[k], (x * 3).round().eq(k).sum(0).float())


def test_all_three_say_of_a_uniform_level_that_it_is_one_of_v() -> None:
    x = torch.arange(4.0).unsqueeze(-1) / 3
    assert LevelsLikelihood(levels=4)(torch.zeros(4)).log_prob(x).exp().tolist() == [0.25] * 4
