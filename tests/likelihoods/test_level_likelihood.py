"""What all likelihoods of levels refuse and take, and what memory they need."""

import pytest
import torch

from discretevae.likelihoods import (
    DiscretisedLogisticLikelihood,
    LevelsLikelihood,
    LogisticMixtureLikelihood,
    level_likelihood,
    likelihood_from_config,
)
from discretevae.likelihoods.level_likelihood import LevelLikelihood, counts_of_levels

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


def test_counts_are_of_all_examples() -> None:
    x = torch.randint(4, (50, 2, 3)) / 3
    counts = counts_of_levels(x, 4)
    for k in range(4):
        assert torch.equal(counts[k], (x * 3).round().eq(k).sum(0).float())


def test_all_three_say_of_a_uniform_level_that_it_is_one_of_v() -> None:
    x = torch.arange(4.0).unsqueeze(-1) / 3
    assert LevelsLikelihood(levels=4)(torch.zeros(4)).log_prob(x).exp().tolist() == [0.25] * 4
