"""Tiny models, D = 2, K = 2, L = 1: codes are summed over, and u is integrated by quadrature."""

import json
import math
from itertools import product
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal
from torch.nn.functional import logsigmoid

from discretevae.estimators import ESTIMATORS, Exact, exact
from discretevae.estimators.multisample import VIMCO
from discretevae.latents import EnumerationError
from discretevae.latents.variables import Known
from discretevae.models import VAE, from_pretrained, pretrained
from discretevae.models.joint import JointVAE
from discretevae.networks import MLP
from discretevae.priors import CategoricalPrior, FactorisedPrior, Prior

PIXELS, D, K, L = 4, 2, 2, 1
CODES = list(product(range(K), repeat=D))
NODES, WEIGHTS = (torch.from_numpy(a) for a in np.polynomial.hermite_e.hermegauss(60))
WEIGHTS = WEIGHTS / math.sqrt(2 * math.pi)  # Σ w f(node) = E f(u), u ~ N(0, 1)


class Coupled(Prior):
    """A table of the probabilities of all codes: no product over the latents."""

    kind = "coupled"

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.tensor([[0.9, -0.5], [-1.0, 0.7]]))

    @property
    def shape(self) -> tuple[int, int]:
        return D, K

    def log_prob(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        log_p = self.table.flatten().log_softmax(0).view(K, K)
        return torch.einsum("...i,...j,ij->...", z[..., 0, :], z[..., 1, :], log_p)

    def sample(self, count: int, generator: object = None, context: object = None) -> Tensor:
        number = torch.multinomial(self.table.flatten().softmax(0), count, True)
        return torch.stack([number // K, number % K], -1)


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


def wide(model: JointVAE) -> JointVAE:
    """Makes q(u|x) wider than p(u): importance weights are then bounded."""
    last = [part for part in model.encoder.modules() if isinstance(part, nn.Linear)][-1]
    with torch.no_grad():
        last.weight[D * K + 1 :: 2] = 0
        last.bias[D * K + 1 :: 2] = 0.2
    return model


def pixels(*batch: int) -> Tensor:
    return torch.rand((*batch, PIXELS), dtype=torch.float64).round()


def log_p_x_given(
    model: JointVAE, code: tuple[int, ...], u: Tensor, x: Tensor, c: Tensor | None
) -> Tensor:
    """log p(x | z, u, c) of every value of u, (N, *B, 1)."""
    z = torch.eye(K, dtype=torch.float64)[list(code)].flatten().expand(*u.shape[:-1], -1)
    parts = [z, u] if c is None else [z, u, c.expand(*u.shape[:-1], -1)]
    h = model.decoder(torch.cat(parts, -1))
    return (x * logsigmoid(h) + (1 - x) * logsigmoid(-h)).sum(-1)


def log_p_z(model: JointVAE, code: tuple[int, ...]) -> Tensor:
    if isinstance(model.prior, Coupled):
        return model.prior.table.flatten().log_softmax(0).view(K, K)[code]
    return sum(model.prior.logits.log_softmax(-1)[d, k] for d, k in enumerate(code))


def elbo_by_hand(model: JointVAE, x: Tensor, c: Tensor | None = None, beta: float = 1.0) -> Tensor:
    """The sum over codes and quadrature over q(u|x), for the KL of u as well."""
    features = model.encoder(x) if c is None else model.encoder(x, c)
    log_q_of = features[..., : D * K].unflatten(-1, (D, K)).log_softmax(-1)
    mean, log_scale = features[..., D * K], features[..., D * K + 1]
    column = (-1, *[1] * (x.ndim - 1))
    u = mean + log_scale.exp() * NODES.view(column)
    log_ratio = Normal(mean, log_scale.exp()).log_prob(u) - Normal(0.0, 1.0).log_prob(u)
    total = -beta * (WEIGHTS.view(column) * log_ratio).sum(0)
    for code in CODES:
        log_q = sum(log_q_of[..., d, k] for d, k in enumerate(code))
        log_p_x = log_p_x_given(model, code, u.unsqueeze(-1), x, c)
        inner = (WEIGHTS.view(column) * log_p_x).sum(0) - beta * (log_q - log_p_z(model, code))
        total = total + log_q.exp() * inner
    return total


def log_p_by_hand(model: JointVAE, x: Tensor, c: Tensor | None = None) -> Tensor:
    column = (-1, *[1] * (x.ndim - 1))
    u = NODES.view(column).expand(-1, *x.shape[:-1]).unsqueeze(-1)
    parts = [
        (log_p_x_given(model, code, u, x, c) + log_p_z(model, code) + WEIGHTS.log().view(column))
        for code in CODES
    ]
    return torch.stack(parts).flatten(0, 1).logsumexp(0)


def chance_bound(values: Tensor, comparisons: int, false_alarm: float = 1e-6) -> Tensor:
    """How far the mean over the first dimension strays from the truth by chance."""
    quantile = NormalDist().inv_cdf(1 - false_alarm / 2 / comparisons)
    return quantile * values.std(0) / len(values) ** 0.5


def gradients(value: Tensor, model: JointVAE) -> Tensor:
    return torch.cat([g.flatten() for g in torch.autograd.grad(value, list(model.parameters()))])


def worst_deviation(
    model: JointVAE, x: Tensor, beta: float = 1.0, context: Tensor | None = None
) -> float:
    """How far value and gradients of all weights stray, as a multiple of what chance allows.

    Above 1 by chance once in 10^6 runs: 100 means over 400 replicates each.
    """
    exact = elbo_by_hand(model, x, context, beta)
    truth = torch.cat([exact.detach()[None], gradients(exact, model)])
    generator = torch.Generator().manual_seed(1)
    c = None if context is None else context.expand(400, *context.shape)
    means = []
    for _ in range(100):
        value = model.objective(x.expand(400, PIXELS), generator, c).mean()
        means.append(torch.cat([value.detach()[None], gradients(value, model)]))
    drawn = torch.stack(means)
    bound = chance_bound(drawn, len(truth))
    assert bound[1:].max() < 0.1 * truth[1:].abs().max(), "too few replicates to see 10 %"
    return float(((drawn.mean(0) - truth).abs() / bound.clamp_min(1e-12)).max())


@pytest.mark.parametrize("estimator", ["exact", "rloo"])
@pytest.mark.parametrize("coupled", [False, True])
@pytest.mark.parametrize("beta", [0.4, 1.0])
def test_the_objective_and_its_gradients_have_the_exact_mean(
    estimator: str, coupled: bool, beta: float
) -> None:
    """It fails by chance once in 10^6 runs; a bias of 10 % of the largest does not pass."""
    model = tiny(estimator, Coupled() if coupled else None, beta=beta)
    assert worst_deviation(model, pixels(), beta) < 1


def test_the_objective_of_a_conditional_model_has_the_exact_mean() -> None:
    """It fails by chance once in 10^6 runs."""
    model = tiny(context_shape=(2,))
    c = torch.tensor([0.7, -1.1], dtype=torch.float64)
    assert worst_deviation(model, pixels(), context=c) < 1


class _WithoutThePath(JointVAE):
    def _decode(self, known: Known) -> Tensor:
        return super()._decode(known.plus("u", known.values["u"].detach()))


def test_a_u_without_its_gradient_is_caught() -> None:
    model = tiny()
    model.__class__ = _WithoutThePath
    assert worst_deviation(model, pixels()) > 1.5


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("coupled", [False, True])
def test_the_elbo_is_unbiased_and_below_the_log_likelihood(
    conditional: bool, coupled: bool
) -> None:
    """It fails by chance once in 10^6 runs; a bias of 0.1 nats does not pass."""
    prior, shape = Coupled() if coupled else None, (2,) if conditional else None
    model = tiny("rloo", prior, scale=1.2, beta=3.0, context_shape=shape)
    x, many = pixels(3), 8_000
    c = torch.randn(3, 2, dtype=torch.float64) if conditional else None
    context = None if c is None else c.expand(many, 3, 2)
    with torch.no_grad():
        truth = elbo_by_hand(model, x, c)
        assert (truth < log_p_by_hand(model, x, c)).all()
        for samples in (1, 3):
            values = model.elbo(x.expand(many, 3, PIXELS), samples, context=context)
            bound = chance_bound(values, comparisons=3)
            assert bound.max() < 0.1
            assert ((values.mean(0) - truth).abs() <= bound).all()


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("coupled", [False, True])
def test_importance_weights_have_the_likelihood_as_their_mean(
    conditional: bool, coupled: bool
) -> None:
    """They fail by chance once in 10^6 runs; 10 % of the likelihood does not pass."""
    prior = Coupled() if coupled else None
    shape = (2,) if conditional else None
    model, x = wide(tiny(prior=prior, scale=1.2, context_shape=shape)), pixels(3)
    c = torch.randn(3, 2, dtype=torch.float64) if conditional else None
    with torch.no_grad():
        truth = log_p_by_hand(model, x, c)
        weights = model.log_weights(x, 50_000, context=c).exp()
        bound = chance_bound(weights, comparisons=3)
        assert (bound < 0.1 * truth.exp()).all()
        assert ((weights.mean(0) - truth.exp()).abs() <= bound).all()
        near = model.log_likelihood(x, 5_000, context=c)
        torch.testing.assert_close(near, truth, rtol=0, atol=0.1)


def test_the_bounds_are_in_order() -> None:
    """ELBO < IWAE(2) < IWAE(50) < log p(x), each further than chance takes it (10^-6)."""
    model, x = wide(tiny(scale=1.2)), pixels(2)
    with torch.no_grad():
        log_p, many = log_p_by_hand(model, x), x.expand(20_000, 2, PIXELS)
        levels = [elbo_by_hand(model, x)]
        for samples in (2, 50):
            values = model.log_likelihood(many[: 40_000 // samples], samples)
            bound = chance_bound(values, comparisons=4)
            assert (values.mean(0) - bound > levels[-1]).all()
            assert (values.mean(0) <= log_p + bound).all()
            levels.append(values.mean(0))
        assert ((log_p - levels[-1]) < 0.5 * (log_p - levels[0])).all()


def test_a_bound_of_many_samples_of_the_code_lies_between_elbo_and_likelihood() -> None:
    """It fails by chance once in 10^6 runs."""
    model, x, many = tiny(VIMCO(20)), pixels(2), 5_000
    with torch.no_grad():
        values = model.objective(x.expand(many, 2, PIXELS))
        bound = chance_bound(values, comparisons=4)
        elbo, log_p = elbo_by_hand(model, x), log_p_by_hand(model, x)
        assert (values.mean(0) + bound > elbo).all()
        assert (values.mean(0) - bound > elbo).any()
        assert (values.mean(0) - bound < log_p).all()


def test_both_kl_are_weighted_in_the_objective_alone() -> None:
    x, draws = pixels(5), torch.Generator
    model = tiny(beta=0.0)

    def figures(beta: float) -> tuple[Tensor, Tensor]:
        model.beta = beta
        given = draws().manual_seed(2), draws().manual_seed(2)
        return model.objective(x, given[0]), model.elbo(x, 1, given[1])

    (none, elbo), (three, same) = figures(0.0), figures(3.0)
    assert torch.equal(elbo, same)
    torch.testing.assert_close(none - three, 3 * model.elbo_terms(x).kl)


def test_free_bits_are_for_each_latent_of_either_kind_and_for_the_objective_alone() -> None:
    x, free = pixels(50), 0.3
    assert isinstance(tiny().prior, FactorisedPrior)
    model, plain = tiny(num_continuous=3, free_bits=free), tiny(num_continuous=3)
    plain.load_state_dict(model.state_dict())
    parameters = model.continuous(x)
    mean, log_scale = parameters.unbind(-1)
    continuous = 0.5 * (mean**2 + (2 * log_scale).exp() - 1) - log_scale
    kl = torch.cat([model.prior.kl(model.logits(x)), continuous], -1).mean(0)
    assert (kl < free).any()
    assert (kl > free).any()
    draws = [torch.Generator().manual_seed(2) for _ in range(4)]
    gained = (plain.objective(x, draws[0]) - model.objective(x, draws[1])).mean()
    torch.testing.assert_close(gained, (free - kl).clamp_min(0).sum())
    assert torch.equal(plain.elbo(x, 1, draws[2]), model.elbo(x, 1, draws[3]))


@pytest.mark.parametrize("batch", [(), (4,), (2, 4)])
@pytest.mark.parametrize("conditional", [False, True])
def test_shapes_and_types(batch: tuple[int, ...], conditional: bool) -> None:
    shape = (2, 3) if conditional else None
    model, x = tiny("rloo", num_continuous=3, context_shape=shape), pixels(*batch)
    c = torch.randn(*batch, 2, 3, dtype=torch.float64) if conditional else None
    for figure in (
        model.objective(x, context=c),
        model.elbo(x, 2, context=c),
        model.log_likelihood(x, 3, context=c),
    ):
        assert figure.shape == batch
        assert figure.isfinite().all()
    assert model.posterior(x, c).shape == model.logits(x, c).shape == (*batch, D, K)
    assert model.continuous(x, c).shape == (*batch, 3, 2)
    assert model.embedding(x, c).shape == (*batch, D * K)
    assert model.log_weights(x, 6, context=c).shape == (6, *batch)
    assert model.reconstruct(x, c).shape == x.shape
    for sample in (False, True):
        codes = model.encode(x, sample, context=c)
        assert codes.shape == (*batch, D + 3)
        assert codes.dtype == torch.float64
        assert model.decode(codes, c).log_prob(x).shape == batch


def test_codes_are_the_classes_and_the_means() -> None:
    model, x = tiny(), pixels(9)
    features = model.encoder(x)
    codes = model.encode(x)
    best = features[:, : D * K].unflatten(-1, (D, K)).argmax(-1)
    assert torch.equal(codes[:, :D], best.double())
    torch.testing.assert_close(codes[:, D], features[:, D * K])


def test_drawn_codes_follow_both_posteriors() -> None:
    """It fails by chance once in 10^6 runs."""
    model, x, many = tiny(), pixels(), 20_000
    with torch.no_grad():
        codes = model.encode(x.expand(many, PIXELS), sample=True)
        features = model.encoder(x)
        q = features[: D * K].view(D, K).softmax(-1)[:, 1]
        mean, scale = features[D * K], features[D * K + 1].exp()
        seen = torch.cat([codes, (codes[:, D:] - mean).square()], -1)
        truth = torch.cat([q, mean[None], scale.square()[None]])
        assert ((seen.mean(0) - truth).abs() <= chance_bound(seen, len(truth)) + 1e-9).all()


def test_decoding_gives_one_log_probability_for_each_example() -> None:
    model, x = tiny(), pixels(8)
    u = torch.randn(8, 1, dtype=torch.float64)
    chosen = [CODES[i % 4] for i in range(8)]
    codes = torch.cat([torch.tensor(chosen).double(), u], -1)
    expected = [log_p_x_given(model, z, u[i], x[i], None) for i, z in enumerate(chosen)]
    torch.testing.assert_close(model.decode(codes).log_prob(x), torch.stack(expected))


def test_samples_are_of_the_prior() -> None:
    """It fails by chance once in 10^6 runs."""
    model = tiny(num_continuous=2)
    codes = model.sample_codes(20_000)
    seen = torch.cat([codes, codes[:, D:].square()], -1)
    truth = torch.cat([model.prior.logits.softmax(-1)[:, 1], torch.tensor([0.0, 0.0, 1.0, 1.0])])
    assert ((seen.mean(0) - truth).abs() <= chance_bound(seen, len(truth))).all()
    assert model.sample(7).shape == (7, PIXELS)


def test_random_figures_follow_their_generator() -> None:
    model, x = tiny("rloo"), pixels(6)
    for draw in (
        model.objective,
        model.elbo,
        lambda x, generator: model.log_likelihood(x, 3, generator),
        lambda x, generator: model.encode(x, sample=True, generator=generator),
        lambda x, generator: model.sample(6, generator),
    ):
        first, again = (draw(x, generator=torch.Generator().manual_seed(3)) for _ in range(2))
        assert torch.equal(first, again)


def test_encoding_draws_nothing_and_changes_nothing() -> None:
    model, x = tiny().train(), pixels(6)
    random = torch.get_rng_state()
    assert torch.equal(model.encode(x), model.encode(x))
    assert model.training
    assert torch.equal(random, torch.get_rng_state())


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


def test_a_chunked_enumeration_has_the_same_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its chunks are computed again in the backward pass: from the same u."""
    model, x = tiny(widths=(5,)), pixels(6)
    found = []
    for rows in (exact.ROWS, 6):
        monkeypatch.setattr(exact, "ROWS", rows)
        value = model.objective(x, torch.Generator().manual_seed(4))
        found.append((value.detach(), gradients(value.sum(), model)))
    torch.testing.assert_close(found[0], found[1])


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


@pytest.mark.parametrize("call", ["objective", "elbo", "log_likelihood", "encode", "continuous"])
def test_data_of_another_shape_are_refused(call: str) -> None:
    model = tiny()
    with pytest.raises(ValueError, match=r"`x` must end in shape \(4,\), got \(2, 5\)"):
        getattr(model, call)(torch.zeros(2, 5, dtype=torch.float64))
    assert model.elbo(pixels(2)).shape == (2,)  # a refusal leaves nothing behind


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
            {"free_bits": 1.0, "prior": Coupled(), "num_latents": D, "num_categories": K},
            "`free_bits` must be 0",
        ),
    ],
)
def test_what_does_not_fit_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        JointVAE(**({"shape": (5,)} | arguments))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator_trains_under_mixed_precision(name: str) -> None:
    model, x = tiny(name, widths=(6,), num_continuous=3).float(), pixels(8).float()
    with torch.autocast("cpu", torch.bfloat16):
        figures = model.objective(x), model.elbo(x), model.log_likelihood(x, 5)
    figures[0].mean().backward()
    for figure in figures:
        assert figure.dtype == torch.float32
        assert figure.isfinite().all()
    trained = [p for n, p in model.named_parameters() if p.requires_grad and "estimator" not in n]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in trained)


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


def test_it_is_a_model_whose_gaussian_part_alone_is_a_gaussian_vae() -> None:
    """With a decoder that does not look at z, the bound is that of u, closed form and all."""
    model, x = tiny(prior=CategoricalPrior(torch.zeros(D, K))), pixels(5)
    assert isinstance(model, VAE)
    with torch.no_grad():
        model.decoder[0].weight[:, : D * K] = 0
        model.encoder[1].weight[: D * K] = 0
        model.encoder[1].bias[: D * K] = 0
        truth = elbo_by_hand(model, x)
    mean, log_scale = model.continuous(x)[..., 0, :].unbind(-1)
    kl = 0.5 * (mean**2 + (2 * log_scale).exp() - 1) - log_scale
    torch.testing.assert_close(model.elbo_terms(x).kl, kl)
    values = model.objective(x.expand(5_000, 5, PIXELS)).detach()
    assert ((values.mean(0) - truth).abs() <= chance_bound(values, comparisons=5)).all()
