"""Every prior inside a model; against enumeration it is in `tests/models/test_battery.py`."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from discretevae.estimators import ESTIMATORS
from discretevae.estimators.multisample import MULTISAMPLE_ESTIMATORS
from discretevae.models import DiscreteVAE
from discretevae.networks import MLP
from discretevae.priors import PRIORS, BoltzmannPrior, FactorisedPrior, Prior

PIXELS, D, CONTEXT = 4, 3, 2
ESTIMATED = "boltzmann, log Z estimated"
NAMES = [*PRIORS, ESTIMATED]
SMALL = {
    "pixelcnn": {"width": 8, "layers": 2},
    "transformer": {"width": 8, "layers": 1},
}
COUPLED = ("autoregressive", "pixelcnn", "transformer", ESTIMATED)
sizes = pytest.mark.parametrize("num_categories", [2, 3])


def model_with(
    name: str, num_categories: int, estimator: str = "exact", num_latents: int = D
) -> DiscreteVAE:
    torch.manual_seed(2)
    prior: dict[str, object] | Prior = {"kind": name} | SMALL.get(name, {})
    if name == ESTIMATED:
        prior = BoltzmannPrior(num_latents, num_categories, chains=20, budget=1)
    model = DiscreteVAE(
        (PIXELS,),
        num_latents,
        num_categories,
        MLP((5,)),
        estimator=estimator,
        prior=prior,
        context_shape=(CONTEXT,) if name == "conditional" else None,
    ).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
        for parameter in model.prior.parameters():
            parameter.normal_()
    return model


def data(model: DiscreteVAE, count: int = 5) -> tuple[Tensor, Tensor | None]:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(count, PIXELS, dtype=torch.float64, generator=generator).round()
    if model.context_shape is None:
        return x, None
    return x, torch.eye(CONTEXT, dtype=torch.float64)[torch.arange(count) % CONTEXT]


@pytest.mark.parametrize("name", NAMES)
@sizes
def test_a_saved_model_gives_the_same_figures(
    name: str, num_categories: int, tmp_path: Path
) -> None:
    model = model_with(name, num_categories).eval()
    x, context = data(model)
    expected = model.exact_log_likelihood(x, context=context)
    model.save_pretrained(tmp_path)
    again = DiscreteVAE.from_pretrained(tmp_path)
    assert torch.equal(again.exact_log_likelihood(x, context=context), expected)
    assert again.prior.config() == model.prior.config()
    draws = [m.sample_codes(5, torch.Generator().manual_seed(0), context) for m in (model, again)]
    assert torch.equal(*draws)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("estimator", MULTISAMPLE_ESTIMATORS)
def test_importance_weighted_objectives_train_the_prior(name: str, estimator: str) -> None:
    model = model_with(name, 3, estimator)
    x, context = data(model)
    objective = model.objective(x, torch.Generator().manual_seed(0), context)
    assert objective.shape == (5,)
    objective.sum().backward()
    assert objective.isfinite().all()
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
        assert parameter.grad.abs().max() > 0


@pytest.mark.parametrize("name", [n for n in NAMES if n in COUPLED])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_estimator_trains_a_prior_that_couples(name: str, estimator: str) -> None:
    model = model_with(name, 2, estimator)
    x, _ = data(model)
    assert not isinstance(model.prior, FactorisedPrior)
    objective = model.objective(x, torch.Generator().manual_seed(0))
    objective.sum().backward()
    assert objective.isfinite().all()
    for parameter in (*model.encoder.parameters(), *model.prior.parameters()):
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
        assert parameter.grad.abs().max() > 0


def test_the_bound_rises_where_the_posterior_couples_the_latents() -> None:
    """Pixels that copy both latents, two of four pairs in use: 2 log 2 falls to log 2."""
    x = torch.tensor([[0.0, 0.0], [1.0, 1.0]], dtype=torch.float64).repeat(1, 2)
    bounds = {}
    for name in ("learned", "autoregressive", "boltzmann", "pixelcnn", "transformer"):
        torch.manual_seed(0)
        prior = {"kind": name} | SMALL.get(name, {})
        model = DiscreteVAE((4,), 2, 2, MLP(()), estimator="exact", prior=prior).double()
        with torch.no_grad():
            sign = torch.tensor([-1.0, 1.0], dtype=torch.float64)
            encoder, decoder = model.encoder[1], model.decoder[0]
            for layer in (encoder, decoder):
                layer.weight.zero_()
                layer.bias.zero_()
            for latent in range(2):
                pair, pixels = slice(2 * latent, 2 * latent + 2), [latent, latent + 2]
                encoder.weight[pair, latent] = 30 * sign
                encoder.bias[pair] = -15 * sign
                decoder.weight[pixels, pair] = 15 * sign
        optimizer = torch.optim.Adam(model.prior.parameters(), 0.05)
        for _ in range(150):
            optimizer.zero_grad()
            (-model.objective(x).mean()).backward()
            optimizer.step()
        bounds[name] = model.objective(x).mean().item()
    assert bounds["learned"] == pytest.approx(-2 * 0.6931, abs=0.02)
    for name in ("autoregressive", "boltzmann", "pixelcnn", "transformer"):
        assert bounds[name] == pytest.approx(-0.6931, abs=0.05), name
