"""Models trained on the S-sample bound: its exact gradients, what is refused, what stays."""

from itertools import product
from pathlib import Path
from statistics import NormalDist
from typing import Any

import pytest
import torch
from torch import Tensor

from discretevae.data import load
from discretevae.estimators.multisample import (
    IWAE,
    MULTISAMPLE_ESTIMATORS,
    VIMCO,
    MultiSampleEstimator,
)
from discretevae.latents import categorical
from discretevae.models import DiscreteVAE, from_pretrained
from discretevae.models.coded import KINDS
from discretevae.networks import MLP
from discretevae.priors import CategoricalPrior
from discretevae.training import TrainingOptions, train

PIXELS, D, K = 5, 2, 3


def tiny(estimator: str | MultiSampleEstimator, **options: object) -> DiscreteVAE:
    prior = CategoricalPrior(torch.linspace(-1, 1, D * K).view(D, K))
    model = DiscreteVAE((PIXELS,), D, K, MLP((4,)), "bernoulli", estimator, prior, **options)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)  # far from uniform
    return model.double()


def pixels(*batch: int) -> Tensor:
    return torch.rand((*batch, PIXELS), dtype=torch.float64).round()


def bound_by_hand(model: DiscreteVAE, x: Tensor, samples: int) -> Tensor:
    """The sum over all tuples of codes, in probabilities, for one example x."""
    q = model.encoder(x).view(D, K).softmax(-1)
    prior = model.prior.logits.softmax(-1)
    probability, weight = [], []
    for code in product(range(K), repeat=D):
        z = torch.eye(K, dtype=torch.float64)[list(code)].flatten()
        p = model.decoder(z).sigmoid()
        q_z = torch.stack([q[d, k] for d, k in enumerate(code)]).prod()
        p_z = torch.stack([prior[d, k] for d, k in enumerate(code)]).prod()
        probability.append(q_z)
        weight.append((x * p + (1 - x) * (1 - p)).prod() * p_z / q_z)
    return sum(
        torch.stack([probability[i] for i in chosen]).prod()
        * torch.stack([weight[i] for i in chosen]).mean().log()
        for chosen in product(range(K**D), repeat=samples)
    )


def gradients(value: Tensor, model: DiscreteVAE) -> Tensor:
    return torch.cat([g.flatten() for g in torch.autograd.grad(value, list(model.parameters()))])


def worst_deviation(model: DiscreteVAE, x: Tensor, samples: int) -> float:
    """How far value and gradients of all weights stray, as a multiple of what chance allows.

    Above 1 by chance once in 10^6 runs: 200 means over 500 replicates each.
    """
    exact = bound_by_hand(model, x, samples)
    truth = torch.cat([exact.detach()[None], gradients(exact, model)])
    generator = torch.Generator().manual_seed(1)
    means = []
    for _ in range(200):
        value = model.objective(x.expand(500, PIXELS), generator).mean()
        means.append(torch.cat([value.detach()[None], gradients(value, model)]))
    drawn = torch.stack(means)
    quantile = NormalDist().inv_cdf(1 - 1e-6 / 2 / len(truth))
    bound = quantile * drawn.std(0) / len(drawn) ** 0.5
    assert bound[1:].max() < 0.1 * truth[1:].abs().max(), "too few replicates to see 10 %"
    return float(((drawn.mean(0) - truth).abs() / bound.clamp_min(1e-12)).max())


@pytest.mark.parametrize("estimator", [IWAE(2, baseline=-3.0), IWAE(2), VIMCO(2), VIMCO(3)])
def test_the_objective_has_the_exact_bound_and_gradients(estimator: MultiSampleEstimator) -> None:
    """It fails by chance once in 10^6 runs; a bias of 10 % of the largest does not pass."""
    assert worst_deviation(tiny(estimator), pixels(), estimator.samples) < 1


class _WithoutTheGraphOfQ(VIMCO):
    def __call__(self, log_weight: Any, logits: Tensor, generator: Any = None) -> Tensor:
        def still(z: Tensor) -> Tensor:
            log_q = categorical.log_prob(z, logits)
            return log_weight(z) + (log_q - log_q.detach())

        return super().__call__(still, logits, generator)


def test_a_log_q_without_its_graph_is_caught() -> None:
    model, x = tiny(_WithoutTheGraphOfQ(2)), pixels()
    assert worst_deviation(model, x, 2) > 1.5


@pytest.mark.parametrize("batch", [(), (4,), (2, 4)])
@pytest.mark.parametrize("name", MULTISAMPLE_ESTIMATORS)
def test_shapes_and_what_is_reported(name: str, batch: tuple[int, ...]) -> None:
    """ELBO, log-likelihood and log-weights are those of a model with any other estimator."""
    model, x = tiny(name), pixels(*batch)
    assert model.objective(x).shape == batch
    other = tiny("rloo")
    other.load_state_dict(model.state_dict(), strict=False)
    for figure in ("elbo", "log_likelihood"):
        ours, theirs = (
            getattr(m, figure)(x, 3, torch.Generator().manual_seed(2)) for m in (model, other)
        )
        assert torch.equal(ours, theirs)


def test_the_value_is_the_importance_weighted_bound_of_the_same_samples() -> None:
    model, x = tiny(VIMCO(5)), pixels(6)
    found, expected = (
        draw(generator=torch.Generator().manual_seed(2))
        for draw in (
            lambda generator: model.objective(x, generator),
            lambda generator: model.log_likelihood(x, 5, generator),
        )
    )
    torch.testing.assert_close(found, expected)


def test_names_of_both_families_are_looked_up_in_one_place() -> None:
    assert isinstance(tiny("vimco").estimator, VIMCO)
    assert isinstance(tiny("iwae").estimator, IWAE)
    assert {"rloo", "vimco", "iwae"} <= set(KINDS)
    with pytest.raises(ValueError, match=r"`estimator` .* \(did you mean 'vimco'\?\)"):
        tiny("vimko")


@pytest.mark.parametrize("beta", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("name", MULTISAMPLE_ESTIMATORS)
def test_a_weighted_kl_is_refused(name: str, beta: float) -> None:
    message = rf"`beta` must be 1 with a multi-sample estimator.* got {beta}"
    with pytest.raises(ValueError, match=message):
        tiny(name, beta=beta)
    model = tiny(name)
    model.beta = beta
    with pytest.raises(ValueError, match=message):
        model.objective(pixels(3))
    assert model.elbo(pixels(3)).shape == (3,)


@pytest.mark.parametrize("beta", ["0:1", "1:0.5:3", 2.0])
def test_a_scheduled_weight_is_refused_before_anything_is_written(
    beta: str | float, tmp_path: Path
) -> None:
    data = load("digits", binarize="fresh", limit=20)
    model = DiscreteVAE(data.shape, D, K, MLP((4,)), estimator="vimco")
    with pytest.raises(ValueError, match=r"`beta` must be 1 .*VIMCO"):
        train(model, data, TrainingOptions(beta=beta, accelerator="cpu"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", MULTISAMPLE_ESTIMATORS)
def test_saved_models_are_loaded_for_training_on(name: str, tmp_path: Path) -> None:
    model = tiny(name)
    model.save_pretrained(tmp_path)
    assert not isinstance(from_pretrained(tmp_path).estimator, MultiSampleEstimator)
    loaded = from_pretrained(tmp_path, estimator=name)
    assert isinstance(loaded.estimator, MULTISAMPLE_ESTIMATORS[name])
    loaded.objective(pixels(3)).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in loaded.parameters())
    with pytest.raises(ValueError, match="`beta` must be 1"):
        from_pretrained(tmp_path, estimator=name, beta=0.5)


@pytest.mark.parametrize("name", MULTISAMPLE_ESTIMATORS)
def test_mixed_precision_keeps_the_bound_in_float32(name: str) -> None:
    model, x = tiny(name).float(), pixels(8).float()

    def objective() -> Tensor:
        return model.objective(x, torch.Generator().manual_seed(0))

    codes = categorical.sample(torch.zeros(8, D, K), 5, torch.Generator().manual_seed(0))
    with pytest.MonkeyPatch.context() as patch:  # rounded logits could draw another code
        patch.setattr(categorical, "sample", lambda *_: codes)
        full = objective()
        with torch.autocast("cpu", torch.bfloat16):
            mixed = objective()
    mixed.mean().backward()
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, full, rtol=0.02, atol=0.1)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_a_few_steps_raise_the_bound() -> None:
    """40 steps on one batch; the margin is far from the noise of 64 images."""
    x = load("digits", limit=80).train.values(slice(0, 64)).round()
    model = DiscreteVAE(tuple(x.shape[1:]), 4, 8, MLP((16,)), estimator=VIMCO(samples=8))
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    generator = torch.Generator().manual_seed(0)
    objectives = []
    for _ in range(40):
        optimizer.zero_grad()
        objective = model.objective(x, generator).mean()
        (-objective).backward()
        optimizer.step()
        objectives.append(float(objective.detach()))
    assert objectives[-1] > objectives[0] + 5
