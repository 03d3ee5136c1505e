"""What is special of codes beside a label; what all share is in `test_battery.py`."""

import json
import math
from pathlib import Path

import pytest
import torch
from enumeration import all_rows, log_evidence
from small_models import chance_bound
from torch import Tensor

from discretevae.data import Augmentation
from discretevae.estimators import ESTIMATORS
from discretevae.estimators.multisample import VIMCO
from discretevae.latents import EnumerationError
from discretevae.models import from_pretrained, pretrained
from discretevae.models.semi_supervised import SemiSupervisedVAE
from discretevae.networks import MLP
from discretevae.priors import CategoricalPrior, ConditionalPrior, Prior
from discretevae.training.terms import Contrast

PIXELS, C, D, K = 4, 3, 2, 2
ALPHA, NONE = 7.0, -1.0
MIXED = torch.tensor([[NONE], [2.0], [0.0], [NONE], [1.0]], dtype=torch.float64)


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


def test_predictions_are_those_of_the_classifier() -> None:
    model, x = tiny(), pixels(9)
    expected = model.encoder(x).softmax(-1)
    torch.testing.assert_close(model.predict(x), expected)
    torch.testing.assert_close(model.embedding(x, torch.zeros(9, 1)), expected)
    assert torch.equal(model.encode(x)[:, 0], expected.argmax(-1))


def test_samples_take_the_label_of_each_that_has_one() -> None:
    model = tiny()
    given = torch.tensor([[2.0], [NONE], [0.0]]).repeat(50, 1)
    drawn = model.sample_codes(150, context=given)[:, 0]
    assert set(drawn[0::3].tolist()) == {2}
    assert set(drawn[1::3].tolist()) == {0, 1, 2}
    assert set(drawn[2::3].tolist()) == {0}
    assert model.sample(6, context=torch.tensor([1.0])).shape == (6, PIXELS)


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


def test_a_bound_of_many_samples_of_the_code_lies_between_elbo_and_likelihood() -> None:
    """Each further than chance takes it, once in 10^6 runs."""
    model, x, many = tiny(estimator=VIMCO(20), alpha=0.0), pixels(2), 2_000
    labels = MIXED[:2]
    with torch.no_grad():
        values = model.objective(x.expand(many, 2, PIXELS), context=labels.expand(many, 2, 1))
        bound = chance_bound(values, comparisons=4)
        assert (values.mean(0) - bound > all_rows(model, x, labels).elbo).all()
        assert (values.mean(0) - bound <= log_evidence(model, x, labels)).all()


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
