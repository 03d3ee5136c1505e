"""Models that version 0.1.0 saved load, and say what they said then: `make.py` wrote them."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fixture_figures import certain_figures, conditions, drawn_figures, mean_and_error
from torch import Tensor

import discretevae

RELATIVE, ABSOLUTE = 1e-5, 3e-5
"""Of what needs no draw: float32, sums in any order."""
ERRORS = 5.0
"""Of what is drawn, in standard errors of the difference: 6e-7 that a normal one lies beyond."""
DRAWS = 200
"""Estimates of each bound in this version; the fixtures have the means of 2000."""

SAVED = Path(__file__).parent / "saved"
NAMES = sorted(path.name for path in SAVED.iterdir())
EXACT = "exact_log_likelihood"

Figures = Mapping[str, np.ndarray]


def expected(name: str) -> tuple[dict[str, Tensor], dict[str, np.ndarray]]:
    """What the model was asked about, and what it said."""
    with np.load(SAVED / name / "expected.npz") as file:
        arrays = dict(file)
    given = {
        key.removeprefix("given_"): torch.from_numpy(arrays.pop(key))
        for key in list(arrays)
        if key.startswith("given_")
    }
    return given, arrays


def certain(said: Figures) -> dict[str, np.ndarray]:
    """What needed no draw."""
    return {k: v for k, v in said.items() if not k.endswith(("_mean", "_error"))}


def differences(found: Mapping[str, Tensor], said: Figures) -> list[str]:
    """Names the figures that are not what they were."""
    return [name for name, value in said.items() if not alike(found[name].numpy(), value)]


def alike(found: np.ndarray, said: np.ndarray) -> bool:
    if found.shape != said.shape or found.dtype != said.dtype:
        return False
    return bool(np.allclose(found, said, RELATIVE, ABSOLUTE, equal_nan=True))


def within_error(found: Mapping[str, Tensor], said: Figures, mode: str) -> dict[str, float]:
    """Name → the largest deviation in standard errors, of those that are too large."""
    beyond = {}
    for name, estimates in found.items():
        mean, error = mean_and_error(estimates)
        was, its_error = said[f"{mode}_{name}_mean"], said[f"{mode}_{name}_error"]
        rounding = ABSOLUTE + RELATIVE * np.abs(was)
        deviation = np.maximum(np.abs(mean - was) - rounding, 0)
        in_errors = float((deviation / (np.hypot(error, its_error) + 1e-12)).max())
        if not in_errors <= ERRORS:
            beyond[name] = in_errors
    return beyond


def test_there_are_fixtures_of_every_kind_of_model_prior_likelihood_and_network() -> None:
    configs = [json.loads((SAVED / name / "config.json").read_text()) for name in NAMES]
    likelihoods = [c["likelihood"] for c in configs]
    assert {c["model"] for c in configs} == {
        *("DiscreteVAE", "GaussianVAE", "HierarchicalVAE", "JointVAE", "SemiSupervisedVAE")
    }
    assert {c["prior"]["kind"] for c in configs if "prior" in c} == {
        *("uniform", "learned", "categorical", "conditional", "autoregressive", "boltzmann")
    }
    assert {k if isinstance(k, str) else k["kind"] for k in likelihoods} == {
        *("bernoulli", "bernoulli-grey", "continuous-bernoulli", "gaussian", "columns", "tokens")
    }
    assert {c["network"]["kind"] for c in configs} == {
        *("mlp", "cnn", "group-norm-cnn", "columns", "text")
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_model_says_what_it_said(name: str) -> None:
    given, said = expected(name)
    model = discretevae.from_pretrained(SAVED / name)
    assert type(model).__name__ == json.loads((SAVED / name / "config.json").read_text())["model"]
    assert not model.training
    assert differences(certain_figures(model, given), certain(said)) == []


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("name", NAMES)
def test_bounds_are_equal_within_their_errors_and_below_the_exact_value(
    name: str, mode: str
) -> None:
    given, said = expected(name)
    if not any(key.startswith(mode) for key in said):
        pytest.skip("words or cells are hidden while it trains")
    model = discretevae.from_pretrained(SAVED / name).train(mode == "train")
    found = drawn_figures(model, given, DRAWS, seed=3)
    assert within_error(found, said, mode) == {}
    for bound in {"elbo", "importance_bound"} & found.keys() if EXACT in said else ():
        mean, error = mean_and_error(found[bound])
        assert (mean <= said[EXACT] + ERRORS * error + 1e-4).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_model_can_be_trained_on_and_saved_again(name: str, tmp_path: Path) -> None:
    given, said = expected(name)
    model = discretevae.from_pretrained(SAVED / name).train()
    c = conditions(given.get("context"))
    model.objective(given["x"], torch.Generator().manual_seed(0), **c).mean().backward()
    slopes = [p.grad for p in model.parameters() if p.grad is not None]
    assert slopes
    assert all(bool(slope.isfinite().all()) for slope in slopes)
    model.save_pretrained(tmp_path)
    again = discretevae.from_pretrained(tmp_path)
    assert differences(certain_figures(again, given), certain(said)) == []


def test_the_estimator_and_beta_may_be_chosen_for_training_on() -> None:
    model: Any = discretevae.from_pretrained(SAVED / "discrete-learned", estimator="rloo", beta=0.5)
    assert type(model.estimator).__name__ == "RLOO"
    assert math.isclose(model.beta, 0.5)


@pytest.mark.parametrize("name", NAMES)
def test_an_altered_weight_would_be_noticed(name: str) -> None:
    given, said = expected(name)
    model = discretevae.from_pretrained(SAVED / name)
    parts = dict(model.named_children())
    parts |= dict(getattr(model, "conditional", model).named_children())  # beside a classifier
    # Of q(z|x,y) only the most probable code shows without a draw.
    change = 0.5 if hasattr(model, "predict") else 0.05
    noticed = []
    for part in parts.values():
        weights = [p for p in part.parameters() if p.requires_grad]
        if not weights:
            continue
        before = [weight.detach().clone() for weight in weights]
        with torch.no_grad():
            for weight in weights:
                weight.add_(change * torch.linspace(-1, 1.1, weight.numel()).view(weight.shape))
            noticed.append(differences(certain_figures(model, given), certain(said)))
            for weight, value in zip(weights, before, strict=True):
                weight.copy_(value)
    assert noticed
    assert all(noticed)
