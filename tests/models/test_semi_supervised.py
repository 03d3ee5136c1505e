"""Tiny models, C = 3 labels, D = 2, K = 2, four pixels: label and code are summed over by hand."""

import json
import math
from collections.abc import Callable
from itertools import product
from pathlib import Path
from statistics import NormalDist

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from discretevae.data import Augmentation
from discretevae.estimators import ESTIMATORS, NVIL, Estimator
from discretevae.estimators.multisample import VIMCO
from discretevae.latents import EnumerationError
from discretevae.likelihoods import GaussianLikelihood
from discretevae.models import from_pretrained, pretrained
from discretevae.models.semi_supervised import LabelPrior, SemiSupervisedVAE
from discretevae.networks import MLP
from discretevae.priors import CategoricalPrior, ConditionalPrior, Prior
from discretevae.training.terms import Contrast

PIXELS, C, D, K = 4, 3, 2, 2
ALPHA, NONE = 7.0, -1.0
MIXED = torch.tensor([[NONE], [2.0], [0.0], [NONE], [1.0]], dtype=torch.float64)
CODES = list(product(range(K), repeat=D))


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
    num_latents: int = D,
    likelihood: str = "bernoulli",
    estimator: object = "exact",
    prior: Prior | None = None,
    alpha: float = ALPHA,
    scale: float = 3.0,
    **options: object,
) -> SemiSupervisedVAE:
    prior = prior or CategoricalPrior(torch.linspace(-1, 1, num_latents * K).view(num_latents, K))
    networks = MLP((5,)), MLP((6,))
    sizes = C, num_latents, K
    model = SemiSupervisedVAE(
        (PIXELS,), *sizes, *networks, likelihood, estimator, prior, alpha=alpha, **options
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.mul_(1 if "log_scale" in name else scale)  # 3: far from uniform
    return model.double()


def pixels(*batch: int) -> Tensor:
    return torch.rand((*batch, PIXELS), dtype=torch.float64).round()


def log_p_x_given(model: SemiSupervisedVAE, code: tuple[int, ...], y: int, x: Tensor) -> Tensor:
    """The formulas of the likelihoods, written out."""
    z = torch.eye(K, dtype=torch.float64)[list(code)].flatten()
    h = model.conditional.decoder(torch.cat([z, torch.eye(C, dtype=torch.float64)[y]]))
    if isinstance(model.likelihood, GaussianLikelihood):
        scale = model.likelihood.log_scale.exp()
        return (-0.5 * ((x - h) / scale) ** 2 - (scale * math.sqrt(2 * math.pi)).log()).sum(-1)
    p = h.sigmoid()
    return (x * p.log() + (1 - x) * (1 - p).log()).sum(-1)


def log_p_z(model: SemiSupervisedVAE, code: tuple[int, ...]) -> Tensor:
    prior = model.conditional.prior
    if isinstance(prior, Coupled):
        return prior.table.flatten().log_softmax(0).view(K, K)[code]
    return sum(prior.logits.log_softmax(-1)[d, k] for d, k in enumerate(code))


def by_hand(model: SemiSupervisedVAE, x: Tensor) -> tuple[Tensor, ...]:
    """log p(x|y,z), log p(z) and log q(z|x,y), each (C, K^D, *B), and log q(y|x), (C, *B)."""
    rows = []
    for y in range(C):
        label = torch.eye(C, dtype=torch.float64)[y].expand(*x.shape[:-1], C)
        log_q = model.conditional.encoder(x, label).unflatten(-1, (-1, K)).log_softmax(-1)
        for code in product(range(K), repeat=model.num_latents):
            log_q_z = sum(log_q[..., d, k] for d, k in enumerate(code))
            prior = log_p_z(model, code).expand_as(log_q_z)
            rows.append((log_p_x_given(model, code, y, x), prior, log_q_z))
    found = (torch.stack(column).unflatten(0, (C, -1)) for column in zip(*rows, strict=True))
    return *found, model.encoder(x).log_softmax(-1).movedim(-1, 0)


def bounds_by_hand(
    model: SemiSupervisedVAE, x: Tensor, labels: Tensor | None, beta: float = 1, alpha: float = 0
) -> Tensor:
    """Each row's bound by one formula or the other, row by row: x is (B, PIXELS)."""
    log_p_x, prior, log_q_z, log_q_y = by_hand(model, x)
    kl = (log_q_z.exp() * (log_q_z - prior)).sum(1)
    given = (log_q_z.exp() * log_p_x).sum(1) - beta * (kl + math.log(C))  # b(x, y)
    rows = []
    for i in range(len(x)):
        y = -1 if labels is None else int(labels[i])
        if y < 0:
            q = log_q_y[:, i].exp()
            rows.append((q * (given[:, i] - beta * log_q_y[:, i])).sum())
        else:
            rows.append(given[y, i] + alpha * log_q_y[y, i])
    return torch.stack(rows)


def log_p_by_hand(model: SemiSupervisedVAE, x: Tensor, labels: Tensor | None) -> Tensor:
    log_p_x, prior, _, _ = by_hand(model, x)
    joint = (log_p_x + prior).logsumexp(1) - math.log(C)  # log p(x, y)
    chosen = [-1] * len(x) if labels is None else labels[:, 0].long().tolist()
    return torch.stack(
        [joint[y, i] if y >= 0 else joint[:, i].logsumexp(0) for i, y in enumerate(chosen)]
    )


def chance_bound(values: Tensor, comparisons: int, false_alarm: float = 1e-6) -> Tensor:
    """How far the mean over the first dimension strays from the truth by chance."""
    quantile = NormalDist().inv_cdf(1 - false_alarm / 2 / comparisons)
    return quantile * values.std(0) / len(values) ** 0.5


class TrueLabelPosterior(nn.Module):
    """p(y|x), as log p(x, y)."""

    def __init__(self, model: SemiSupervisedVAE) -> None:
        super().__init__()
        self.joint = [model]  # in a list: no submodule, no cycle

    def forward(self, x: Tensor) -> Tensor:
        model = self.joint[0]
        joint = [
            torch.stack([log_p_x_given(model, (k,), y, x) + log_p_z(model, (k,)) for k in range(K)])
            for y in range(C)
        ]
        return torch.stack(joint).logsumexp(1).movedim(0, -1)


class TrueCodePosterior(nn.Module):
    """p(z|x, y) of a single latent, as a trunk and a head."""

    def __init__(self, model: SemiSupervisedVAE) -> None:
        super().__init__()
        self.joint = [model]

    def forward(self, h: Tensor) -> Tensor:
        model, x, label = self.joint[0], h[..., :PIXELS], h[..., PIXELS:]
        joint = [
            [log_p_x_given(model, (k,), y, x) + log_p_z(model, (k,)) for k in range(K)]
            for y in range(C)
        ]
        every = torch.stack([torch.stack(row, -1) for row in joint], -2)  # (..., C, K)
        return (label.unsqueeze(-1) * every).sum(-2)


def perfect() -> SemiSupervisedVAE:
    """Both posteriors are the true ones."""
    model = tiny(num_latents=1, alpha=0.0)
    model.encoder = TrueLabelPosterior(model)
    model.conditional.encoder.trunk = nn.Identity()
    model.conditional.encoder.head = TrueCodePosterior(model)
    return model


LABELS = [None, torch.full((5, 1), NONE, dtype=torch.float64), MIXED, MIXED.clamp_min(0)]


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_exact_log_likelihood_is_the_sum_over_labels_and_codes(
    labels: Tensor | None, likelihood: str
) -> None:
    model, x = tiny(likelihood=likelihood), pixels(5)
    expected = log_p_by_hand(model, x, labels)
    torch.testing.assert_close(model.exact_log_likelihood(x, context=labels), expected)
    torch.testing.assert_close(model.log_likelihood(x, context=labels), expected)


def test_the_likelihoods_of_all_images_and_labels_sum_to_one() -> None:
    model = tiny()
    images = torch.tensor(list(product([0.0, 1.0], repeat=PIXELS)), dtype=torch.float64)
    one = torch.ones((), dtype=torch.float64)
    torch.testing.assert_close(model.log_likelihood(images).exp().sum(), one)
    joint = [model.log_likelihood(images, context=one.new_full((16, 1), y)) for y in range(C)]
    torch.testing.assert_close(torch.stack(joint).exp().sum(), one)


def gradients(value: Tensor, model: SemiSupervisedVAE) -> dict[str, Tensor]:
    named = dict(model.named_parameters())
    return dict(zip(named, torch.autograd.grad(value.sum(), list(named.values())), strict=True))


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("beta", [0.3, 1.0])
@pytest.mark.parametrize("coupled", [False, True])
def test_the_exact_objective_and_all_its_gradients(
    labels: Tensor | None, beta: float, coupled: bool
) -> None:
    model, x = tiny(prior=Coupled() if coupled else None, beta=beta), pixels(5)
    found, expected = (
        model.objective(x, context=labels),
        bounds_by_hand(model, x, labels, beta, ALPHA),
    )
    torch.testing.assert_close(found, expected)
    truth = gradients(expected, model)
    for name, gradient in gradients(found, model).items():
        assert truth[name].abs().max() > 0, name
        torch.testing.assert_close(gradient, truth[name], msg=name)


def test_an_objective_without_the_entropy_of_the_label_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, x = tiny(), pixels(5)
    truth = bounds_by_hand(model, x, MIXED, 1, ALPHA)
    monkeypatch.setattr(
        LabelPrior, "kl", lambda _, q, known: q.new_full((*q.shape[:-2], 1), math.log(C))
    )
    found = model.objective(x, context=MIXED)
    known = MIXED[:, 0] >= 0
    torch.testing.assert_close(found[known], truth[known])
    assert (found - truth)[~known].abs().min() > 1e-3


@pytest.mark.parametrize("labels", [None, MIXED])
@pytest.mark.parametrize("coupled", [False, True])
def test_the_elbo_is_unbiased_and_below_the_log_likelihood(
    labels: Tensor | None, coupled: bool
) -> None:
    """It fails by chance once in 10^6 runs; a bias of 0.1 nats does not pass."""
    model, x, many = (
        tiny(prior=Coupled() if coupled else None, beta=0.2, scale=1.5),
        pixels(5),
        5_000,
    )
    context = None if labels is None else labels.expand(many, 5, 1)
    with torch.no_grad():
        truth = bounds_by_hand(model, x, labels)
        assert (truth < log_p_by_hand(model, x, labels)).all()
        for samples in (1, 3):
            values = model.elbo(x.expand(many, 5, PIXELS), samples, context=context)
            bound = chance_bound(values, comparisons=5)
            assert bound.max() < 0.1
            assert ((values.mean(0) - truth).abs() <= bound).all()


@pytest.mark.parametrize("labels", [None, MIXED])
def test_importance_weights_have_the_likelihood_as_their_mean(labels: Tensor | None) -> None:
    """They fail by chance once in 10^6 runs; 10 % of the likelihood does not pass."""
    model, x = tiny(scale=1.0), pixels(5)
    with torch.no_grad():
        weights = model.log_weights(x, 50_000, context=labels).exp()
        truth = log_p_by_hand(model, x, labels).exp()
        bound = chance_bound(weights, comparisons=5)
        assert (bound < 0.1 * truth).all()
        assert ((weights.mean(0) - truth).abs() <= bound).all()
        near = model.log_likelihood(x, 5_000, context=labels)
        torch.testing.assert_close(near, truth.log(), rtol=0, atol=0.1)


@pytest.mark.parametrize("labels", [None, MIXED])
def test_all_bounds_are_tight_at_the_true_posteriors(labels: Tensor | None) -> None:
    model, x = perfect(), pixels(5)
    truth = log_p_by_hand(model, x, labels)
    torch.testing.assert_close(model.objective(x, context=labels), truth)
    torch.testing.assert_close(model.log_weights(x, 7, context=labels), truth.expand(7, 5))
    torch.testing.assert_close(model.log_likelihood(x, 1, context=labels), truth)


@pytest.mark.parametrize("estimator", ["exact", "reinmax"])
def test_a_mixed_batch_equals_the_separate_ones(estimator: str) -> None:
    model, x = tiny(estimator=estimator), pixels(5)
    known = MIXED[:, 0] >= 0
    separate = torch.empty(5, dtype=torch.float64)
    for rows, context in ((known, MIXED[known]), (~known, None)):
        separate[rows] = model.exact_log_likelihood(x[rows], context=context)
    torch.testing.assert_close(model.exact_log_likelihood(x, context=MIXED), separate)
    if estimator == "exact":
        together = model.objective(x, context=MIXED)
        torch.testing.assert_close(together[known], model.objective(x[known], None, MIXED[known]))
        torch.testing.assert_close(together[~known], model.objective(x[~known]))


def test_a_labelled_row_is_that_of_the_conditional_model() -> None:
    """log p(x, y) = log p(x|y) − log C, and so with their bounds."""
    model, x = tiny(alpha=0.0), pixels(5)
    model.beta = 1.0
    part = model.conditional
    for name in ("objective", "exact_log_likelihood"):
        for y in range(C):
            label = torch.full((5, 1), float(y), dtype=torch.float64)
            context = torch.eye(C, dtype=torch.float64)[y].expand(5, C)
            part.beta = 1.0
            found = getattr(model, name)(x, context=label)
            torch.testing.assert_close(found, getattr(part, name)(x, context=context) - math.log(C))


def test_the_classification_term_is_part_of_the_objective_alone() -> None:
    model, x = tiny(alpha=0.0), pixels(5)
    log_q = by_hand(model, x)[3]
    figures = ("elbo", "objective", "log_likelihood")

    def all_figures() -> list[Tensor]:
        draws = torch.Generator().manual_seed(1)
        return [getattr(model, name)(x, generator=draws, context=MIXED) for name in figures]

    elbo, objective, log_p = all_figures()
    model.alpha = 50.0
    for found, expected in zip(all_figures(), (elbo, objective, log_p), strict=True):
        gained = found - expected
        if expected is not objective:
            assert (gained == 0).all()
            continue
        rows = [i for i in range(5) if MIXED[i] >= 0]
        truth = torch.zeros(5, dtype=torch.float64)
        truth[rows] = 50 * torch.stack([log_q[int(MIXED[i]), i] for i in rows])
        torch.testing.assert_close(gained, truth)


@pytest.mark.parametrize("batch", [(), (4,), (2, 4)])
@pytest.mark.parametrize("labelled", [False, True])
def test_shapes_and_types(batch: tuple[int, ...], labelled: bool) -> None:
    model, x = tiny(estimator="rloo"), pixels(*batch)
    context = torch.randint(-1, C, (*batch, 1)).double() if labelled else None
    with model.encoded_once(x, context):
        figures = [model.objective(x, context=context), model.elbo(x, 2, context=context)]
        assert model.logits(x, context).shape == (*batch, 1, C)
    for figure in (*figures, model.log_likelihood(x, 3, context=context)):
        assert figure.shape == batch
        assert figure.isfinite().all()
    assert model.posterior(x).shape == (*batch, 1, C)
    assert model.log_weights(x, 6, context=context).shape == (6, *batch)
    assert model.reconstruct(x, context).shape == x.shape
    for sample in (False, True):
        codes = model.encode(x, sample, context=context)
        assert codes.shape == (*batch, 1 + D)
        assert codes.dtype == torch.int64
        if context is not None:
            known = context[..., 0] >= 0
            assert (codes[..., 0] == context[..., 0])[known].all()
        assert model.decode(codes, context).log_prob(x).shape == batch


def test_predictions_are_those_of_the_classifier() -> None:
    model, x = tiny(), pixels(9)
    expected = model.encoder(x).softmax(-1)
    torch.testing.assert_close(model.predict(x), expected)
    torch.testing.assert_close(model.embedding(x, torch.zeros(9, 1)), expected)
    assert torch.equal(model.encode(x)[:, 0], expected.argmax(-1))


def test_the_code_is_the_most_probable_one_given_the_label() -> None:
    model, x = tiny(), pixels(9)
    labels = torch.arange(9).view(-1, 1) % C
    log_q_z = by_hand(model, x)[2]
    best = [CODES[int(log_q_z[i % C, :, i].argmax())] for i in range(9)]
    expected = torch.cat([labels, torch.tensor(best)], -1)
    assert torch.equal(model.encode(x, context=labels.double()), expected)


def test_decoding_is_that_of_label_and_code() -> None:
    model, x = tiny(), pixels(9)
    codes = torch.tensor([[i % C, *CODES[i % 4]] for i in range(9)])
    log_p_x = by_hand(model, x)[0]
    expected = torch.stack([log_p_x[i % C, i % 4, i] for i in range(9)])
    torch.testing.assert_close(model.decode(codes).log_prob(x), expected)


def test_samples_follow_p_of_the_label_or_the_label() -> None:
    """It fails by chance once in 10^6 runs."""
    model = tiny()
    codes = model.sample_codes(20_000)
    hits = one_hot(codes[:, 0], C).double()
    assert ((hits.mean(0) - 1 / C).abs() <= chance_bound(hits, comparisons=C)).all()
    prior = model.conditional.prior.logits.softmax(-1)
    hits = one_hot(codes[:, 1:], K).double()
    assert ((hits.mean(0) - prior).abs() <= chance_bound(hits, comparisons=D * K)).all()
    given = torch.tensor([[2.0], [NONE], [0.0]]).repeat(50, 1)
    drawn = model.sample_codes(150, context=given)[:, 0]
    assert set(drawn[0::3].tolist()) == {2}
    assert set(drawn[1::3].tolist()) == {0, 1, 2}
    assert set(drawn[2::3].tolist()) == {0}
    assert model.sample(6, context=torch.tensor([1.0])).shape == (6, PIXELS)


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


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ([[0.0], [3.0]], r"whole labels in \[0, 3\), or −1 for none, got 3"),
        ([[0.0], [-2.0]], r"`context` must hold whole labels .* got -2"),
        ([[0.5], [1.0]], r"`context` must hold whole labels .* got 0.5"),
        ([[0.0], [math.nan]], r"`context` must hold whole labels .* got nan"),
        ([0.0, 1.0], r"`context` must have shape \(2, 1\), got \(2,\)"),
        ([[0.0, 1.0], [1.0, 0.0]], r"`context` must have shape \(2, 1\), got \(2, 2\)"),
    ],
)
def test_labels_that_do_not_fit_are_refused(context: list[object], message: str) -> None:
    model, x, labels = tiny(), pixels(2), torch.tensor(context, dtype=torch.float64)
    for call in (model.objective, model.elbo, model.log_likelihood, model.encode, model.logits):
        with pytest.raises(ValueError, match=message):
            call(x, context=labels)
    with pytest.raises(ValueError, match=message):
        model.sample_codes(2, context=labels)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([[3, 0, 0]], r"`codes` must lie in \[0, 3\)"),
        ([[0, 0, 2]], r"`codes` must lie in \[0, 2\)"),
        ([[-1, 0, 0]], r"`codes` must lie in \[0, 3\)"),
        ([[0, 0]], r"`codes` must end in 3 numbers \(1 of y \+ 2 of z\), got \(1, 2\)"),
    ],
)
def test_codes_that_do_not_fit_are_refused(codes: list[list[int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny().decode(torch.tensor(codes))


@pytest.mark.parametrize("call", ["objective", "elbo", "log_likelihood", "encode", "predict"])
def test_data_of_another_shape_are_refused(call: str) -> None:
    with pytest.raises(ValueError, match=r"`x` must end in shape \(4,\), got \(2, 5\)"):
        getattr(tiny(), call)(torch.zeros(2, 5, dtype=torch.float64))


@pytest.mark.parametrize("call", ["elbo", "log_likelihood", "exact_log_likelihood"])
def test_bounds_refuse_data_outside_the_support(call: str) -> None:
    with pytest.raises(ValueError, match="`x` must be 0 or 1"):
        getattr(tiny(), call)(torch.full((2, PIXELS), 0.5, dtype=torch.float64))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 1}, "`num_classes` must be at least 2, got 1"),
        ({"alpha": -1.0}, "`alpha` must be .* at least 0, got -1"),
        ({"alpha": math.inf}, "`alpha` must be .* got inf"),
        ({"beta": -1.0}, "`beta` must be .* got -1"),
        ({"num_latents": 0}, "`num_latents` must be at least 1"),
        ({"classifier": "imgae"}, r"`classifier` must be .* \(did you mean 'image'\?\)"),
        ({"network": "tutrial"}, r"`network` must be .* \(did you mean 'tutorial'\?\)"),
        ({"prior": "conditional"}, "`prior` must be a p\\(z\\) without the label"),
        ({"prior": ConditionalPrior(4, 8, 10)}, "`prior` must be a p\\(z\\) without the label"),
        ({"estimator": "vimco", "beta": 0.5}, "`beta` must be 1 with a multi-sample estimator"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SemiSupervisedVAE(**({"shape": (5,)} | arguments))


def test_a_space_too_large_is_sampled_unless_the_sum_is_asked_for() -> None:
    """C K^D = 3·2^15 = 98,304 is too much, 3·2^14 is not."""
    x = torch.ones(2, PIXELS)
    model = SemiSupervisedVAE((PIXELS,), 3, 15, 2, MLP((4,)))
    assert not model.enumerable
    with pytest.raises(EnumerationError, match=r"at least 3\^1 · 2\^15 codes .* got 65536"):
        model.exact_log_likelihood(x)
    with torch.no_grad():
        assert model.log_likelihood(x).shape == (2,)
    assert SemiSupervisedVAE((PIXELS,), 3, 14, 2, MLP((4,))).enumerable
    with pytest.raises(EnumerationError, match="got 11"):
        tiny().exact_log_likelihood(pixels(2), budget=11)
    assert tiny().exact_log_likelihood(pixels(2), budget=12).shape == (2,)


def test_the_trunk_sees_each_example_once_and_a_code_is_decoded_once_for_all() -> None:
    model, x = tiny(), pixels(50)
    rows: dict[str, int] = {}
    for name in ("encoder.trunk", "decoder"):
        model.conditional.get_submodule(name).register_forward_hook(
            lambda _, z, h, name=name: rows.update({name: z[0].shape[:-1].numel()})
        )
    model.objective(x, context=torch.zeros(50, 1))
    assert rows == {"encoder.trunk": 50, "decoder": C * K**D}


@pytest.mark.parametrize("make", [*ESTIMATORS.values(), lambda: NVIL(context_features=PIXELS)])
def test_every_estimator_trains_under_mixed_precision(make: Callable[[], Estimator]) -> None:
    model = tiny(estimator=make()).float()
    x, context = pixels(5).float(), MIXED.float()
    with torch.autocast("cpu", torch.bfloat16):
        objective = model.objective(x, context=context)
        elbo = model.elbo(x, context=context)
        others = model.log_weights(x, 3, context=context), model.exact_log_likelihood(x)
    objective.mean().backward()
    for figure in (objective, elbo, *others):
        assert figure.dtype == torch.float32
        assert figure.isfinite().all()
    trained = [p for n, p in model.named_parameters() if p.requires_grad and "estimator" not in n]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in trained)


def test_a_bound_of_many_samples_of_the_code_lies_between_elbo_and_likelihood() -> None:
    """Each further than chance takes it, once in 10^6 runs."""
    model, x, many = tiny(estimator=VIMCO(20), alpha=0.0), pixels(2), 2_000
    labels = MIXED[:2]
    with torch.no_grad():
        values = model.objective(x.expand(many, 2, PIXELS), context=labels.expand(many, 2, 1))
        bound = chance_bound(values, comparisons=4)
        assert (values.mean(0) - bound > bounds_by_hand(model, x, labels)).all()
        assert (values.mean(0) - bound <= log_p_by_hand(model, x, labels)).all()


def test_the_estimator_is_that_of_the_part() -> None:
    model = tiny()
    model.estimator = ESTIMATORS["rloo"]()
    assert isinstance(model.conditional.estimator, ESTIMATORS["rloo"])


def test_the_contrastive_term_sees_the_label() -> None:
    augment = Augmentation(image_shape=(2, 2))
    model, x = tiny().float(), pixels(6).float()
    term = Contrast(augment)(model, x, torch.Generator().manual_seed(0), torch.zeros(6, 1))
    term.backward()
    assert all(p.grad is not None for p in model.encoder.parameters())
    assert all(p.grad is None for p in model.conditional.parameters())


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_the_architecture_rebuilds_the_model(likelihood: str) -> None:
    model, x = tiny(likelihood=likelihood), pixels(5)
    config = json.loads(json.dumps(model.architecture()))
    again = SemiSupervisedVAE.from_architecture(config, estimator="exact", alpha=ALPHA).double()
    again.load_state_dict(model.state_dict())
    for labels in (None, MIXED):
        expected = model.objective(x, context=labels)
        assert torch.equal(again.objective(x, context=labels), expected)


def test_a_saved_model_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pretrained.MODELS, "SemiSupervisedVAE", SemiSupervisedVAE)
    model, x = tiny(likelihood="gaussian"), pixels(5)
    model.save_pretrained(tmp_path)
    again = from_pretrained(tmp_path, alpha=3.0, beta=0.5)
    assert isinstance(again, SemiSupervisedVAE)
    assert (again.alpha, again.beta) == (3.0, 0.5)
    expected = model.log_likelihood(x, context=MIXED)
    assert torch.equal(again.log_likelihood(x, context=MIXED), expected)


def test_a_few_labels_name_the_clusters() -> None:
    """Two kinds of images, one label of each: after 60 steps all the others are recognised."""
    generator = torch.Generator().manual_seed(0)
    kinds = torch.randint(2, (64,), generator=generator)
    means = torch.tensor([[0.9] * 6 + [0.1] * 6, [0.1] * 6 + [0.9] * 6])
    x = torch.bernoulli(means[kinds], generator=generator)
    context = torch.full((64, 1), NONE)
    for y in (0, 1):
        context[int((kinds == y).nonzero()[0])] = y
    model = SemiSupervisedVAE((12,), 2, 1, 2, MLP((16,)))
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(60):
        optimizer.zero_grad()
        (-model.objective(x, generator, context)).mean().backward()
        optimizer.step()
    assert (model.predict(x).argmax(-1) == kinds).float().mean() > 0.95
