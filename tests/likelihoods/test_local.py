"""Pixels that follow each other, against sums over all images and a plain account of each."""

import math
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from discretevae.likelihoods import (
    LIKELIHOODS,
    BernoulliLikelihood,
    LocalBernoulliLikelihood,
    LocalLikelihood,
    LocalMixtureLikelihood,
    LogisticMixtureLikelihood,
    likelihood_from_config,
)
from discretevae.models import DiscreteVAE
from discretevae.networks import CNN

LEVELS = 3
KINDS = {
    "local-bernoulli": lambda: LocalBernoulliLikelihood(1, width=4, window=3),
    "local-mixture": lambda: LocalMixtureLikelihood(2, 2, LEVELS, width=4, window=3),
}
SHAPES = {"local-bernoulli": (1, 2, 3), "local-mixture": (2, 2, 1)}


def trained(name: str) -> LocalLikelihood:
    """One whose pixels tell each other something."""
    likelihood = KINDS[name]().double()
    for weight in likelihood.parameters():
        nn.init.normal_(weight, std=0.7)
    nn.init.normal_(likelihood.centre)
    seen = likelihood.whitening.diagonal()
    likelihood.whitening.copy_(torch.outer(seen, seen) * torch.rand_like(likelihood.whitening) / 2)
    return likelihood


def images(name: str) -> Tensor:
    """All there are."""
    shape, values = SHAPES[name], 2 if name == "local-bernoulli" else LEVELS
    every = [*product(range(values), repeat=math.prod(shape))]
    return torch.tensor(every, dtype=torch.float64).view(-1, *shape) / (values - 1)


def said(likelihood: LocalLikelihood, shape: tuple[int, ...]) -> Tensor:
    return torch.randn(likelihood.output_shape(shape), dtype=torch.float64)


@pytest.mark.parametrize("name", KINDS)
def test_the_mass_of_all_images_is_one(name: str) -> None:
    likelihood, x = trained(name), images(name)
    log_p = likelihood(said(likelihood, SHAPES[name])).log_prob(x)
    assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-12)


def test_a_window_that_sees_the_pixel_itself_has_another_mass() -> None:
    likelihood, x = trained("local-bernoulli"), images("local-bernoulli")
    likelihood.whitening.fill_(1)
    log_p = likelihood(said(likelihood, (1, 2, 3))).log_prob(x)
    assert abs(float(log_p.exp().sum()) - 1) > 0.01


@pytest.mark.parametrize("name", KINDS)
def test_a_pixel_has_what_its_window_and_the_code_say(name: str) -> None:
    """Pixel by pixel, with sums over the window and layers written out."""
    likelihood = trained(name)
    shape, x = (SHAPES[name][0], 4, 5), None
    x = torch.rand(shape, dtype=torch.float64).round()
    h, n = said(likelihood, shape), likelihood.numbers
    total = torch.zeros((), dtype=torch.float64)
    for i, j in product(range(4), range(5)):
        window = torch.zeros(shape[0], 2, 3, dtype=torch.float64)
        for a, b in product(range(2), range(3)):
            row, column = i + a - 1, j + b - 1
            before = (row, column) < (i, j)
            if before and row >= 0 and 0 <= column < 5:
                window[:, a, b] = 2 * x[:, row, column] - 1
        z = likelihood.whitening @ (window.flatten() - likelihood.centre)
        near = likelihood.near.weight.flatten(1) @ z + likelihood.near.bias
        s = h[n:, i, j] + near[n:]
        for layer in likelihood.layers:
            inner: Any = layer.inner
            v = inner.weight[:, :, 0, 0] @ s + inner.bias
            outer: Any = layer.outer
            s = s + outer.weight[:, :, 0, 0] @ (v / (1 + (-v).exp())) + outer.bias
        last = likelihood.last
        numbers = h[:n, i, j] + near[:n] + last.weight[:, :, 0, 0] @ s + last.bias
        p = likelihood.base((likelihood.units[:, 0, 0] * numbers).view(n, 1, 1))
        total = total + p.log_prob(x[:, i, j].view(-1, 1, 1))
    torch.testing.assert_close(likelihood(h).log_prob(x), total)


@pytest.mark.parametrize("name", KINDS)
def test_what_is_coded_in_turn_is_the_whole(name: str) -> None:
    likelihood, shape = trained(name), SHAPES[name]
    x, h = images(name)[torch.randperm(9)], said(likelihood, shape)
    p = likelihood(h.expand(9, *h.shape))
    total = torch.zeros(9, dtype=torch.float64)
    for part in likelihood.turns(shape):
        known = torch.full_like(x, 0.5)  # what comes later is not looked at
        for earlier in likelihood.turns(shape):
            if earlier == part:
                break
            known[(slice(None), *earlier)] = x[(slice(None), *earlier)]
        log_p = likelihood.symbol_logits(p, known, part).log_softmax(-1)
        k = (x[(slice(None), *part)] * (likelihood.symbols - 1)).round().long()
        total += log_p.gather(-1, k.unsqueeze(-1)).flatten(1).sum(1)
    torch.testing.assert_close(total, p.log_prob(x))


@pytest.mark.parametrize("name", KINDS)
def test_draws_have_their_probability(name: str) -> None:
    """A χ² of 20,000 draws: false alarm below 1e-6; pixels drawn apart are seen."""
    torch.manual_seed(1)
    likelihood, x = trained(name), images(name)
    h = said(likelihood, SHAPES[name])
    p = likelihood(h)
    truth = p.log_prob(x).exp()

    def misfit(drawn: Tensor) -> float:
        at = (drawn.flatten(1).unsqueeze(1) - x.flatten(1)).abs().sum(-1).argmin(1)
        counts = torch.bincount(at, minlength=len(x)).double()
        often = truth * len(drawn) >= 5
        expected, seen = truth[often] * len(drawn), counts[often]
        freedom = int(often.sum()) - 1
        return float(((seen - expected).square() / expected).sum() - freedom) / (2 * freedom) ** 0.5

    assert misfit(p.sample([20_000])) < 6
    apart = likelihood.base(likelihood.units * h[: likelihood.numbers]).sample([20_000])
    assert misfit(apart) > 20


@pytest.mark.parametrize("name", KINDS)
def test_the_image_shown_is_the_mean_of_each_pixel_after_those_shown(name: str) -> None:
    likelihood, shape = trained(name), SHAPES[name]
    h = said(likelihood, shape)
    shown = likelihood(h).mean
    seen = torch.zeros_like(shown)
    most = likelihood.symbols - 1
    for part in likelihood.pixels(shape):
        whole = likelihood.given(h, seen).mean
        torch.testing.assert_close(shown[part], whole[part])
        seen[part] = (shown[part] * most).round() / most


@pytest.mark.parametrize("name", KINDS)
def test_a_new_one_has_no_neighbours(name: str) -> None:
    likelihood, x = KINDS[name]().double(), images(name)
    h = said(likelihood, SHAPES[name])
    alone = likelihood.base(likelihood.units * h[: likelihood.numbers])
    torch.testing.assert_close(likelihood(h).log_prob(x), alone.log_prob(x))
    changed = trained(name)
    without, alone_without = changed.without_code(x), changed.base.without_code(x)
    assert without is not None
    assert alone_without is not None
    torch.testing.assert_close(without(x), alone_without(x))


def test_bits_start_without_neighbours() -> None:
    likelihood, x = trained("local-bernoulli"), images("local-bernoulli")
    h = likelihood.start(x)
    assert h is not None
    known = likelihood.base.start(x)
    assert known is not None
    torch.testing.assert_close(likelihood(h).log_prob(x), likelihood.base(known).log_prob(x))


def smooth(count: int, channels: int) -> Tensor:
    """Bytes that follow their neighbours: sums of all that is above and to the left, blurred."""
    draws = torch.Generator().manual_seed(0)
    steps = torch.randn(count, channels, 12, 12, generator=draws, dtype=torch.float64)
    steps = steps + 2 * steps[:, :1]  # channels that follow each other
    x = steps.cumsum(2).cumsum(3)
    return (128 + 6 * x).round().clamp(0, 255) / 255


@pytest.mark.parametrize("name", KINDS)
def test_windows_are_white_from_the_start(name: str) -> None:
    """Against the covariance of windows cut out one by one; pixels themselves are far from it."""
    likelihood = KINDS[name]().double()
    x = smooth(60, likelihood.channels).round() if "bern" in name else smooth(60, 2)
    likelihood.start(x)
    framed = torch.nn.functional.pad(2 * x - 1, (1, 1, 1, 0))
    cut = [framed[:, :, i : i + 2, j : j + 3] for i, j in product(range(12), range(12))]
    windows = torch.stack(cut, 1).flatten(0, 1).flatten(1)
    z = (windows - likelihood.centre) @ likelihood.whitening.mT
    seen = likelihood.whitening.diagonal() != 0
    assert seen.sum() == 4 * likelihood.channels
    assert not z[:, ~seen].any()
    eye = torch.eye(int(seen.sum()), dtype=x.dtype)
    torch.testing.assert_close(torch.cov(z[:, seen].mT), eye, atol=0.05, rtol=0)
    assert (torch.cov(windows[:, seen].mT) - eye).abs().max() > 0.3


@pytest.mark.parametrize("channels", [1, 3])
def test_levels_start_at_least_squares(channels: int) -> None:
    """The mean is that of a regression on the window; it says much more than none."""
    x = smooth(60, channels)
    likelihood = LocalMixtureLikelihood(channels, components=1, width=4, window=3).double()
    h = likelihood.start(x).mean((1, 2), keepdim=True).expand(-1, 12, 12)
    mean = likelihood.given(h, x).mean
    framed = torch.nn.functional.pad(2 * x - 1, (1, 1, 1, 0))
    near = [
        framed[..., :12, :12],
        framed[..., :12, 1:13],
        framed[..., :12, 2:],
        framed[..., 1:, :12],
    ]
    known = torch.stack(near).movedim((0, 2), (-1, -2)).flatten(-2).flatten(0, 2)
    known = torch.cat([known, torch.ones(len(known), 1, dtype=x.dtype)], 1)
    target = x.movedim(1, -1).flatten(0, 2)
    expected = known @ torch.linalg.lstsq(known, target).solution
    got = mean.movedim(1, -1).flatten(0, 2)
    inside = ((expected > 0.2) & (expected < 0.8)).all(1)
    assert (got - expected)[inside].abs().max() < 0.01
    alone = LocalMixtureLikelihood(channels, components=1, width=4, window=3).double().base
    apart = alone(alone.start(x)).log_prob(x).mean()
    assert likelihood(h).log_prob(x).mean() > apart + 0.4 * x[0].numel()


def test_names_and_descriptions_make_one_for_the_shape() -> None:
    model = DiscreteVAE((3, 4, 4), 2, 3, CNN((4,)), "local-mixture")
    assert isinstance(model.likelihood, LocalMixtureLikelihood)
    assert model.likelihood.channels == 3
    grey = DiscreteVAE((1, 4, 4), 2, 3, CNN((4,)), "local-mixture")
    again = likelihood_from_config(grey.likelihood.config(), 3)
    assert isinstance(again, LocalMixtureLikelihood)
    assert again.config() == grey.likelihood.config()
    assert again.channels == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LocalBernoulliLikelihood(window=4), "`window` must be an odd number from 3 on"),
        (lambda: LocalBernoulliLikelihood(width=0), "`width` must be at least 1, got 0"),
        (lambda: LocalMixtureLikelihood(layers=0), "`layers` must be at least 1, got 0"),
        (lambda: LIKELIHOODS["local-bernoulli"](1), "must be of images"),
        (lambda: LocalBernoulliLikelihood().of_shape((4,)), "must be of images"),
        (lambda: DiscreteVAE((4,), 2, 3, likelihood="local-mixture"), "must be of images"),
        (lambda: LocalBernoulliLikelihood().check(torch.full((1, 2, 2), 0.5)), "must be 0 or 1"),
    ],
)
def test_what_it_is_not_for_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_base_likelihoods_are_those_named() -> None:
    assert isinstance(LocalBernoulliLikelihood().base, BernoulliLikelihood)
    assert isinstance(LocalMixtureLikelihood().base, LogisticMixtureLikelihood)


def test_it_trains_below_independent_pixels_of_the_same_decoder() -> None:
    """Pixels that repeat their left neighbour: a window says them, independent ones cannot."""
    torch.manual_seed(0)
    first = torch.rand(200, 1, 6, 1).round()
    x = first.expand(-1, -1, -1, 6).contiguous()
    model = DiscreteVAE((1, 6, 6), 1, 2, CNN((4,)), LocalBernoulliLikelihood(1, 8, 3))
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        (-model.objective(x)).mean().backward()
        optimizer.step()
    bound = float(model.eval().elbo(x).mean())
    assert -6 * math.log(2) - 3 < bound <= 0


def test_options_are_kept_for_other_channels() -> None:
    grey = LocalMixtureLikelihood(3, components=2, levels=8, width=5, window=3, layers=1)
    made = grey.of_shape((1, 4, 4))
    assert made.config() == {**grey.config(), "channels": 1}


@pytest.mark.parametrize("name", KINDS)
def test_mixed_precision_leaves_log_p_alone(name: str) -> None:
    """bfloat16 in its convolutions would be off by 1e-2."""
    likelihood = trained(name).float()
    x, h = images(name).float(), said(likelihood, SHAPES[name]).float()
    exact = likelihood(h).log_prob(x)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = likelihood(h).log_prob(x)
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, exact)
