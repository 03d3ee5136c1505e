"""The mixture against sums over all pixels of few levels, and against a plain account of it."""

from itertools import product

import pytest
import torch
from torch import Tensor

from discretevae.likelihoods import DiscretisedLogisticLikelihood, LogisticMixtureLikelihood
from discretevae.models import DiscreteVAE
from discretevae.networks import CNN

LEVELS = 4


def pixels(channels: int) -> Tensor:
    """All values of one pixel, (V^C, C, 1, 1)."""
    every = [*product(range(LEVELS), repeat=channels)]
    return torch.tensor(every, dtype=torch.float64).view(-1, channels, 1, 1) / (LEVELS - 1)


def mixture(channels: int, components: int = 3) -> tuple[LogisticMixtureLikelihood, Tensor]:
    p = LogisticMixtureLikelihood(3, components, LEVELS).double()
    torch.nn.init.constant_(p.log_scale, -0.4)
    return p, torch.randn(p.output_shape((channels, 1, 1)), dtype=torch.float64)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [1.0, 30.0, 1e6])
def test_the_mass_of_all_pixels_is_one(channels: int, size: float) -> None:
    p, h = mixture(channels)
    x = pixels(channels)
    log_p = p(size * h).log_prob(x)
    assert log_p.isfinite().all()
    assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-9)
    single = p.float()((size * h).float()).log_prob(x.float())
    assert single.isfinite().all()
    assert float(single.double().exp().sum()) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("size", [1.0, 1e3, 1e6])
def test_bytes_of_the_next_channel_have_mass_one(size: float) -> None:
    p = LogisticMixtureLikelihood(3)
    h = size * torch.randn(p.output_shape((3, 2, 2)))
    x = torch.randint(256, (3, 2, 2)) / 255
    of = p(h)
    for c in range(3):
        logits = p.symbol_logits(of, x, p.turns(tuple(x.shape))[c])
        assert logits.shape == (1, 2, 2, 256)
        before = torch.zeros(2, 2) if c == 0 else given
        total = logits.double().logsumexp(-1)[0]
        torch.testing.assert_close(total, before.double(), rtol=1e-6, atol=1e-6)
        k = (x[c : c + 1] * 255).round().long().unsqueeze(-1)
        given = logits.gather(-1, k).squeeze(-1)[0]
    torch.testing.assert_close(given.sum(), of.log_prob(x))


def test_gradients_are_finite_at_every_size() -> None:
    p = LogisticMixtureLikelihood(3)
    for size in (0.0, 1.0, 1e3, 1e6, 1e20):
        h = (size * torch.randn(p.output_shape((3, 4, 4)))).requires_grad_()
        log_p = p(h).log_prob(torch.randint(256, (3, 4, 4)) / 255)
        assert log_p.isfinite()
        gradients = torch.autograd.grad(log_p, [h, p.log_scale])
        assert all(gradient.isfinite().all() for gradient in gradients)


def test_green_sees_red_and_blue_sees_both() -> None:
    """With scales that leave one level, each is where the equation of PixelCNN++ puts it."""
    p = LogisticMixtureLikelihood(3, components=1)
    h = torch.zeros(10, 1, 1)
    h[1:4, 0, 0] = torch.tensor([0.2, -0.1, 0.3])
    h[4:7] = -100
    h[7:, 0, 0] = torch.tensor([0.5, -0.25, 0.75]).atanh()
    red, green, blue = (2 * p(h).sample().flatten() - 1).tolist()
    assert red == pytest.approx(0.2, abs=1 / 255)
    assert green == pytest.approx(-0.1 + 0.5 * red, abs=1.5 / 255)
    assert blue == pytest.approx(0.3 - 0.25 * red + 0.75 * green, abs=1.5 / 255)


@pytest.mark.parametrize("event", [(5,), (3, 4), (1, 3, 4)])
def test_one_component_of_one_channel_is_the_discretised_logistic(event: tuple[int, ...]) -> None:
    mixed = LogisticMixtureLikelihood(len(event), components=1)
    alone = DiscretisedLogisticLikelihood(len(event))
    h, x = torch.randn(2, *alone.output_shape(event)), torch.randint(256, (2, *event)) / 255
    with_logits = torch.cat([torch.zeros_like(h[:, : event[0]]), h], 1)
    torch.testing.assert_close(mixed(with_logits).log_prob(x), alone(h).log_prob(x))
    torch.testing.assert_close(mixed(with_logits).mean, alone(h).mean)


@pytest.mark.parametrize("channels", [1, 3])
def test_draws_are_as_frequent_as_they_are_probable(channels: int) -> None:
    """Every share within 6σ of 20,000: a false alarm in 10⁷, an error of 2 % is seen."""
    p, h = mixture(channels)
    x, of = pixels(channels), p(h)
    mass = of.log_prob(x).exp()
    drawn = of.sample((20_000,))
    share = torch.stack([(drawn - pixel).abs().lt(0.1).all(1).double().mean() for pixel in x])
    assert ((share - mass).abs() <= 6 * (mass * (1 - mass) / len(drawn)).sqrt() + 2e-4).all()


def test_the_mean_is_exact_of_one_channel_and_near_of_three() -> None:
    p, h = mixture(1)
    x = pixels(1)
    mass = p(h).log_prob(x).exp()
    torch.testing.assert_close(p(h).mean, (mass.view(-1, 1, 1, 1) * x).sum(0))
    p = LogisticMixtureLikelihood(3, components=2)
    h = 0.3 * torch.randn(p.output_shape((3, 1, 1)))
    h[8:14] -= 2
    drawn = p(h).sample((200_000,))
    error = (drawn.mean(0) - p(h).mean).abs()
    assert (error < 5 * drawn.std(0) / len(drawn) ** 0.5 + 1 / 255).all()


def test_it_starts_with_what_a_channel_is_of_others() -> None:
    red = torch.rand(500, 1, 2, 2)
    x = torch.cat([red, 0.8 * red + 0.1 + 0.02 * torch.randn_like(red)], 1).clamp(0, 1)
    x = (255 * x).round() / 255
    p = LogisticMixtureLikelihood(3)
    assert p.untouched
    h = p.start(x)
    assert not p.untouched
    assert h.shape == p.output_shape((2, 2, 2))
    coupled = p(h).log_prob(x).mean()
    alone = DiscretisedLogisticLikelihood(3)
    assert coupled > alone(alone.start(x)).log_prob(x).mean() + 4 * 1.0  # nats of each green


def test_fewer_examples_than_components_are_enough() -> None:
    p = LogisticMixtureLikelihood(3)
    x = torch.randint(256, (3, 3, 2, 2)) / 255
    assert p(p.start(x)).log_prob(x).isfinite().all()


@pytest.mark.parametrize("likelihood", ["logistic-mixture", "discretised-logistic", "levels"])
@pytest.mark.parametrize("network", ["image", "report-cnn"])
def test_image_networks_say_all_numbers_of_a_pixel(likelihood: str, network: str) -> None:
    model = DiscreteVAE((3, 8, 8), 2, 3, network, likelihood)
    x = torch.randint(256, (2, 3, 8, 8)) / 255
    model.start_at(x)
    model.objective(x).mean().backward()
    assert all(w.grad is None or w.grad.isfinite().all() for w in model.parameters())
    assert model.reconstruct(x).shape == model.sample(2).shape == x.shape
    model.likelihood.check(model.sample(2))


def test_components_start_apart() -> None:
    x = torch.rand(60, 3, 4, 4).mul(255).round() / 255
    model = DiscreteVAE((3, 4, 4), 2, 3, CNN((4,)), LogisticMixtureLikelihood(3, components=4))
    model.start_at(x)
    of_red = model.decoder.body[-1].bias[4:8]
    assert (of_red.diff() > 0.1).all()
