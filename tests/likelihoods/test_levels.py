"""The categorical of levels against torch's own."""

import torch
from torch.nn.functional import cross_entropy

from discretevae.likelihoods import LevelsLikelihood
from discretevae.likelihoods.levels import LevelDistribution
from discretevae.models import DiscreteVAE
from discretevae.networks import CNN


def test_it_is_cross_entropy_over_the_levels() -> None:
    p = LevelsLikelihood(event_dims=3)
    torch.nn.init.normal_(p.bias)
    h, k = torch.randn(4, *p.output_shape((3, 2, 5))), torch.randint(256, (4, 3, 2, 5))
    logits = h.view(4, 256, 3, 2, 5) + p.bias.view(256, 1, 1, 1)
    truth = -cross_entropy(logits, k, reduction="none").flatten(1).sum(1)
    torch.testing.assert_close(p(h).log_prob(k / 255), truth)


def test_mean_and_mode_are_those_of_the_table() -> None:
    logits = torch.randn(5, 256, dtype=torch.float64)
    p, values = LevelDistribution(logits), torch.arange(256, dtype=torch.float64) / 255
    torch.testing.assert_close(p.mean, (logits.softmax(-1) * values).sum(-1))
    assert torch.equal(p.mode, values[logits.argmax(-1)])


def test_draws_are_as_frequent_as_they_are_probable() -> None:
    """Each of 4 shares of 10⁵ draws within 5σ: a false alarm in 10⁶, an error of 0.8 % is seen."""
    logits = torch.tensor([0.0, 1.0, -1.0, 0.5])
    x = LevelDistribution(logits).sample((100_000,))
    share = torch.stack([(x * 3).round().eq(k).float().mean() for k in range(4)])
    p = logits.softmax(-1)
    assert ((share - p).abs() < 5 * (p * (1 - p) / len(x)).sqrt()).all()


def test_gradients_are_finite_where_logits_are_huge() -> None:
    h = (1e30 * torch.randn(2 * 256)).requires_grad_()
    log_p = LevelsLikelihood()(h).log_prob(torch.tensor([0.2, 1.0]))
    assert log_p.isfinite()
    assert torch.autograd.grad(log_p, h)[0].isfinite().all()


def test_it_starts_at_the_frequencies() -> None:
    x = torch.tensor([[0.0, 1.0], [0.0, 0.5], [0.5, 1.0]])
    p = LevelsLikelihood(levels=3)
    assert p.untouched
    logits = p.symbol_logits(p(p.start(x)))
    shares = torch.tensor([[2.5, 1.5, 0.5], [0.5, 1.5, 2.5]]) / 4.5
    torch.testing.assert_close(logits.softmax(-1), shares)
    torch.testing.assert_close(p.bias.exp(), shares.mean(0))
    assert not p.untouched


def test_a_new_model_starts_at_the_levels_of_each_channel() -> None:
    x = torch.randint(4, (50, 2, 4, 4)) / 3
    x[:, 1] = 1.0
    p = LevelsLikelihood(3, levels=4)
    model = DiscreteVAE((2, 4, 4), 2, 3, CNN((4,)), p)
    with torch.no_grad():
        model.decoder.body[-1].weight.zero_()
    model.start_at(x)
    codes = torch.zeros(1, 2, dtype=torch.int64)
    shares = p.symbol_logits(model.decode(codes)).softmax(-1)
    assert shares[0, 1, :, :, 3].min() > 0.95
    assert (shares[0, 0] - 0.25).abs().max() < 0.1
