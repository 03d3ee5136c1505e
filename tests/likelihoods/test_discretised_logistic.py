"""The mass of every level against the logistic function in 50 digits, at every m and s."""

import math
from decimal import Decimal, localcontext
from itertools import product

import pytest
import torch
from torch import Tensor

from discretevae.likelihoods import DiscretisedLogisticLikelihood
from discretevae.likelihoods.discretised_logistic import LEAST, DiscretisedLogistic
from discretevae.models import DiscreteVAE
from discretevae.networks import CNN, MLP

LOCATIONS = [0.0, 0.3, 1.0, 0.99999, -1.0, 2.0, -30.0, 1e3, -1e6, 1e30, -1e30]
SCALES = [0.0, -2.0, -4.0, 2.0, 5.0, -10.0, 10.0, 20.0, 88.0, -100.0, 1e3, -1e3, 1e30, -1e30]
K = torch.arange(256)[:, None] / 255


def leaf(location: float, log_scale: float, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.tensor([location, log_scale], dtype=dtype).requires_grad_()


@pytest.mark.parametrize(("location", "log_scale"), [*product(LOCATIONS, SCALES)])
def test_the_mass_is_one_and_all_is_finite(location: float, log_scale: float) -> None:
    h, p = leaf(location, log_scale), DiscretisedLogisticLikelihood()
    log_p = p(h).log_prob(K)
    assert log_p.isfinite().all()
    assert float(log_p.detach().double().exp().sum()) == pytest.approx(1, abs=1e-6)
    for level in (0, 1, 100, 254, 255):
        gradients = torch.autograd.grad(log_p[level], [h, p.log_scale], retain_graph=True)
        assert all(gradient.isfinite().all() for gradient in gradients)


def sigmoid(x: Decimal) -> Decimal:
    return 1 / (1 + (-x).exp())


def truth(m: float, log_s: float, k: int, levels: int) -> float:
    with localcontext() as context:
        context.prec, s = 50, Decimal(log_s).exp()
        a, b = ((k + half - Decimal(m)) / s for half in (Decimal("0.5"), Decimal("-0.5")))
        # of 1 − σ where both are near 1, so that 50 digits are enough
        low, high = (-a, -b) if b > 0 else (b, a)
        mass = sigmoid(high) - sigmoid(low)
        if k == 0:
            mass = sigmoid(a)
        if k == levels - 1:
            mass = sigmoid(-b)
        return float(mass.ln())


@pytest.mark.parametrize("m", [0.0, 2.5, 3.0, 7.0, -20.0, 40.0])
@pytest.mark.parametrize("log_s", [math.log(LEAST), -1.0, 0.0, 1.0, 6.9, 7.1, 12.0, 30.0])
def test_each_level_has_the_mass_between_its_edges(m: float, log_s: float) -> None:
    p = DiscretisedLogistic(*torch.tensor([[m], [log_s]], dtype=torch.float64), levels=8)
    found = p.log_prob_of_level(torch.arange(8.0).double())
    exact = torch.tensor([truth(m, log_s, k, 8) for k in range(8)], dtype=torch.float64)
    torch.testing.assert_close(found, exact, rtol=1e-12, atol=1e-13)


def test_gradients_are_those_of_finite_differences() -> None:
    k = torch.arange(8.0).double()
    m, log_s = torch.linspace(-3, 10, 8).double(), torch.linspace(-3, 8, 8).double()

    def log_p(m: Tensor, log_s: Tensor) -> Tensor:
        return DiscretisedLogistic(m, log_s, levels=8).log_prob_of_level(k)

    torch.autograd.gradcheck(log_p, (m.requires_grad_(), log_s.requires_grad_()))


def test_the_decoder_says_location_and_scale_of_each_dimension() -> None:
    p = DiscretisedLogisticLikelihood(event_dims=3)
    torch.nn.init.constant_(p.log_scale, 0.3)
    assert p.output_shape((3, 4, 5)) == (6, 4, 5)
    h, k = torch.rand(2, 6, 4, 5), torch.randint(256, (2, 3, 4, 5))
    m, s = 255 * (1 + h[:, :3]) / 2, 255 / 8 * (h[:, 3:] + 0.3).exp() + LEAST
    upper, lower = (torch.sigmoid((k + half - m).double() / s.double()) for half in (0.5, -0.5))
    mass = upper.masked_fill(k == 255, 1) - lower.masked_fill(k == 0, 0)
    torch.testing.assert_close(p(h).log_prob(k / 255).double(), mass.log().flatten(1).sum(1))


@pytest.mark.parametrize("m", [-5.0, 0.2, 3.4, 7.0, 12.0])
@pytest.mark.parametrize("log_s", [-4.0, -1.0, 1.0, 4.0])
def test_mean_mode_and_draws_are_those_of_the_table(m: float, log_s: float) -> None:
    """Draws: each of 8 shares within 5.5σ, a false alarm in 10⁶ of all, 2 % is seen."""
    p = DiscretisedLogistic(*torch.tensor([m, log_s], dtype=torch.float64), levels=8)
    k = torch.arange(8.0).double()
    mass = p.log_prob_of_level(k).exp()
    torch.testing.assert_close(p.mean, (mass * k).sum() / 7)
    assert float(mass[int((p.mode * 7).round())]) == pytest.approx(float(mass.max()))
    x = p.sample((20_000,))
    share = torch.stack([(x * 7).round().eq(level).double().mean() for level in k])
    assert ((share - mass).abs() <= 5.5 * (mass * (1 - mass) / len(x)).sqrt() + 1e-9).all()


@pytest.mark.parametrize("log_scale", [-1e3, 1e3])
def test_draws_are_levels_at_every_scale(log_scale: float) -> None:
    p = DiscretisedLogisticLikelihood()
    x = p(leaf(0.1, log_scale).detach()).sample((1000,))
    p.check(x)
    assert (x * 255).round().unique().tolist() == ([0, 255] if log_scale > 0 else [140])


def test_where_it_starts_no_other_location_or_scale_is_better() -> None:
    x = torch.randn(400, 3) * torch.tensor([3.0, 20.0, 60.0]) + torch.tensor([9.0, 100.0, 250.0])
    x = x.round().clamp(0, 255) / 255
    p = DiscretisedLogisticLikelihood()
    h = p.start(x)
    best = p(h).log_prob(x).mean()
    for i, step in product(range(6), (-0.2, 0.2)):
        other = h.clone()
        other[i] += step
        assert p(other).log_prob(x).mean() < best + 0.02  # what half an example costs


def test_constant_dimensions_start_with_a_scale_above_none() -> None:
    """A test value that training has not seen has a probability: half an example is anywhere."""
    p = DiscretisedLogisticLikelihood()
    log_p = p(p.start(torch.full((100, 2), 0.2))).log_prob(torch.tensor([0.2, 1.0]))
    assert -1000 < float(log_p) < -3


@pytest.mark.parametrize("network", [CNN((4,)), MLP((8,))], ids=["cnn", "mlp"])
def test_a_new_model_starts_where_the_data_are(network: CNN | MLP) -> None:
    x = torch.stack([torch.full((2, 4, 4), 51.0), torch.full((2, 4, 4), 71.0)]) / 255
    x[:, 1] += 100 / 255
    p = DiscretisedLogisticLikelihood(3)
    model = DiscreteVAE((2, 4, 4), 2, 3, network, p)
    with torch.no_grad():
        last = model.decoder.body[-1] if isinstance(network, CNN) else model.decoder[-2]
        last.weight.zero_()
    model.start_at(x.repeat(50, 1, 1, 1))
    mean = 255 * model.decode(torch.zeros(1, 2, dtype=torch.int64)).mean
    assert (mean - torch.tensor([61.0, 161.0]).view(2, 1, 1)).abs().max() < 2
    before = [parameter.clone() for parameter in model.parameters()]
    model.start_at(x)  # as one that has begun already, it stays
    assert all(map(torch.equal, before, model.parameters()))
