"""Conditional models p(x|c), D = 2, K = 3, five pixels, whose every code is summed over by hand."""

from itertools import product
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from discretevae.models import VAE, DiscreteVAE, GaussianVAE, from_pretrained
from discretevae.networks import CNN, MLP
from discretevae.priors import ConditionalPrior

PIXELS, D, K, C = 5, 2, 3, 4
BATCHES = [(), (4,), (2, 3)]


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


def by_hand(model: DiscreteVAE, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """log p(x|z, c), log p(z|c), log q(z|x, c) of every code: each (K^D, *B)."""
    c = c.double()
    d = model.num_latents
    q = model.encoder(x, c).unflatten(-1, (d, K)).log_softmax(-1)
    prior = model.prior.network(c).unflatten(-1, (d, K)).log_softmax(-1)
    rows = []
    for code in product(range(K), repeat=d):
        z = torch.eye(K, dtype=torch.float64)[list(code)].flatten()
        h = model.decoder(torch.cat([z.expand(*c.shape[:-1], -1), c], -1))
        p = h.sigmoid()
        log_p_x = (x * p.log() + (1 - x) * (1 - p).log()).sum(-1)
        rows.append(
            (
                log_p_x,
                sum(prior[..., i, k] for i, k in enumerate(code)),
                sum(q[..., i, k] for i, k in enumerate(code)),
            )
        )
    log_p_x, log_p_z, log_q = (torch.stack(column) for column in zip(*rows, strict=True))
    return log_p_x, log_p_z, log_q


@pytest.mark.parametrize("batch", BATCHES)
def test_the_bound_and_the_likelihood_are_those_of_enumeration(batch: tuple[int, ...]) -> None:
    model, (x, c) = tiny(), pair(*batch)
    log_p_x, log_p_z, log_q = by_hand(model, x, c)
    elbo = (log_q.exp() * (log_p_x + log_p_z - log_q)).sum(0)
    log_p = (log_p_x + log_p_z).logsumexp(0)
    torch.testing.assert_close(model.objective(x, context=c), elbo)
    torch.testing.assert_close(model.exact_log_likelihood(x, context=c), log_p)
    torch.testing.assert_close(model.log_likelihood(x, context=c), log_p)
    assert bool((elbo <= log_p + 1e-12).all())


def test_the_gradient_is_that_of_enumeration() -> None:
    model, (x, c) = tiny(), pair(4)
    log_p_x, log_p_z, log_q = by_hand(model, x, c)
    expected = (log_q.exp() * (log_p_x + log_p_z - log_q)).sum()
    parameters = list(model.parameters())
    found = torch.autograd.grad(model.objective(x, context=c).sum(), parameters)
    for one, other in zip(found, torch.autograd.grad(expected, parameters), strict=True):
        torch.testing.assert_close(one, other)


class TruePosterior(nn.Module):
    """With one latent, q(z|x, c) can be p(z|x, c) itself."""

    def __init__(self, model: DiscreteVAE) -> None:
        super().__init__()
        self.model, self.truth = [model], model.encoder

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        model = self.model[0]
        model.encoder = self.truth
        log_p_x, log_p_z, _ = by_hand(model, x, c)
        model.encoder = self
        return (log_p_x + log_p_z).movedim(0, -1)


def test_the_bound_meets_the_likelihood_at_the_true_posterior() -> None:
    model, (x, c) = tiny(num_latents=1), pair(4)
    model.encoder = TruePosterior(model)
    log_p = model.exact_log_likelihood(x, context=c)
    torch.testing.assert_close(model.objective(x, context=c), log_p)


@pytest.mark.parametrize("estimator", ["exact", "reinmax", "rloo", "vimco"])
@pytest.mark.parametrize("prior", ["uniform", "learned", "conditional"])
def test_every_family_of_estimators_trains_one(estimator: str, prior: str) -> None:
    model, (x, c) = tiny(estimator=estimator, prior=prior), pair(4)
    model.objective(x, context=c).sum().backward()
    assert all(p.grad is not None for p in model.encoder.parameters())


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("kind", [DiscreteVAE, GaussianVAE])
def test_all_methods_take_the_context(kind: type[VAE], batch: tuple[int, ...]) -> None:
    model = kind((PIXELS,), 2, network=MLP((6,)), context_shape=(C,)).double()
    x, c = pair(*batch)
    for figure in (
        model.objective(x, context=c),
        model.elbo(x, 3, context=c),
        model.log_likelihood(x, 5, context=c),
    ):
        assert figure.shape == batch
    assert model.reconstruct(x, c).shape == x.shape
    assert model.embedding(x, c).shape[:-1] == batch


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


def test_images_are_contexts_too() -> None:
    model = DiscreteVAE((1, 8, 8), 2, 3, CNN((4,)), context_shape=(1, 8, 8), prior="conditional")
    x = torch.rand(5, 1, 8, 8).round()
    assert model.elbo(x, context=torch.rand(5, 1, 8, 8)).shape == (5,)


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


def test_free_bits_change_the_objective_and_never_the_bound() -> None:
    model, (x, c) = tiny(free_bits=5.0), pair(4)
    plain = tiny()
    difference = model.objective(x, context=c) - plain.objective(x, context=c)
    kl = plain.prior.kl(plain.logits(x, c), c.double())
    assert bool((kl.mean(0) < 5).all())
    torch.testing.assert_close(difference, kl.sum(-1) - 5.0 * D)
    same = [m.elbo(x, 1, torch.Generator().manual_seed(0), c) for m in (model, plain)]
    assert torch.equal(*same)


@pytest.mark.parametrize("free_bits", [-1.0, float("nan"), float("inf")])
def test_free_bits_out_of_range_are_refused(free_bits: float) -> None:
    with pytest.raises(ValueError, match="`free_bits` must be a finite number of at least 0"):
        DiscreteVAE((PIXELS,), free_bits=free_bits)


def test_free_bits_need_a_kl_of_each_latent() -> None:
    with pytest.raises(ValueError, match="`free_bits` must be 0 where the objective has no KL"):
        DiscreteVAE((PIXELS,), estimator="vimco", free_bits=1.0)
