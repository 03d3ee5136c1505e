"""The mean of the weights is what is measured and kept; training goes on with the weights."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from discretevae.data import Splits
from discretevae.models import DiscreteVAE
from discretevae.priors import BoltzmannPrior
from discretevae.training import TrainingOptions, prepare, train
from discretevae.training.checkpoints import read_checkpoint
from discretevae.training.weight_average import averaged

Make = Callable[..., DiscreteVAE]
SHARE = 0.7


class Noting(Callback):
    """Keeps the weights after every step."""

    def __init__(self) -> None:
        self.weights: list[dict[str, Tensor]] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        found = {name: p.detach().clone() for name, p in pl_module.model.named_parameters()}
        self.weights.append(found)


@pytest.fixture
def fast(options: TrainingOptions) -> TrainingOptions:
    """Weights that move, so that their mean is elsewhere."""
    return replace(options, learning_rate=0.03, decay="constant", weight_average=SHARE)


def test_it_is_the_mean_that_its_formula_says(
    without_validation: Splits, make_model: Make, fast: TrainingOptions
) -> None:
    noted, model = Noting(), make_model()
    train(model, without_validation, fast, callbacks=[noted])
    expected = noted.weights[0]
    for step, weights in enumerate(noted.weights[1:], 2):
        share = min(SHARE, step / (step + 9))
        expected = {n: share * expected[n] + (1 - share) * w for n, w in weights.items()}
    for name, kept in model.named_parameters():
        torch.testing.assert_close(kept, expected[name], rtol=0, atol=1e-6)
        assert kept.requires_grad
    raw = noted.weights[-1]  # which a run without a mean would have kept
    assert max(float((raw[n] - w).abs().max()) for n, w in expected.items()) > 0.01


def test_training_goes_on_with_the_weights_themselves(
    digits: Splits, make_model: Make, fast: TrainingOptions
) -> None:
    notes = Noting(), Noting()
    for noted, share in zip(notes, (SHARE, 0.0), strict=True):
        train(make_model(), digits, replace(fast, weight_average=share), callbacks=[noted])
    for one, other in zip(*(noted.weights for noted in notes), strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_what_is_measured_is_of_the_mean_and_the_checkpoint_has_both(
    digits: Splits, make_model: Make, fast: TrainingOptions, tmp_path: Path
) -> None:
    noted, model = Noting(), make_model()
    prepared = prepare(model, digits, fast, tmp_path, callbacks=[noted])
    history = prepared.fit()
    best = read_checkpoint(tmp_path / "checkpoints" / "best.ckpt")["state_dict"]
    raw = noted.weights[int(history.best["step"]) - 1]
    for name, kept in model.named_parameters():
        assert torch.equal(best[f"average.module.{name}"], kept)
        assert torch.equal(best[f"model.{name}"], raw[name])
    of_mean = prepared.module._mean_elbo(digits.validation)
    assert of_mean == pytest.approx(history.best["validation_elbo"], abs=1e-4)
    for name, parameter in prepared.module.kept.named_parameters():
        parameter.copy_(raw[name])
    assert abs(prepared.module._mean_elbo(digits.validation) - of_mean) > 0.01


def test_a_run_resumes_to_the_bit(
    digits: Splits, make_model: Make, fast: TrainingOptions, tmp_path: Path
) -> None:
    model, again = make_model(), make_model()
    history = train(model, digits, replace(fast, epochs=4), tmp_path / "whole")
    train(make_model(), digits, replace(fast, epochs=2), tmp_path / "parts")
    resumed = train(again, digits, replace(fast, epochs=4), tmp_path / "parts", resume=True)
    names = [name for name in history[0] if name != "seconds"]
    assert [[row[n] for n in names] for row in resumed] == [
        [row[n] for n in names] for row in history
    ]
    for one, other in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    plain = replace(fast, epochs=5, weight_average=0.0)
    with pytest.raises(ValueError, match="must hold weights that fit this model, got others"):
        train(make_model(), digits, plain, tmp_path / "parts", resume=True)


def test_what_is_no_weight_is_as_the_model_has_it(make_model: Make) -> None:
    model = make_model(prior=BoltzmannPrior(2, 3, chains=50, budget=1))
    mean = averaged(model, SHARE)
    for _ in range(4):
        model.objective(torch.bernoulli(torch.full((5, 1, 8, 8), 0.3))).mean().backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter))
        mean.update_parameters(model)
    buffers = dict(mean.module.named_buffers())
    assert "prior.chain_codes" in buffers
    for name, buffer in model.named_buffers():
        assert torch.equal(buffers[name], buffer), name
    codes = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    whole = mean.module.prior.log_prob_of_codes(codes).logsumexp(0)
    assert float(whole) == pytest.approx(0, abs=1e-5)  # log Z is of the mean's own weights
    priors = model.prior, mean.module.prior
    raw, own = (float(prior.exact_log_partition(2**16).detach()) for prior in priors)
    assert abs(raw - own) > 0.01


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="`weight_average` must be at least 0 and below 1, got"):
        TrainingOptions(weight_average=share)
