"""Priors over small grids with random weights, whose every code is looked at."""

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor

from discretevae.latents import to_one_hot
from discretevae.models import DiscreteVAE
from discretevae.networks import MLP
from discretevae.priors import GridPrior, PixelCNNPrior, Prior, TransformerPrior, prior_from_config
from discretevae.priors import grid as module
from discretevae.priors.grid import grids_of
from discretevae.priors.prior import drawn
from discretevae.training.prior import fit_prior

Grids = tuple[tuple[int, int], ...]

KINDS: dict[str, Callable[..., GridPrior]] = {
    "pixelcnn": lambda *sizes: PixelCNNPrior(*sizes, width=12, layers=3),
    "transformer": lambda *sizes: TransformerPrior(*sizes, width=8, layers=2),
}
ONE, COARSE_TO_FINE, STACKED = ((2, 3),), ((1, 2), (2, 2)), ((1, 2), (1, 2), (1, 2))
ALL: list[Grids] = [ONE, COARSE_TO_FINE, STACKED, ((3, 1), (1, 1), (2, 1)), ((1, 1),)]

kinds = pytest.mark.parametrize("kind", KINDS)
grids_ = pytest.mark.parametrize("grids", ALL, ids=str)


def size_of(grids: Grids) -> int:
    return sum(h * w for h, w in grids)


def random_prior(kind: str, num_categories: int, grids: Grids, seed: int = 0) -> GridPrior:
    """Gives one far from uniform, under which no code is without probability: logits about ±1."""
    size = size_of(grids)
    prior = KINDS[kind](size, num_categories, grids).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.normal_(std=0.4, generator=generator)
        codes = torch.randint(num_categories, (100, size), generator=generator)
        spread = prior.logits_along(to_one_hot(codes, num_categories, torch.float64)).std()
        for parameter in prior.outputs.parameters():
            parameter.div_(spread)
    return prior


def all_codes(num_latents: int, num_categories: int) -> Tensor:
    return torch.tensor(list(product(range(num_categories), repeat=num_latents)))


def influence(prior: GridPrior, seed: int = 0) -> Tensor:
    """|d logits of latent i / d z of latent j|, added over classes: (D, D)."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(prior.shape, dtype=torch.float64, generator=generator).softmax(-1)
    return torch.autograd.functional.jacobian(prior.logits_along, z).abs().sum((1, 3))


def conditionals(prior: GridPrior, codes: Tensor) -> Tensor:
    """log p of codes, one position after another; whatever stands at later ones."""
    z = to_one_hot(codes, prior.shape[1], torch.float64)
    log_p = torch.zeros(len(codes), dtype=torch.float64)
    for d in range(prior.shape[0]):
        before = z.clone()
        before[:, d:] = 0.3
        log_p += (z * prior.logits_along(before).log_softmax(-1))[:, d].sum(-1).detach()
    return log_p


@kinds
@grids_
def test_the_probabilities_of_all_codes_sum_to_one(kind: str, grids: Grids) -> None:
    for seed in range(3):
        prior = random_prior(kind, 2, grids, seed)
        log_p = prior.log_prob_of_codes(all_codes(size_of(grids), 2))
        assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-6)
        assert log_p.std() > 0.1 or size_of(grids) == 1, "far from uniform"


@kinds
@grids_
def test_so_do_those_of_each_grid_given_those_before(kind: str, grids: Grids) -> None:
    prior = random_prior(kind, 2, grids)
    for level, (height, width) in enumerate(grids):
        codes = all_codes(height * width, 2)
        for before in all_codes(size_of(grids[:level]), 2) if level else torch.empty(1, 0).long():
            log_p = prior.log_prob_of_level(level, codes, before.expand(len(codes), -1))
            assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-6)


@kinds
@grids_
def test_no_position_sees_itself_or_a_later_one_and_it_sees_all_before(
    kind: str, grids: Grids
) -> None:
    found = influence(random_prior(kind, 3, grids))
    assert (found.triu() == 0).all()
    assert (found[torch.ones_like(found).tril(-1).bool()] > 0).all()


@kinds
def test_a_network_that_sees_the_position_itself_is_caught(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prior = random_prior(kind, 2, ONE)
    plain = prior.features

    def leaking(embedded: list[Tensor], first: int) -> list[Tensor]:
        return [h + e for h, e in zip(plain(embedded, first), embedded, strict=True)]

    monkeypatch.setattr(prior, "features", leaking)
    assert not (influence(prior).triu() == 0).all()
    total = prior.log_prob_of_codes(all_codes(6, 2)).exp().sum().item()
    assert total != pytest.approx(1, abs=1e-3)


@kinds
@grids_
def test_log_p_is_the_same_by_every_way(kind: str, grids: Grids) -> None:
    """From indices, from one-hot codes, grid by grid, and position by position."""
    prior = random_prior(kind, 3, grids)
    codes = torch.randint(3, (40, size_of(grids)), generator=torch.Generator().manual_seed(0))
    found = prior.log_prob_of_codes(codes)
    torch.testing.assert_close(found, conditionals(prior, codes))
    torch.testing.assert_close(found, prior.log_prob(to_one_hot(codes, 3, torch.float64)))
    torch.testing.assert_close(found, prior.trained_log_prob_of_codes(codes))
    by_level, stop = torch.zeros_like(found), 0
    for level, (height, width) in enumerate(grids):
        start, stop = stop, stop + height * width
        by_level += prior.log_prob_of_level(level, codes[:, start:stop], codes[:, :start])
    torch.testing.assert_close(found, by_level)


@kinds
@pytest.mark.parametrize("leading", [(), (5,), (3, 2, 4), (0,)])
def test_any_leading_dimensions_and_points_inside_the_simplex(
    kind: str, leading: tuple[int, ...]
) -> None:
    prior = random_prior(kind, 3, COARSE_TO_FINE)
    z = torch.randn(*leading, 6, 3, dtype=torch.float64).softmax(-1)
    found, rows = prior.log_prob(z), z.view(-1, 6, 3)
    assert found.shape == leading
    assert prior.logits_along(z).shape == z.shape
    for one, row in zip(found.flatten(), rows, strict=True):
        torch.testing.assert_close(one, prior.log_prob(row))
    codes = z.argmax(-1)
    assert prior.log_prob_of_codes(codes).shape == leading
    assert prior.log_prob_of_level(1, codes[..., 2:], codes[..., :2]).shape == leading


@kinds
def test_it_has_its_graph_and_is_differentiated_twice(kind: str) -> None:
    prior = random_prior(kind, 2, COARSE_TO_FINE)
    z = torch.randn(6, 2, dtype=torch.float64).softmax(-1).requires_grad_()
    assert torch.autograd.gradcheck(prior.log_prob, (z,))
    assert torch.autograd.gradgradcheck(prior.log_prob, (z,))


@kinds
def test_it_is_uniform_at_first_and_all_weights_learn(kind: str) -> None:
    prior = KINDS[kind](6, 3, COARSE_TO_FINE).double()
    codes = all_codes(6, 3)
    torch.testing.assert_close(
        prior.log_prob_of_codes(codes).exp(), torch.full((3**6,), 3.0**-6, dtype=torch.float64)
    )
    prior = random_prior(kind, 3, COARSE_TO_FINE)
    prior.log_prob_of_codes(codes[:50]).sum().backward()
    for name, parameter in prior.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@kinds
@pytest.mark.parametrize("grids", [COARSE_TO_FINE, STACKED], ids=str)
def test_samples_have_the_right_joint_frequencies(kind: str, grids: Grids) -> None:
    """Chi-square over all 64 codes; it fails by chance once in 10^6 runs."""
    prior, codes = random_prior(kind, 2, grids), all_codes(6, 2)
    drawn_codes = prior.sample(8_000, torch.Generator().manual_seed(0))
    assert drawn_codes.dtype == torch.int64
    expected = 8_000 * prior.log_prob_of_codes(codes).exp().detach()
    observed = (drawn_codes @ 2 ** torch.arange(5, -1, -1)).bincount(minlength=64)
    rare = expected < 5
    pooled = [torch.cat([t[~rare], t[rare].sum()[None]]) for t in (observed, expected)]
    assert stats.chisquare(*(t.numpy() for t in pooled)).pvalue > 1e-6
    wrong = expected.view(*[2] * 6).permute(5, 4, 3, 2, 1, 0).flatten()  # the order reversed
    assert stats.chisquare(observed.numpy(), wrong.numpy()).pvalue < 1e-6


@kinds
@grids_
def test_what_is_kept_changes_no_draw(kind: str, grids: Grids) -> None:
    """Against one whole pass a position, by the same draws."""
    prior = random_prior(kind, 3, grids)
    first, second = (torch.Generator().manual_seed(1) for _ in range(2))
    assert torch.equal(prior.sample(50, first), Prior.one_by_one(prior, 50, drawn(second)))


@kinds
@grids_
def test_logits_on_the_way_are_those_of_one_pass(kind: str, grids: Grids) -> None:
    prior, generator = random_prior(kind, 3, grids), torch.Generator().manual_seed(0)
    seen: list[Tensor] = []

    def choose(logits: Tensor) -> Tensor:
        seen.append(logits)
        return torch.randint(3, (len(logits),), generator=generator)

    codes = prior.one_by_one(7, choose)
    expected = prior.logits_along(to_one_hot(codes, 3, torch.float64))
    torch.testing.assert_close(torch.stack(seen, 1), expected, rtol=1e-12, atol=1e-12)


@kinds
def test_grids_are_drawn_one_given_those_before(kind: str) -> None:
    prior = random_prior(kind, 3, COARSE_TO_FINE)
    stream = torch.Generator().manual_seed(1)
    whole = prior.sample(20, torch.Generator().manual_seed(1))
    top = prior.sample_level(0, torch.empty(20, 0, dtype=torch.int64), stream)
    assert torch.equal(torch.cat([top, prior.sample_level(1, top, stream)], 1), whole)


@kinds
def test_codes_in_parts_have_the_same_figures_and_gradients(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prior, codes = random_prior(kind, 3, COARSE_TO_FINE), all_codes(6, 3)[:50]

    def both() -> tuple[Tensor, ...]:
        log_p = prior.log_prob_of_codes(codes)
        return log_p, *torch.autograd.grad(log_p.square().sum(), [*prior.parameters()])

    whole = both()
    monkeypatch.setattr(module, "NUMBERS", 6 * module.LAYERS * prior.width * 7)
    torch.testing.assert_close(both(), whole)


@kinds
def test_codes_are_never_one_hot_in_training(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: Any) -> Tensor:
        raise AssertionError("one-hot codes of K classes")

    monkeypatch.setattr("discretevae.priors.prior.to_one_hot", refused)
    prior = KINDS[kind](6, 3, COARSE_TO_FINE)
    codes = torch.zeros(40, 6, dtype=torch.int64)
    history = fit_prior(prior, codes, 5, 10, 1e-2)
    assert history[-1] > history[0] + 1
    prior.sample(2)


@kinds
def test_half_precision_does_not_reach_it(kind: str) -> None:
    prior, codes = random_prior(kind, 2, COARSE_TO_FINE).float(), all_codes(6, 2)
    z = to_one_hot(codes, 2, torch.float32)

    def figures() -> tuple[Tensor, ...]:
        draws = prior.sample(50, torch.Generator().manual_seed(0))
        return prior.log_prob_of_codes(codes), prior.log_prob(z), prior.logits_along(z), draws

    with torch.autocast("cpu", torch.bfloat16):
        found = figures()
    assert [t.dtype for t in found[:3]] == [torch.float32] * 3
    torch.testing.assert_close(found, figures())


@kinds
def test_a_model_is_saved_with_its_grids(kind: str, tmp_path: Path) -> None:
    config = {"kind": kind, "grids": [[1, 2], [2, 2]], "width": 4, "layers": 2}
    model = DiscreteVAE((4,), 6, 3, MLP((5,)), prior=config)
    with torch.no_grad():
        for parameter in model.prior.parameters():
            parameter.normal_()
    model.save_pretrained(tmp_path)
    again = DiscreteVAE.from_pretrained(tmp_path)
    assert again.prior.config() == json.loads(json.dumps(model.prior.config())) == config
    codes = torch.randint(3, (10, 6))
    assert torch.equal(again.prior.log_prob_of_codes(codes), model.prior.log_prob_of_codes(codes))


@kinds
def test_by_default_it_is_one_square_grid_or_one_row(kind: str) -> None:
    for size, grids in ((9, [[3, 3]]), (6, [[1, 6]]), (1, [[1, 1]])):
        assert prior_from_config({"kind": kind}, size, 2).config()["grids"] == grids


@pytest.mark.parametrize("grids", [((2, 2),), ((2, 3), (0, 4)), ((-2, -3),), (), ((1, 2, 3),)])
def test_grids_that_are_not_of_the_code_are_refused(grids: Any) -> None:
    with pytest.raises(ValueError, match=r"`grids` must be pairs .* D = 6 positions in all, got "):
        grids_of(6, grids)


@kinds
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "`width` must be at least 1, got 0"),
        ({"layers": 0}, "`layers` must be at least 1, got 0"),
        (
            {"grids": [[2, 2]]},
            r"`grids` must be pairs .* D = 6 positions in all, got \(\[2, 2\],\)",
        ),
        ({"depth": 3}, "`prior` does not fit"),
    ],
)
def test_what_does_not_fit_is_refused(kind: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prior_from_config({"kind": kind, **options}, 6, 2)


@kinds
def test_levels_that_are_not_there_are_refused(kind: str) -> None:
    prior, none = random_prior(kind, 2, COARSE_TO_FINE), torch.empty(3, 0, dtype=torch.int64)
    with pytest.raises(ValueError, match="`level` must be from 0 to 1, got 2"):
        prior.sample_level(2, none)
    with pytest.raises(ValueError, match="`before` must have 2 classes at level 1, got 0"):
        prior.sample_level(1, none)
    with pytest.raises(ValueError, match="`codes` must have 2 classes at level 0, got 3"):
        prior.log_prob_of_level(0, torch.zeros(3, 3, dtype=torch.int64), none)
