"""What is special of conditional models p(x|c); what all share is in `test_battery.py`."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from discretevae.models import DiscreteVAE, from_pretrained
from discretevae.networks import MLP
from discretevae.priors import ConditionalPrior

PIXELS, D, K, C = 5, 2, 3, 4


def tiny(num_latents: int = D, estimator: str = "exact", **options: object) -> DiscreteVAE:
    torch.manual_seed(0)
    options = {"prior": "conditional", "context_shape": (C,), **options}
    model = DiscreteVAE(
        (PIXELS,), num_latents, K, MLP((6,)), estimator=estimator, **options
    ).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)
    return model


def pair(*batch: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    x = torch.rand((*batch, PIXELS), dtype=torch.float64).round()
    context = nn.functional.one_hot(torch.randint(C, batch), C).float()
    return x, context


@pytest.mark.parametrize("estimator", ["exact", "reinmax", "rloo", "vimco"])
@pytest.mark.parametrize("prior", ["uniform", "learned", "conditional"])
def test_every_family_of_estimators_trains_one(estimator: str, prior: str) -> None:
    model, (x, c) = tiny(estimator=estimator, prior=prior), pair(4)
    model.objective(x, context=c).sum().backward()
    assert all(p.grad is not None for p in model.encoder.parameters())


def test_samples_are_of_one_context_or_of_one_each() -> None:
    model = tiny()
    c = torch.eye(C)
    assert model.sample(3, context=c[0]).shape == (3, PIXELS)
    assert model.sample(C, context=c).shape == (C, PIXELS)
    with pytest.raises(ValueError, match=r"`context` must have shape \(3, 4\), got \(4, 4\)"):
        model.sample(3, context=c)


@pytest.mark.parametrize(
    ("context", "message"),
    [
        (None, "got none"),
        (torch.zeros(4, C + 1), r"must have shape \(4, 4\), got \(4, 5\)"),
        (torch.zeros(3, C), r"must have shape \(4, 4\), got \(3, 4\)"),
    ],
)
def test_a_context_of_another_width_is_refused(context: Tensor | None, message: str) -> None:
    model, (x, _) = tiny(), pair(4)
    with pytest.raises(ValueError, match=message):
        model.elbo(x, context=context)


def test_a_context_for_a_model_without_a_condition_is_refused() -> None:
    with pytest.raises(ValueError, match="the model has no condition"):
        DiscreteVAE((PIXELS,)).elbo(torch.zeros(2, PIXELS), context=torch.zeros(2, C))


def test_a_conditional_prior_needs_a_condition() -> None:
    with pytest.raises(ValueError, match="`context_features` must be at least 1, got 0"):
        DiscreteVAE((PIXELS,), prior="conditional")
    with pytest.raises(ValueError, match="`context` must be given to a conditional prior"):
        ConditionalPrior(D, K, C).sample(3)


@pytest.mark.parametrize("embedding_size", [None, 2])
def test_a_saved_model_is_the_same_model(embedding_size: int | None, tmp_path: Path) -> None:
    model, (x, c) = tiny(embedding_size=embedding_size), pair(4)
    model.save_pretrained(tmp_path)
    loaded = from_pretrained(tmp_path)
    assert isinstance(loaded, DiscreteVAE)
    assert torch.equal(
        loaded.exact_log_likelihood(x, context=c), model.exact_log_likelihood(x, context=c)
    )


def test_the_encoder_runs_once_only_for_the_same_context() -> None:
    model, (x, c) = tiny(), pair(4)
    with model.encoded_once(x, c):
        once = model.logits(x, c)
        assert model.logits(x, c).data_ptr() == once.data_ptr()
        assert not torch.equal(model.logits(x, c.roll(1, -1)), once)


@pytest.mark.parametrize("free_bits", [-1.0, float("nan"), float("inf")])
def test_free_bits_out_of_range_are_refused(free_bits: float) -> None:
    with pytest.raises(ValueError, match="`free_bits` must be a finite number of at least 0"):
        DiscreteVAE((PIXELS,), free_bits=free_bits)


def test_free_bits_need_a_kl_of_each_latent() -> None:
    with pytest.raises(ValueError, match="`free_bits` must be 0 where the objective has no KL"):
        DiscreteVAE((PIXELS,), estimator="vimco", free_bits=1.0)
