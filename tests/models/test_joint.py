"""What is special of codes beside a vector; what all share is in `test_battery.py`."""

import json
import math
from pathlib import Path

import pytest
import torch
from enumeration import all_rows, log_evidence
from small_models import chance_bound
from torch import Tensor

from discretevae.estimators import Exact
from discretevae.estimators.multisample import VIMCO
from discretevae.latents import EnumerationError
from discretevae.models import from_pretrained, pretrained
from discretevae.models.joint import JointVAE
from discretevae.networks import MLP
from discretevae.priors import CategoricalPrior, Prior

PIXELS, D, K, L = 4, 2, 2, 1


def tiny(
    estimator: object = "exact",
    prior: Prior | None = None,
    num_continuous: int = L,
    widths: tuple[int, ...] = (),
    scale: float = 2.0,
    **options: object,
) -> JointVAE:
    prior = prior or CategoricalPrior(torch.linspace(-1, 1, D * K).view(D, K))
    sizes = D, K, num_continuous
    model = JointVAE((PIXELS,), *sizes, MLP(widths), "bernoulli", estimator, prior, **options)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(scale)  # far from the prior
    return model.double()


def pixels(*batch: int) -> Tensor:
    return torch.rand((*batch, PIXELS), dtype=torch.float64).round()


def test_a_bound_of_many_samples_of_the_code_lies_between_elbo_and_likelihood() -> None:
    """It fails by chance once in 10^6 runs."""
    model, x, many = tiny(VIMCO(20)), pixels(2), 5_000
    with torch.no_grad():
        values = model.objective(x.expand(many, 2, PIXELS))
        bound = chance_bound(values, comparisons=4)
        elbo, log_p = all_rows(model, x).elbo, log_evidence(model, x)
        assert (values.mean(0) + bound > elbo).all()
        assert (values.mean(0) - bound > elbo).any()
        assert (values.mean(0) - bound < log_p).all()


def test_the_encoder_runs_once() -> None:
    model, x = tiny(), pixels(6)
    runs = []
    model.encoder.register_forward_hook(lambda *_: runs.append(1))
    for call in (model.objective, model.elbo, model.encode, lambda x: model.log_weights(x, 3)):
        runs.clear()
        call(x)
        assert len(runs) == 1
    runs.clear()
    with model.encoded_once(x):
        model.objective(x)
        model.embedding(x)
    assert len(runs) == 1
    model.embedding(x)  # nothing is kept
    assert len(runs) == 2


def test_nothing_pretends_to_be_exact() -> None:
    model, x = tiny(), pixels(3)
    assert not model.enumerable
    with pytest.raises(EnumerationError, match=r"`model` must have discrete latents alone.* got u"):
        model.exact_log_likelihood(x)
    with pytest.raises(ValueError, match="`u` must be given"):
        model.decode_one_hot(torch.eye(K, dtype=torch.float64))
    draws = [torch.Generator().manual_seed(seed) for seed in (1, 1, 2)]
    first, again, other = (model.log_likelihood(x, generator=g) for g in draws)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([[0.0, 2.0, 0.3]], r"`codes` must lie in \[0, 2\)"),
        ([[-1.0, 0.0, 0.3]], r"`codes` must lie in \[0, 2\)"),
        ([[0.0, 0.5, 0.3]], r"`codes` must be whole numbers for z, got 0.5"),
        ([[0.0, math.nan, 0.3]], r"`codes` must be whole numbers for z, got nan"),
        ([[0.0, 0.0]], r"`codes` must end in 3 numbers \(2 of z \+ 1 of u\), got \(1, 2\)"),
    ],
)
def test_codes_that_do_not_fit_are_refused(codes: list[list[float]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny().decode(torch.tensor(codes, dtype=torch.float64))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_continuous": 0}, "`num_continuous` must be at least 1, got 0"),
        ({"num_latents": 0}, "`num_latents` must be at least 1"),
        ({"network": "tutrial"}, r"`network` must be .* \(did you mean 'tutorial'\?\)"),
        ({"free_bits": -1.0}, "`free_bits` must be .* got -1"),
        ({"free_bits": 1.0, "estimator": "vimco"}, "`free_bits` must be 0"),
        ({"beta": 0.5, "estimator": "vimco"}, "`beta` must be 1 with a multi-sample estimator"),
        (
            {"free_bits": 1.0, "prior": "autoregressive"},
            "`free_bits` must be 0",
        ),
    ],
)
def test_what_does_not_fit_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        JointVAE(**({"shape": (5,)} | arguments))


@pytest.mark.parametrize(
    "options", [{}, {"embedding_size": 3}, {"context_shape": (2,), "prior": "conditional"}]
)
def test_a_saved_model_is_loaded(
    options: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(pretrained.MODELS, "JointVAE", JointVAE)
    model, x = JointVAE((PIXELS,), D, K, 3, MLP((5,)), **options), pixels(4).float()
    c = torch.randn(4, 2) if "context_shape" in options else None
    assert json.loads(json.dumps(model.architecture())) == model.architecture()
    model.save_pretrained(tmp_path)
    again = from_pretrained(tmp_path, estimator="exact", beta=0.5)
    assert isinstance(again, JointVAE)
    assert isinstance(again.estimator, Exact)
    first, second = (m.elbo(x, 2, torch.Generator().manual_seed(0), c) for m in (model, again))
    assert torch.equal(first, second)
