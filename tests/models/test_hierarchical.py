"""Tiny hierarchies of two and three layers, whose every code is summed over here by hand."""

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from statistics import NormalDist

import pytest
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from discretevae.estimators import (
    ESTIMATORS,
    NVIL,
    RLOO,
    Exact,
    ReinMax,
    StraightThrough,
    UnorderedSet,
    exact,
)
from discretevae.latents import EnumerationError
from discretevae.models import ModelError, pretrained
from discretevae.models.hierarchical import INFERENCES, HierarchicalVAE
from discretevae.networks import CNN, MLP
from discretevae.priors import CategoricalPrior, Prior

PIXELS = 5
TWO, THREE = ((2, 1), (2, 3)), ((1, 2, 1), (3, 2, 2))
BATCHES = [(), (4,), (2, 3)]

both_ways = pytest.mark.parametrize("inference", INFERENCES)
two_and_three = pytest.mark.parametrize("sizes", [TWO, THREE])


def tiny(
    sizes: tuple[tuple[int, ...], tuple[int, ...]] = TWO,
    kind: type = HierarchicalVAE,
    **options: object,
) -> HierarchicalVAE:
    defaults = {"network": MLP((4,), "leaky-relu"), "estimator": "exact", "prior": "learned"}
    model = kind((PIXELS,), *sizes, **{**defaults, **options}).double()
    with torch.no_grad():
        for parameter in model.parameters():  # an estimator's own, too: it starts anywhere
            parameter.normal_(std=0.5)
    return model


def pixels(*batch: int) -> Tensor:
    return torch.rand((*batch, PIXELS), dtype=torch.float64).round()


def paths(model: HierarchicalVAE) -> Iterator[list[tuple[int, ...]]]:
    """All codes, each a list of the indices of every layer, z_1 first."""
    pairs = zip(model.num_latents, model.num_categories, strict=True)
    yield from map(list, product(*(product(range(k), repeat=d) for d, k in pairs)))


def one_hot(model: HierarchicalVAE, path: list[tuple[int, ...]]) -> list[Tensor]:
    """The flat one-hot vector of every layer."""
    return [
        torch.eye(k, dtype=torch.float64)[list(code)].flatten()
        for k, code in zip(model.num_categories, path, strict=True)
    ]


def log_probability(logits: Tensor, code: tuple[int, ...]) -> Tensor:
    log_p = logits.log_softmax(-1)
    return sum(log_p[..., d, k] for d, k in enumerate(code))


def log_p_by_hand(model: HierarchicalVAE, path: list[tuple[int, ...]]) -> list[Tensor]:
    """log p of the code of every layer given those above it, z_1 first."""
    z = one_hot(model, path)
    below = [
        log_probability(model.prior_networks[i](torch.cat(z[i + 1 :])), path[i])
        for i in range(len(path) - 1)
    ]
    if not isinstance(model.prior, TablePrior):
        return [*below, log_probability(model.prior.logits, path[-1])]
    number = sum(k * 2**d for d, k in enumerate(reversed(path[-1])))
    return [*below, model.prior.table.log_softmax(0)[number]]


def log_q_by_hand(model: HierarchicalVAE, x: Tensor, path: list[tuple[int, ...]]) -> list[Tensor]:
    """log q of the code of every layer given x and those inferred before it, z_1 first."""
    z, layers, features = one_hot(model, path), range(len(path)), model.encoder(x)
    log_q = []
    for i in layers:
        before = layers[i + 1 :] if model.inference == "top-down" else layers[:i]
        known = [z[m].expand(*x.shape[:-1], -1) for m in before]
        log_q.append(
            log_probability(model.posterior_networks[i](torch.cat([features, *known], -1)), path[i])
        )
    return log_q


def log_p_x_by_hand(model: HierarchicalVAE, x: Tensor, path: list[tuple[int, ...]]) -> Tensor:
    p = model.decoder(torch.cat(one_hot(model, path))).sigmoid()
    return (x * p.log() + (1 - x) * (1 - p).log()).sum(-1)


def log_joint_by_hand(model: HierarchicalVAE, x: Tensor) -> Tensor:
    """log p(x, z) of all N codes, (N, *B)."""
    return torch.stack(
        [log_p_x_by_hand(model, x, path) + sum(log_p_by_hand(model, path)) for path in paths(model)]
    )


def by_hand(model: HierarchicalVAE, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """log p(x|z), (N, *B), and log p and log q of each layer, (N, L, *B), for all N codes."""
    log_p_x = torch.stack([log_p_x_by_hand(model, x, path) for path in paths(model)])
    log_p = torch.stack([torch.stack(log_p_by_hand(model, path)) for path in paths(model)])
    log_q = torch.stack([torch.stack(log_q_by_hand(model, x, path)) for path in paths(model)])
    return log_p_x, log_p.view(*log_p.shape, *[1] * (x.ndim - 1)), log_q


def terms_by_hand(model: HierarchicalVAE, x: Tensor) -> tuple[Tensor, Tensor]:
    """Reconstruction, (*B,), and KL of each layer, (L, *B)."""
    log_p_x, log_p, log_q = by_hand(model, x)
    q = log_q.sum(1).exp()
    return (q * log_p_x).sum(0), (q.unsqueeze(1) * (log_q - log_p)).sum(0)


def elbo_by_hand(model: HierarchicalVAE, x: Tensor, beta: float = 1.0) -> Tensor:
    reconstruction, kl = terms_by_hand(model, x)
    return reconstruction - beta * kl.sum(0)


def evidence_by_hand(model: HierarchicalVAE, x: Tensor) -> Tensor:
    return log_joint_by_hand(model, x).logsumexp(0)


def gradients(value: Tensor, model: nn.Module) -> dict[str, Tensor]:
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    found = torch.autograd.grad(value.sum(), list(named.values()), allow_unused=True)
    return {
        name: torch.zeros_like(p) if g is None else g
        for (name, p), g in zip(named.items(), found, strict=True)
    }


def assert_same_gradients(found: Tensor, expected: Tensor, model: nn.Module) -> None:
    ours, truth = gradients(found, model), gradients(expected, model)
    for name, gradient in truth.items():
        assert gradient.abs().max() > 0, name
        torch.testing.assert_close(ours[name], gradient, msg=name)


def chance_bound(values: Tensor, comparisons: int, false_alarm: float = 1e-6) -> Tensor:
    """How far the mean over the first dimension strays from the truth by chance."""
    quantile = NormalDist().inv_cdf(1 - false_alarm / 2 / comparisons)
    return quantile * values.std(0) / len(values) ** 0.5


class TablePrior(Prior):
    """Two latents of two classes that depend on each other: one probability for each code."""

    kind = "table"

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(4))

    @property
    def shape(self) -> tuple[int, int]:
        return 2, 2

    def log_prob(
        self, z: Float[Tensor, "*SB D K"], context: Float[Tensor, "*B C"] | None = None
    ) -> Float[Tensor, "*SB"]:
        joint = (z[..., 0, :, None] * z[..., 1, None, :]).flatten(-2)
        return (joint * self.table.log_softmax(0)).sum(-1)

    def sample(
        self,
        count: int,
        generator: torch.Generator | None = None,
        context: Float[Tensor, "count C"] | None = None,
    ) -> Int[Tensor, "count D"]:
        number = torch.multinomial(self.table.softmax(0), count, True, generator=generator)
        return torch.stack([number // 2, number % 2], -1)


class TruePosterior(nn.Module):
    """With one latent a layer, q of each layer can be p given x and the layers before."""

    def __init__(self, model: HierarchicalVAE, layer: int) -> None:
        super().__init__()
        self.joint, self.layer = [model], layer  # in a list: no submodule, no cycle

    def forward(self, x_and_z: Tensor) -> Tensor:
        (model,) = self.joint
        log_joint = log_joint_by_hand(model, x_and_z[..., :PIXELS])
        before = model.order[: model.order.index(self.layer)]
        known = x_and_z[..., PIXELS:].split([model.num_categories[m] for m in sorted(before)], -1)
        for m, z in zip(sorted(before), known, strict=True):
            index = [path[m][0] for path in paths(model)]
            log_joint = log_joint + z[..., index].movedim(-1, 0).log()
        of = torch.tensor([path[self.layer][0] for path in paths(model)])
        classes = range(model.num_categories[self.layer])
        return torch.stack([log_joint[of == k].logsumexp(0) for k in classes], -1).unsqueeze(-2)


@both_ways
@two_and_three
def test_the_objective_and_all_its_gradients_are_exact(
    sizes: tuple[tuple[int, ...], tuple[int, ...]], inference: str
) -> None:
    for batch, beta in product([(), (2, 3)], [0.3, 1.0]):
        model, x = tiny(sizes, inference=inference, beta=beta), pixels(*batch)
        found, expected = model.objective(x), elbo_by_hand(model, x, beta)
        torch.testing.assert_close(found, expected)
        assert_same_gradients(found, expected, model)


@both_ways
def test_the_gradients_are_exact_under_a_prior_that_couples_the_latents(inference: str) -> None:
    model = tiny(((1, 2), (3, 2)), inference=inference, beta=0.3, prior=TablePrior())
    x = pixels(3)
    found, expected = model.objective(x), elbo_by_hand(model, x, 0.3)
    torch.testing.assert_close(found, expected)
    assert_same_gradients(found, expected, model)


@both_ways
def test_the_gradients_are_exact_where_the_codes_go_in_chunks(
    inference: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exact, "ROWS", 4)
    model, x = tiny(inference=inference), pixels(2)
    assert_same_gradients(model.objective(x), elbo_by_hand(model, x), model)


class _WithoutTheGraphOfTheInnerLogits(HierarchicalVAE):
    def posterior_logits(self, layer: int, features: Tensor, z: dict[int, Tensor]) -> Tensor:
        logits = super().posterior_logits(layer, features, z)
        return logits.detach() if z else logits


class _WithoutThePriorsOfTheInnerLayers(HierarchicalVAE):
    def prior_logits(self, layer: int, z: dict[int, Tensor]) -> Tensor:
        return super().prior_logits(layer, z).detach()


@both_ways
@pytest.mark.parametrize(
    "wrong", [_WithoutTheGraphOfTheInnerLogits, _WithoutThePriorsOfTheInnerLayers]
)
def test_a_gradient_lost_between_the_layers_is_caught(wrong: type, inference: str) -> None:
    model, x = tiny(kind=wrong, inference=inference), pixels(3)
    torch.testing.assert_close(model.objective(x), elbo_by_hand(model, x))  # the value is right
    with pytest.raises(AssertionError):
        assert_same_gradients(model.objective(x), elbo_by_hand(model, x), model)


def straight_through_by_hand(model: HierarchicalVAE, x: Tensor, draws: dict[int, Tensor]) -> Tensor:
    """The nested straight-through objective, top-down, for the codes drawn by the model."""
    features = model.encoder(x)

    def relaxed(logits: Tensor, hard: Tensor) -> Tensor:
        p = logits.softmax(-1)
        return (hard + p - p.detach()).flatten(-2)

    q2 = model.posterior_networks[1](features)
    z2 = relaxed(q2, draws[1])
    q1, p1 = model.posterior_networks[0](torch.cat([features, z2], -1)), model.prior_networks[0](z2)
    z1 = relaxed(q1, draws[0])
    p = model.decoder(torch.cat([z1, z2], -1)).sigmoid()
    log_p_x = (x * p.log() + (1 - x) * (1 - p).log()).sum(-1)
    log_q1, log_q2 = q1.log_softmax(-1), q2.log_softmax(-1)
    kl1 = (log_q1.exp() * (log_q1 - p1.log_softmax(-1))).sum((-2, -1))
    kl2 = (log_q2.exp() * (log_q2 - model.prior.logits.log_softmax(-1))).sum((-2, -1))
    return log_p_x - kl1 - kl2


class _WithoutThePathThroughTheCode(HierarchicalVAE):
    def posterior_logits(self, layer: int, features: Tensor, z: dict[int, Tensor]) -> Tensor:
        return super().posterior_logits(
            layer, features, {m: code.detach() for m, code in z.items()}
        )


@pytest.mark.parametrize("kind", [HierarchicalVAE, _WithoutThePathThroughTheCode])
def test_a_gradient_through_the_code_passes_through_the_layers_below(kind: type) -> None:
    model, x = tiny(kind=kind, estimator=StraightThrough()), pixels(6)
    draws: dict[int, Tensor] = {}
    model.decoder.register_forward_pre_hook(
        lambda _, z: draws.update({0: z[0][..., :4], 1: z[0][..., 4:]})
    )
    found = model.objective(x)
    draws = {0: draws[0].detach().view(6, 2, 2), 1: draws[1].detach().view(6, 1, 3)}
    expected = straight_through_by_hand(model, x, draws)
    torch.testing.assert_close(found, expected)
    if kind is HierarchicalVAE:
        assert_same_gradients(found, expected, model)
    else:
        with pytest.raises(AssertionError):
            assert_same_gradients(found, expected, model)


def worst_deviation(model: HierarchicalVAE, x: Tensor) -> float:
    """How far value and gradients of all weights stray, as a multiple of what chance allows.

    Above 1 by chance once in 10^6 runs: 100 means over 200 replicates each.
    """

    def flat(value: Tensor) -> Tensor:
        parts = [value.detach().mean()[None], *gradients(value.mean(), model).values()]
        return torch.cat([part.flatten() for part in parts])

    truth, generator = flat(elbo_by_hand(model, x)), torch.Generator().manual_seed(1)
    many = x.expand(200, PIXELS)
    drawn = torch.stack([flat(model.objective(many, generator)) for _ in range(100)])
    bound = chance_bound(drawn, comparisons=len(truth))
    assert bound[1:].max() < 0.1 * truth[1:].abs().max(), "too few replicates to see 10 %"
    return float(((drawn.mean(0) - truth).abs() / bound.clamp_min(1e-9)).max())


@pytest.mark.parametrize(
    ("estimator", "inference"),
    [(RLOO(), "top-down"), (RLOO(), "bottom-up"), (NVIL(context_features=PIXELS), "top-down")],
)
def test_unbiased_estimators_stay_unbiased(estimator: RLOO | NVIL, inference: str) -> None:
    """It fails by chance once in 10^6 runs; a bias of 10 % of the largest does not pass."""
    assert worst_deviation(tiny(estimator=estimator, inference=inference), pixels()) < 1


def test_estimators_of_two_kinds_nest_where_the_codes_go_in_chunks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A chunk is computed again, from new draws, in the backward pass; 10^-6 as above."""
    monkeypatch.setattr(exact, "ROWS", 200)
    model = tiny()
    model.estimator[0] = RLOO()
    assert worst_deviation(model, pixels()) < 1


def test_a_biased_estimator_is_caught() -> None:
    assert worst_deviation(tiny(estimator=StraightThrough()), pixels()) > 1.5


@both_ways
@two_and_three
def test_the_bound_lies_below_the_evidence(
    sizes: tuple[tuple[int, ...], tuple[int, ...]], inference: str
) -> None:
    model, x = tiny(sizes, inference=inference), pixels(2, 3)
    evidence = evidence_by_hand(model, x)
    assert (model.objective(x) < evidence).all()
    torch.testing.assert_close(model.exact_log_likelihood(x), evidence)
    torch.testing.assert_close(model.log_likelihood(x), evidence)


@both_ways
@pytest.mark.parametrize("sizes", [((1, 1), (2, 3)), ((1, 1, 1), (2, 3, 2))])
def test_all_bounds_are_tight_at_the_true_posterior(
    sizes: tuple[tuple[int, ...], tuple[int, ...]], inference: str
) -> None:
    model, x = tiny(sizes, inference=inference), pixels(4)
    model.encoder = nn.Identity()
    for layer in range(len(sizes[0])):
        model.posterior_networks[layer] = TruePosterior(model, layer)
    evidence = evidence_by_hand(model, x)
    torch.testing.assert_close(model.objective(x), evidence)
    torch.testing.assert_close(model.log_weights(x, 7), evidence.expand(7, 4))
    torch.testing.assert_close(model.log_likelihood(x, samples=3), evidence)


@both_ways
@pytest.mark.parametrize("beta", [0.0, 4.0])
def test_the_elbo_is_unbiased_and_never_weighted(inference: str, beta: float) -> None:
    """It fails by chance once in 10^6 runs; a bias of 0.2 nats does not pass."""
    model, x = tiny(THREE, inference=inference, beta=beta), pixels(2)
    many, generator = x.expand(20_000, 2, PIXELS), torch.Generator().manual_seed(1)
    reconstruction, kl = terms_by_hand(model, x)
    with torch.no_grad():
        terms = model.elbo_terms(many, generator=generator)
        per_layer = model.kl_per_layer(many, generator=generator)
        found = torch.cat([terms.reconstruction, terms.kl, per_layer.flatten(-2)], -1)
        truth = torch.cat([reconstruction, kl.sum(0), kl.mT.flatten()])
        bound = chance_bound(found, comparisons=len(truth))
        assert bound.max() < 0.2
        assert ((found.mean(0) - truth).abs() <= bound + 1e-9).all()
    torch.testing.assert_close(terms.elbo, terms.reconstruction - terms.kl)
    if inference == "top-down":
        assert (per_layer >= -1e-12).all()


@both_ways
def test_several_samples_only_average(inference: str) -> None:
    """It fails by chance once in 10^6 runs."""
    model, x = tiny(inference=inference), pixels(2)
    with torch.no_grad():
        many = x.expand(4_000, 2, PIXELS)
        one, ten = (model.elbo(many, samples=s) for s in (1, 10))
        bound = chance_bound(ten, comparisons=2)
        assert ((ten.mean(0) - elbo_by_hand(model, x)).abs() <= bound).all()
        assert (one.var(0) / ten.var(0) > 5).all()


@both_ways
@pytest.mark.parametrize("prior", ["learned", TablePrior()])
def test_importance_weights_average_to_the_evidence(inference: str, prior: str | Prior) -> None:
    """E w = p(x), seen to 20 %; it fails by chance once in 10^6 runs."""
    model, x = tiny(((1, 2), (3, 2)), inference=inference, prior=prior), pixels(3)
    with torch.no_grad():
        ratio = (model.log_weights(x, 50_000) - evidence_by_hand(model, x)).exp()
        bound = chance_bound(ratio, comparisons=3)
        assert bound.max() < 0.2
        assert ((ratio.mean(0) - 1).abs() <= bound).all()


@two_and_three
def test_probabilities_sum_to_one(sizes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    model = tiny(sizes)
    codes = torch.tensor([sum(path, ()) for path in paths(model)])
    z = model.to_layers(codes)
    log_p = torch.stack([model.log_prior(layer, z) for layer in z], -1)
    by_layer = torch.stack([torch.stack(log_p_by_hand(model, path)) for path in paths(model)])
    torch.testing.assert_close(log_p, by_layer)
    one = torch.ones((), dtype=torch.float64)
    torch.testing.assert_close(log_p.sum(-1).exp().sum(), one)
    images = torch.tensor(list(product([0.0, 1.0], repeat=PIXELS)), dtype=torch.float64)
    torch.testing.assert_close(model.exact_log_likelihood(images).exp().sum(), one)


@pytest.mark.parametrize("draw", ["prior", "top-down", "bottom-up"])
def test_sampled_codes_follow_prior_and_posterior(draw: str) -> None:
    """It fails by chance once in 10^6 runs; an error of 0.02 in a probability does not pass."""
    model = tiny(THREE, inference=draw if draw in INFERENCES else "top-down")
    x = pixels()
    with torch.no_grad():
        _, log_p, log_q = by_hand(model, x)
        truth = (log_p if draw == "prior" else log_q).sum(1).exp()
        generator = torch.Generator().manual_seed(1)
        drawn = (
            model.sample_codes(50_000, generator)
            if draw == "prior"
            else model.encode(x.expand(50_000, PIXELS), True, generator)
        )
        codes = torch.tensor([sum(path, ()) for path in paths(model)])
        hits = (drawn[:, None] == codes).all(-1).double()
        # From the truth, not the sample: a code never drawn has no spread of its own.
        spread = (truth * (1 - truth) / len(hits)).sqrt()
        bound = NormalDist().inv_cdf(1 - 1e-6 / 2 / len(codes)) * spread + 2e-4
        assert bound.max() < 0.02
        assert ((hits.mean(0) - truth).abs() <= bound).all()


@both_ways
def test_encode_takes_the_most_probable_code_layer_by_layer(inference: str) -> None:
    model, x = tiny(THREE, inference=inference), pixels(20)
    log_q = torch.stack([torch.stack(log_q_by_hand(model, x, path)) for path in paths(model)])
    expected = []
    for b in range(20):
        left = list(enumerate(paths(model)))
        for layer in model.order:
            best = max(left, key=lambda row: log_q[row[0], layer, b])[1][layer]
            left = [(n, path) for n, path in left if path[layer] == best]
        expected.append(sum(left[0][1], ()))
    codes = model.encode(x)
    assert torch.equal(codes, torch.tensor(expected))
    embedding = model.embedding(x).split(
        [d * k for d, k in zip(model.num_latents, model.num_categories, strict=True)], -1
    )
    for part, code, k in zip(
        embedding, codes.split(model.num_latents, -1), model.num_categories, strict=True
    ):
        torch.testing.assert_close(part.sum(-1), torch.full((20,), float(code.shape[-1])).double())
        assert torch.equal(part.unflatten(-1, (-1, k)).argmax(-1), code)


@pytest.mark.parametrize("batch", BATCHES)
@both_ways
def test_shapes_and_types(inference: str, batch: tuple[int, ...]) -> None:
    model, x = tiny(THREE, inference=inference, estimator="rloo"), pixels(*batch)
    for figure in (model.objective(x), model.elbo(x), model.elbo(x, 3), model.log_likelihood(x, 3)):
        assert figure.shape == batch
        assert figure.isfinite().all()
    d, k = model.sizes[model.order[0]]
    assert model.logits(x).shape == model.posterior(x).shape == (*batch, d, k)
    assert model.embedding(x).shape == (*batch, 9)
    assert model.kl_per_layer(x, 2).shape == (*batch, 3)
    assert model.log_weights(x, 6).shape == (6, *batch)
    assert model.reconstruct(x).shape == x.shape
    assert model.sample(7).shape == (7, PIXELS)
    for codes in (model.encode(x), model.encode(x, sample=True)):
        assert codes.shape == (*batch, 4)
        assert codes.dtype == torch.int64
        assert ((codes >= 0) & (codes < torch.tensor([3, 2, 2, 2]))).all()
        assert model.decode(codes).log_prob(x).shape == batch


def test_decoding_gives_one_log_probability_for_each_example() -> None:
    model = tiny(THREE)
    codes = torch.tensor([sum(path, ()) for path in paths(model)])
    x = pixels(len(codes))
    expected = by_hand(model, x)[0].diagonal()  # code i with example i
    torch.testing.assert_close(model.decode(codes).log_prob(x), expected)


def test_enumeration_goes_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = tiny(THREE), pixels(2, 3)
    monkeypatch.setattr(chain, "ROWS", 5)
    rows: list[int] = []
    model.decoder.register_forward_hook(lambda _, z, h: rows.append(len(z[0])))
    found = model.exact_log_likelihood(x)
    assert rows == [5, 5, 5, 5, 4]
    torch.testing.assert_close(found, evidence_by_hand(model, x))


def test_a_space_too_large_is_sampled_unless_the_sum_is_asked_for() -> None:
    model = HierarchicalVAE((PIXELS,), (15, 2), (2, 2), MLP((4,)))
    assert not model.enumerable
    with pytest.raises(EnumerationError, match=r"at least 2\^17 codes .* got 65536"):
        model.exact_log_likelihood(torch.ones(2, PIXELS))
    with torch.no_grad():
        assert model.log_likelihood(torch.ones(2, PIXELS)).shape == (2,)
    assert HierarchicalVAE((PIXELS,), (14, 2), (2, 2), MLP((4,))).enumerable


def test_free_bits_leave_latents_below_the_floor_alone() -> None:
    model, x = tiny(beta=0.5, free_bits=50.0), pixels(6)
    reconstruction, _ = terms_by_hand(model, x)
    found = model.objective(x)
    torch.testing.assert_close(found, reconstruction - 0.5 * 50.0 * 3)  # D_1 + D_2 = 3 latents
    ours, truth = gradients(found, model), gradients(reconstruction, model)
    for name in truth:
        if name.startswith("prior"):  # goes on following q, which is free there
            assert ours[name].abs().max() > 0
        else:
            torch.testing.assert_close(ours[name], truth[name], msg=name)


@both_ways
@pytest.mark.parametrize("network", [MLP((4,)), CNN((2,))])
def test_the_architecture_and_the_weights_are_the_model(network: MLP | CNN, inference: str) -> None:
    shape = (1, 4, 4)
    model = HierarchicalVAE(
        shape, [3, 2], [2, 3], network, estimator="rloo", prior="learned", inference=inference
    )
    config = json.loads(json.dumps(model.architecture()))
    again = HierarchicalVAE.from_architecture(config, estimator="reinmax", beta=0.5)
    again.load_state_dict(model.state_dict())
    x = torch.rand(6, *shape).round()
    ours, theirs = (m.elbo(x, 2, torch.Generator().manual_seed(3)) for m in (model, again))
    assert torch.equal(ours, theirs)
    assert torch.equal(model.encode(x), again.encode(x))
    assert again.architecture() == config
    assert (again.beta, type(again.estimator[1])) == (0.5, ReinMax)


def test_a_saved_model_is_loaded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pretrained.MODELS, HierarchicalVAE.kind, HierarchicalVAE)
    model, x = tiny(THREE, estimator=NVIL()), pixels(4)
    model.save_pretrained(tmp_path)
    again = HierarchicalVAE.from_pretrained(tmp_path)
    torch.testing.assert_close(again.log_likelihood(x), model.log_likelihood(x))
    config = json.loads((tmp_path / "config.json").read_text())
    for missing in ("num_categories", "prior"):
        (tmp_path / "config.json").write_text(
            json.dumps({key: value for key, value in config.items() if key != missing})
        )
        with pytest.raises(ModelError, match=f"`{missing}`"):
            HierarchicalVAE.from_pretrained(tmp_path)


def test_every_layer_has_its_own_estimator() -> None:
    given = NVIL()
    model = HierarchicalVAE((PIXELS,), (2, 1), (2, 3), MLP((4,)), estimator=given)
    first, second = model.estimator[0], model.estimator[1]
    assert first is not given and first is not second  # noqa: PT018
    learnt = {name for name in model.state_dict() if name.startswith("estimator.")}
    assert {"estimator.0.moments", "estimator.1.moments"} <= learnt
    assert not any(p.requires_grad for p in model.estimator.parameters())


@pytest.mark.parametrize(
    ("size", "kind"),
    [((1, 10), Exact), ((4, 2), Exact), ((4, 8), UnorderedSet), ((20, 10), ReinMax)],
)
def test_auto_looks_at_the_size_of_each_layer(size: tuple[int, int], kind: type) -> None:
    model = HierarchicalVAE((PIXELS,), (30, size[0]), (10, size[1]), MLP((4,)))
    assert isinstance(model.estimator[1], kind)
    assert isinstance(model.estimator[0], ReinMax)


@both_ways
@pytest.mark.parametrize("name", [*ESTIMATORS, "auto"])
def test_every_estimator_trains_under_mixed_precision(name: str, inference: str) -> None:
    k = 2 if name in ESTIMATORS and ESTIMATORS[name].binary_only else 3
    model = HierarchicalVAE((PIXELS,), (3, 2), k, MLP((6,)), estimator=name, inference=inference)
    x = pixels(8).float()
    with torch.autocast("cpu", torch.bfloat16):
        objective = model.objective(x)
        figures = model.elbo(x), model.log_likelihood(x, 5), model.exact_log_likelihood(x)
    objective.mean().backward()
    for figure in (objective, *figures):
        assert figure.dtype == torch.float32
        assert figure.isfinite().all()
    trained = [p for p in model.parameters() if p.requires_grad]  # not an estimator's own
    assert all(p.grad is not None and p.grad.isfinite().all() for p in trained)


def test_random_figures_follow_their_generator() -> None:
    model, x = tiny(estimator="rloo"), pixels(6)
    for draw in (
        model.objective,
        model.elbo,
        model.kl_per_layer,
        lambda x, generator: model.log_likelihood(x, 3, generator),
        lambda x, generator: model.encode(x, sample=True, generator=generator),
        lambda x, generator: model.sample(6, generator),
    ):
        first, again = (draw(x, generator=torch.Generator().manual_seed(3)) for _ in range(2))
        assert torch.equal(first, again)


def test_the_encoder_runs_once_for_all_layers() -> None:
    model, x = tiny(THREE), pixels(4)
    runs: list[int] = []
    model.encoder.register_forward_hook(lambda *_: runs.append(1))
    model.objective(x)
    assert len(runs) == 1
    with model.encoded_once(x):
        model.embedding(x), model.objective(x)
    assert len(runs) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_latents": (4,)}, r"`num_latents` must list at least two layers, got \(4,\)"),
        ({"num_latents": (4, 0)}, "`num_latents` must be at least 1"),
        ({"num_categories": (3, 1)}, "`num_categories` at least 2"),
        ({"num_categories": (3, 3, 3)}, r"one for each of the 2 layers, got \(3, 3, 3\)"),
        ({"inference": "topdown"}, r"`inference` must be .* \(did you mean 'top-down'\?\)"),
        ({"prior": "unifrom"}, r"`prior` must be .* \(did you mean 'uniform'\?\)"),
        ({"prior": CategoricalPrior(torch.zeros(2, 2))}, "2 × 3 of the top layer, got 2 × 2"),
        ({"estimator": "rlo"}, r"`estimator` must be .* \(did you mean 'rloo'\?\)"),
        ({"estimator": "vimco"}, "`estimator` must estimate an expectation.* got VIMCO"),
        ({"beta": -1.0}, "`beta` must be .* got -1"),
        ({"free_bits": float("nan")}, "`free_bits` must be .* got nan"),
        ({"free_bits": 0.1, "inference": "bottom-up"}, "`free_bits` must be 0 .* z1 that is"),
        (
            {"free_bits": 0.1, "num_categories": 2, "prior": TablePrior()},
            "`free_bits` must be 0 .* z2 that is",
        ),
    ],
)
def test_what_does_not_fit_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HierarchicalVAE(**({"shape": (5,), "num_latents": (3, 2), "num_categories": 3} | arguments))


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([[0, 2, 0]], r"`codes` must lie in \[0, 2\)"),
        ([[0, 0, -1]], r"`codes` must lie in \[0, 3\)"),
        ([[0, 0]], r"`codes` must end in 3 numbers \(2 of z1 \+ 1 of z2\), got \(1, 2\)"),
    ],
)
def test_codes_that_do_not_fit_are_refused(codes: list[list[int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny().decode(torch.tensor(codes))


@pytest.mark.parametrize("call", ["objective", "elbo", "log_likelihood", "encode", "kl_per_layer"])
def test_data_of_another_shape_and_contexts_are_refused(call: str) -> None:
    with pytest.raises(ValueError, match=r"`x` must end in shape \(5,\), got \(2, 4\)"):
        getattr(tiny(), call)(torch.zeros(2, 4, dtype=torch.float64))
    with pytest.raises(ValueError, match="`context` must be left out"):
        getattr(tiny(), call)(pixels(2), context=torch.zeros(2, 3))


@pytest.mark.parametrize("call", ["elbo", "log_likelihood", "exact_log_likelihood"])
def test_bounds_refuse_data_outside_the_support(call: str) -> None:
    with pytest.raises(ValueError, match="`x` must be 0 or 1"):
        getattr(tiny(), call)(torch.full((2, PIXELS), 0.5, dtype=torch.float64))
