"""What is special of layers of codes; what all share is in `test_battery.py`."""

import json
from pathlib import Path

import pytest
import torch
from enumeration import all_rows, log_evidence
from small_models import chance_bound
from torch import Tensor, nn

from discretevae.estimators import (
    NVIL,
    RLOO,
    Exact,
    ReinMax,
    StraightThrough,
    UnorderedSet,
    exact,
)
from discretevae.latents import EnumerationError
from discretevae.models import ModelError, chain, pretrained
from discretevae.models.hierarchical import INFERENCES, HierarchicalVAE
from discretevae.networks import CNN, MLP
from discretevae.priors import CategoricalPrior

PIXELS = 5
TWO, THREE = ((2, 1), (2, 3)), ((1, 2, 1), (3, 2, 2))

both_ways = pytest.mark.parametrize("inference", INFERENCES)


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

    truth, generator = flat(all_rows(model, x[None]).elbo), torch.Generator().manual_seed(1)
    many = x.expand(200, PIXELS)
    drawn = torch.stack([flat(model.objective(many, generator)) for _ in range(100)])
    bound = chance_bound(drawn, comparisons=len(truth))
    assert bound[1:].max() < 0.1 * truth[1:].abs().max(), "too few replicates to see 10 %"
    return float(((drawn.mean(0) - truth).abs() / bound.clamp_min(1e-9)).max())


def test_estimators_of_two_kinds_nest_where_the_codes_go_in_chunks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A chunk is computed again, from new draws, in the backward pass; 10^-6 as above."""
    monkeypatch.setattr(exact, "ROWS", 200)
    model = tiny()
    model.estimator[0] = RLOO()
    assert worst_deviation(model, pixels()) < 1


@pytest.mark.parametrize("sizes", [TWO, THREE])
def test_the_prior_of_each_layer_is_that_of_enumeration(sizes: tuple[tuple[int, ...], ...]) -> None:
    model = tiny(sizes)
    rows = all_rows(model, pixels(1))
    z = model.to_layers(rows.stored()[:, 0].long())
    for layer, name in enumerate(rows.names):
        expected = rows.log_p[name].sum(-1)[:, 0]
        torch.testing.assert_close(model.log_prior(layer, z), expected)


@both_ways
def test_the_embedding_is_q_of_each_layer_given_the_most_probable_ones(inference: str) -> None:
    model, x = tiny(THREE, inference=inference), pixels(20)
    parts = model.embedding(x).split([3, 4, 2], -1)
    codes = model.encode(x).split(model.num_latents, -1)
    for part, code, k in zip(parts, codes, model.num_categories, strict=True):
        torch.testing.assert_close(part.sum(-1), torch.full((20,), float(code.shape[-1])).double())
        assert torch.equal(part.unflatten(-1, (-1, k)).argmax(-1), code)


@pytest.mark.parametrize("call", ["objective", "elbo", "log_likelihood", "encode", "kl_per_layer"])
def test_contexts_are_refused(call: str) -> None:
    with pytest.raises(ValueError, match="`context` must be left out"):
        getattr(tiny(), call)(pixels(2), context=torch.zeros(2, 3))


def test_enumeration_goes_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = tiny(THREE), pixels(2)
    monkeypatch.setattr(chain, "ROWS", 5)
    rows: list[int] = []
    model.decoder.register_forward_hook(lambda _, z, h: rows.append(len(z[0])))
    found = model.exact_log_likelihood(x)
    assert rows == [5, 5, 5, 5, 4]
    torch.testing.assert_close(found, log_evidence(model, x))


def test_a_space_too_large_is_sampled_unless_the_sum_is_asked_for() -> None:
    model = HierarchicalVAE((PIXELS,), (15, 2), (2, 2), MLP((4,)))
    assert not model.enumerable
    with pytest.raises(EnumerationError, match=r"at least 2\^17 codes .* got 65536"):
        model.exact_log_likelihood(torch.ones(2, PIXELS))
    with torch.no_grad():
        assert model.log_likelihood(torch.ones(2, PIXELS)).shape == (2,)
    assert HierarchicalVAE((PIXELS,), (14, 2), (2, 2), MLP((4,))).enumerable


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
            {"free_bits": 0.1, "prior": "autoregressive"},
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
