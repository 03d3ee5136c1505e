"""Tiny models, D = 2, K = 3, five pixels, whose every code is summed over here by hand."""

from itertools import product
from statistics import NormalDist

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Categorical

from discretevae.estimators import ESTIMATORS
from discretevae.latents import EnumerationError
from discretevae.likelihoods import BernoulliLikelihood, GaussianLikelihood
from discretevae.models import DiscreteVAE
from discretevae.models import chain as models_chain
from discretevae.networks import MLP
from discretevae.priors import CategoricalPrior

PIXELS, D, K = 5, 2, 3
BATCHES = [(), (4,), (2, 4)]


def tiny(
    num_latents: int = D, likelihood: str = "bernoulli", estimator: str = "exact", **options: object
) -> DiscreteVAE:
    prior = CategoricalPrior(torch.linspace(-1, 1, num_latents * K).view(num_latents, K))
    model = DiscreteVAE(
        (PIXELS,), num_latents, K, MLP((6,)), likelihood, estimator, prior, **options
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)  # far from uniform
    return model.double()


def pixels(*batch: int, likelihood: str = "bernoulli") -> Tensor:
    x = torch.rand((*batch, PIXELS), dtype=torch.float64)
    return x.round() if likelihood == "bernoulli" else x


def log_p_x_given(model: DiscreteVAE, h: Tensor, x: Tensor) -> Tensor:
    """The formulas of the likelihoods, written out."""
    name = model.likelihood.name
    if name == "gaussian":
        scale = model.likelihood.log_scale.exp()
        pixel = -0.5 * ((x - h) / scale) ** 2 - scale.log() - 0.5 * torch.tensor(2 * torch.pi).log()
    else:
        p = h.sigmoid()
        pixel = x * p.log() + (1 - x) * (1 - p).log()
    if name == "continuous-bernoulli":
        pixel = pixel + (2 * torch.atanh(1 - 2 * p) / (1 - 2 * p)).log()
    return pixel.sum(-1)


def by_hand(model: DiscreteVAE, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """log p(x|z), log p(z) and log q(z|x) of every code, one code at a time: each (K^D, *B)."""
    logits = model.encoder(x).unflatten(-1, (-1, K))
    rows = []
    for code in product(range(K), repeat=model.num_latents):
        z = torch.eye(K, dtype=torch.float64)[list(code)]
        log_p_x = log_p_x_given(model, model.decoder(z.flatten()), x)
        log_p_z = sum(model.prior.logits.log_softmax(-1)[d, k] for d, k in enumerate(code))
        log_q = sum(logits.log_softmax(-1)[..., d, k] for d, k in enumerate(code))
        rows.append((log_p_x, log_p_z.expand_as(log_p_x), log_q))
    log_p_x, log_p_z, log_q = (torch.stack(column) for column in zip(*rows, strict=True))
    return log_p_x, log_p_z, log_q


def elbo_by_hand(model: DiscreteVAE, x: Tensor, beta: float = 1.0) -> Tensor:
    log_p_x, log_p_z, log_q = by_hand(model, x)
    return (log_q.exp() * (log_p_x - beta * (log_q - log_p_z))).sum(0)


def log_p_by_hand(model: DiscreteVAE, x: Tensor) -> Tensor:
    log_p_x, log_p_z, _ = by_hand(model, x)
    return (log_p_x + log_p_z).logsumexp(0)


def chance_bound(values: Tensor, comparisons: int, false_alarm: float = 1e-6) -> Tensor:
    """How far the mean over the first dimension strays from the truth by chance."""
    quantile = NormalDist().inv_cdf(1 - false_alarm / 2 / comparisons)
    return quantile * values.std(0) / len(values) ** 0.5


class TruePosterior(nn.Module):
    """With one latent, q(z|x) can be p(z|x) itself."""

    def __init__(self, model: DiscreteVAE) -> None:
        super().__init__()
        self.joint = [model]  # in a list: no submodule, no cycle

    def forward(self, x: Tensor) -> Tensor:
        model = self.joint[0]
        h = model.decoder(torch.eye(K, dtype=torch.float64))
        log_joint = torch.stack(
            [
                log_p_x_given(model, h[k], x) + model.prior.logits.log_softmax(-1)[0, k]
                for k in range(K)
            ],
            dim=-1,
        )
        return log_joint - log_joint.logsumexp(-1, keepdim=True)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("likelihood", ["bernoulli", "continuous-bernoulli", "gaussian"])
@pytest.mark.parametrize("rows", [4, 2**13])
def test_exact_log_likelihood_is_the_sum_over_all_codes(
    batch: tuple[int, ...], likelihood: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models_chain, "ROWS", rows)
    model, x = tiny(likelihood=likelihood), pixels(*batch, likelihood=likelihood)
    expected = log_p_by_hand(model, x)
    torch.testing.assert_close(model.exact_log_likelihood(x), expected)
    torch.testing.assert_close(model.log_likelihood(x), expected)


def test_the_likelihood_of_all_images_sums_to_one() -> None:
    model = tiny()
    images = torch.tensor(list(product([0.0, 1.0], repeat=PIXELS)), dtype=torch.float64)
    total = model.exact_log_likelihood(images).exp().sum()
    torch.testing.assert_close(total, torch.ones((), dtype=torch.float64))


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("batch", BATCHES)
def test_the_exact_objective_and_all_its_gradients(batch: tuple[int, ...], beta: float) -> None:
    model, x = tiny(beta=beta), pixels(*batch)
    found, expected = model.objective(x), elbo_by_hand(model, x, beta)
    torch.testing.assert_close(found, expected)
    parameters = dict(model.named_parameters())
    gradients = torch.autograd.grad(found.sum(), list(parameters.values()))
    truth = torch.autograd.grad(expected.sum(), list(parameters.values()))
    for name, gradient, true in zip(parameters, gradients, truth, strict=True):
        assert true.abs().max() > 0, name
        torch.testing.assert_close(gradient, true, msg=name)


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_the_elbo_is_unbiased_and_never_weighted(beta: float) -> None:
    """It fails by chance once in 10^6 runs; a bias of 0.1 nats does not pass."""
    model, x = tiny(beta=beta), pixels(3)
    with torch.no_grad():
        values = model.elbo(x.expand(20_000, 3, PIXELS), generator=torch.Generator().manual_seed(1))
        bound = chance_bound(values, comparisons=3)
        assert bound.max() < 0.1
        assert ((values.mean(0) - elbo_by_hand(model, x)).abs() <= bound).all()


def test_several_samples_only_average() -> None:
    """It fails by chance once in 10^6 runs."""
    model, x = tiny(), pixels(3)
    with torch.no_grad():
        many = x.expand(4_000, 3, PIXELS)
        one, ten = (model.elbo(many, samples=s) for s in (1, 10))
        bound = chance_bound(ten, comparisons=3)
        assert ((ten.mean(0) - elbo_by_hand(model, x)).abs() <= bound).all()
        assert (one.var(0) / ten.var(0) > 5).all()


def test_the_bounds_are_in_order() -> None:
    """ELBO < IWAE(2) < IWAE(50) < log p(x), each further than chance takes it (10^-6)."""
    model, x = tiny(), pixels(2)
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


def test_all_bounds_are_tight_at_the_true_posterior() -> None:
    model, x = tiny(num_latents=1), pixels(4)
    model.encoder = TruePosterior(model)
    log_p = log_p_by_hand(model, x)
    torch.testing.assert_close(model.objective(x), log_p)
    torch.testing.assert_close(model.log_likelihood(x, samples=1), log_p)
    torch.testing.assert_close(model.log_weights(x, 7), log_p.expand(7, 4))


def test_importance_samples_are_taken_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models_chain, "ROWS", 8)
    model, x = tiny(num_latents=1), pixels(3)
    model.encoder = TruePosterior(model)
    rows: list[int] = []
    model.decoder.register_forward_hook(lambda _, z, h: rows.append(z[0].shape[:-1].numel()))
    torch.testing.assert_close(model.log_likelihood(x, samples=5), log_p_by_hand(model, x))
    assert max(rows) == 6  # two samples of three examples


@pytest.mark.parametrize("batch", BATCHES)
def test_shapes_and_types(batch: tuple[int, ...]) -> None:
    model, x = tiny(estimator="rloo"), pixels(*batch)
    for figure in (model.objective(x), model.elbo(x), model.log_likelihood(x, 3)):
        assert figure.shape == batch
        assert figure.isfinite().all()
    assert model.logits(x).shape == (*batch, D, K)
    assert model.log_weights(x, 6).shape == (6, *batch)
    assert model.reconstruct(x).shape == x.shape
    for codes in (model.encode(x), model.encode(x, sample=True)):
        assert codes.shape == (*batch, D)
        assert codes.dtype == torch.int64
        assert ((codes >= 0) & (codes < K)).all()
        assert model.decode(codes).log_prob(x).shape == batch


def test_encode_gives_the_most_probable_code() -> None:
    model, x = tiny(), pixels(20)
    codes = torch.tensor(list(product(range(K), repeat=D)))
    best = by_hand(model, x)[2].argmax(0)
    assert torch.equal(model.encode(x), codes[best])


def test_sampled_codes_follow_the_posterior() -> None:
    """It fails by chance once in 10^6 runs."""
    model, x = tiny(), pixels()
    with torch.no_grad():
        codes = model.encode(x.expand(20_000, PIXELS), sample=True)
        hits = torch.nn.functional.one_hot(codes, K).double()
        truth = Categorical(logits=model.encoder(x).view(D, K)).probs
        bound = chance_bound(hits, comparisons=D * K)
        assert ((hits.mean(0) - truth).abs() <= bound + 1e-3).all()


def test_decoding_gives_one_log_probability_for_each_example() -> None:
    model, x = tiny(), pixels(9)
    codes = torch.tensor(list(product(range(K), repeat=D)))
    expected = by_hand(model, x)[0].diagonal()  # code i with example i
    torch.testing.assert_close(model.decode(codes).log_prob(x), expected)


def test_reconstruction_is_the_mean_at_the_most_probable_code() -> None:
    model, x = tiny(), pixels(6)
    z = torch.nn.functional.one_hot(model.encode(x), K).double().flatten(-2)
    torch.testing.assert_close(model.reconstruct(x), model.decoder(z).sigmoid())


def test_encoding_changes_no_state() -> None:
    model, x = tiny().train(), pixels(6)
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    first, again = model.encode(x), model.encode(x)
    assert torch.equal(first, again)
    assert model.training
    assert torch.equal(random, torch.get_rng_state())
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_random_figures_follow_their_generator() -> None:
    model, x = tiny(estimator="rloo"), pixels(6)
    for draw in (
        model.objective,
        model.elbo,
        lambda x, generator: model.log_likelihood(x, 3, generator),
        lambda x, generator: model.encode(x, sample=True, generator=generator),
        lambda x, generator: model.sample(6, generator),
    ):
        first, again = (draw(x, generator=torch.Generator().manual_seed(3)) for _ in range(2))
        assert torch.equal(first, again)


def test_samples_are_means_at_codes_of_the_prior() -> None:
    model = tiny()
    generator = torch.Generator().manual_seed(0)
    means = model.sample(500, generator)
    codes = torch.tensor(list(product(range(K), repeat=D)))
    known = model.decoder(torch.nn.functional.one_hot(codes, K).double().flatten(-2)).sigmoid()
    nearest = torch.cdist(means, known).min(1)
    assert means.shape == (500, PIXELS)
    assert nearest.values.max() < 1e-6
    assert len(nearest.indices.unique()) > 1


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([[0, 3]], r"`codes` must lie in \[0, 3\)"),
        ([[-1, 0]], r"`codes` must lie in \[0, 3\)"),
        ([[0, 0, 0]], r"`codes` must end in 2 numbers \(2 of z\), got \(1, 3\)"),
    ],
)
def test_codes_that_do_not_fit_are_refused(codes: list[list[int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny().decode(torch.tensor(codes))


@pytest.mark.parametrize("call", ["objective", "elbo", "log_likelihood", "encode", "reconstruct"])
def test_data_of_another_shape_are_refused(call: str) -> None:
    with pytest.raises(ValueError, match=r"`x` must end in shape \(5,\), got \(2, 4\)"):
        getattr(tiny(), call)(torch.zeros(2, 4, dtype=torch.float64))


@pytest.mark.parametrize("call", ["elbo", "log_likelihood", "exact_log_likelihood"])
def test_bounds_refuse_data_outside_the_support(call: str) -> None:
    with pytest.raises(ValueError, match="`x` must be 0 or 1"):
        getattr(tiny(), call)(torch.full((2, PIXELS), 0.5, dtype=torch.float64))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"network": "tutrial"}, r"`network` must be .* \(did you mean 'tutorial'\?\)"),
        ({"likelihood": "bernouli"}, r"`likelihood` must be .* \(did you mean 'bernoulli'\?\)"),
        ({"estimator": "reimax"}, r"`estimator` must be .* \(did you mean 'reinmax'\?\)"),
        (
            {"prior": CategoricalPrior(torch.zeros(3, 2))},
            "`prior` must fit D × K = 2 × 3, got 3 × 2",
        ),
        ({"beta": -1.0}, "`beta` must be .* got -1"),
        ({"beta": float("nan")}, "`beta` must be .* got nan"),
        ({"shape": ()}, "`shape` must hold positive sizes"),
        ({"shape": (0, 3)}, "`shape` must hold positive sizes"),
        ({"num_latents": 0}, "`num_latents` must be at least 1"),
        ({"num_categories": 1}, "`num_categories` at least 2"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DiscreteVAE(**({"shape": (5,), "num_latents": 2, "num_categories": 3} | arguments))


def test_a_space_too_large_is_sampled_unless_the_sum_is_asked_for() -> None:
    model = DiscreteVAE((PIXELS,), 400, 10, MLP((4,)))
    x = torch.ones(2, PIXELS)
    assert not model.enumerable
    with pytest.raises(EnumerationError, match=r"10\^400 .* got 65536"):
        model.exact_log_likelihood(x)
    with torch.no_grad():
        assert model.log_likelihood(x).shape == (2,)
    assert tiny().enumerable


def test_auto_enumerates_while_it_is_cheap() -> None:
    assert isinstance(DiscreteVAE((5,), 2, 3).estimator, ESTIMATORS["exact"])
    assert not isinstance(DiscreteVAE((5,), 20, 10).estimator, ESTIMATORS["exact"])


@pytest.mark.parametrize("likelihood", ["bernoulli", "continuous-bernoulli", "gaussian"])
def test_mixed_precision_keeps_figures_in_float32(likelihood: str) -> None:
    model, x = tiny(likelihood=likelihood).float(), pixels(8, likelihood=likelihood).float()
    full = model.objective(x), model.exact_log_likelihood(x)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = model.objective(x), model.exact_log_likelihood(x)
        others = model.elbo(x), model.log_likelihood(x, 5), model.logits(x)
    for figure in (*mixed, *others):
        assert figure.dtype == torch.float32
        assert figure.isfinite().all()
    for figure, reference in zip(mixed, full, strict=True):
        torch.testing.assert_close(figure, reference, rtol=0.02, atol=0.1)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator_trains_under_mixed_precision(name: str) -> None:
    categories = 2 if ESTIMATORS[name].binary_only else K
    model = DiscreteVAE((PIXELS,), D, categories, MLP((6,)), estimator=name)
    x = pixels(8).float()
    with torch.autocast("cpu", torch.bfloat16):
        objective = model.objective(x)
    objective.mean().backward()
    assert objective.dtype == torch.float32
    assert objective.isfinite().all()
    trained = [p for p in model.parameters() if p.requires_grad]  # not an estimator's own
    assert all(p.grad is not None and p.grad.isfinite().all() for p in trained)


def test_the_likelihood_is_never_computed_in_half_precision() -> None:
    """A thousand pixels: a product in bfloat16 would be off by tenths of a nat."""
    model = DiscreteVAE((1000,), 1, 2, MLP(()), GaussianLikelihood())
    with torch.no_grad():
        model.decoder[0].weight.zero_()
        model.decoder[0].bias.fill_(0.33203125)  # a number that bfloat16 holds
    bernoulli = DiscreteVAE((1000,), 1, 2, MLP(()), BernoulliLikelihood())
    bernoulli.decoder.load_state_dict(model.decoder.state_dict())
    x = torch.rand(3, 1000).round()
    for one in (model, bernoulli):
        full = one.exact_log_likelihood(x)
        with torch.autocast("cpu", torch.bfloat16):
            torch.testing.assert_close(one.exact_log_likelihood(x), full, rtol=1e-6, atol=0)
