"""What training adds to the ELBO: that it is added, that it works, that reports ignore it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from discretevae.data import Examples, Splits
from discretevae.evaluation import code_health
from discretevae.models import DiscreteVAE, GaussianVAE
from discretevae.networks import MLP
from discretevae.objectives import batch_mutual_information, info_nce
from discretevae.training import TrainingOptions, prepare, train
from discretevae.training.module import TrainingModule
from discretevae.training.terms import Balance, Contrast, Term, augmentation_for

Make = Callable[..., DiscreteVAE]


def state(model: DiscreteVAE) -> list[Tensor]:
    return [value.clone() for value in model.state_dict().values()]


def step_gradients(module: TrainingModule, x: Tensor) -> list[Tensor]:
    module.generator = torch.Generator().manual_seed(5)
    module._sums = {name: torch.zeros(()) for name in module.terms}
    module._trainer = type("T", (), {"global_step": 0, "global_rank": 0, "world_size": 1})()  # type: ignore[assignment]
    loss = module.training_step(x, 0)
    return list(torch.autograd.grad(loss, list(module.model.parameters())))


def test_a_step_descends_on_the_weighted_sum(
    digits: Splits, make_model: Make, options: TrainingOptions
) -> None:
    model = make_model()
    weights = replace(options, contrastive="2", balance="3:1", contrastive_temperature=0.5)
    x = digits.train.values(slice(0, 20))
    found = step_gradients(TrainingModule(model, digits, weights), x)

    draws = torch.Generator().manual_seed(5)
    objective = model.objective(x, draws).mean()
    augmented = augmentation_for(model.shape)(x, draws)
    loss = info_nce(model.embedding(x), model.embedding(augmented), 0.5).mean()
    information = batch_mutual_information(model.logits(x)).sum()
    by_hand = -(objective - 2 * loss + 3 * information)
    expected = torch.autograd.grad(by_hand, list(model.parameters()))
    for gradient, truth in zip(found, expected, strict=True):
        torch.testing.assert_close(gradient, truth)


def test_a_step_encodes_the_batch_once_and_its_copy_once(
    digits: Splits, make_model: Make, options: TrainingOptions
) -> None:
    model, calls = make_model(), []
    module = TrainingModule(model, digits, replace(options, contrastive="2", balance="3"))
    model.encoder.register_forward_hook(lambda *_: calls.append(1))
    step_gradients(module, digits.train.values(slice(0, 20)))
    assert len(calls) == 2


def test_a_weight_of_zero_changes_nothing(
    digits: Splits, make_model: Make, options: TrainingOptions
) -> None:
    plain, with_zeros = make_model(), make_model()
    first = train(plain, digits, options)
    second = train(with_zeros, digits, replace(options, contrastive=0, balance="0"))
    assert all(map(torch.equal, state(plain), state(with_zeros)))
    assert first[-1].keys() == second[-1].keys()


@pytest.mark.parametrize(
    ("name", "column"), [("contrastive", "contrast"), ("balance", "mutual_information")]
)
def test_each_term_grows_when_it_is_asked_for(
    digits: Splits, make_model: Make, options: TrainingOptions, name: str, column: str
) -> None:
    """Against the first epoch's mean, after thirty epochs; the seed is fixed."""
    asked = replace(options, epochs=30, learning_rate=1e-2, **{name: 20.0})
    history = train(make_model(), digits, asked)
    values = [row[f"train_{column}"] for row in history]
    assert values[-1] > values[0] + 0.1
    assert history[-1][name] == 20.0


def test_balance_spreads_the_use_of_the_code(
    digits: Splits, make_model: Make, options: TrainingOptions
) -> None:
    plain, balanced = make_model(), make_model()
    train(plain, digits, replace(options, epochs=30))
    train(balanced, digits, replace(options, epochs=30, balance=20.0))
    x = digits.validation.values()
    information = [float(code_health(m, [x]).mutual_information.sum()) for m in (plain, balanced)]
    assert information[1] > information[0]


def test_reported_bounds_do_not_see_the_terms(
    digits: Splits, make_model: Make, options: TrainingOptions
) -> None:
    history = train(make_model(), digits, replace(options, contrastive=1000.0))
    row = history[-1]
    assert row["train_elbo"] > -100
    assert row["train_objective"] < row["train_elbo"] - 100


def test_a_resumed_run_goes_on_exactly(
    digits: Splits, make_model: Make, options: TrainingOptions, tmp_path: Path
) -> None:
    options = replace(options, contrastive=1.0, balance=1.0, decay="constant")
    whole, resumed = make_model(), make_model()
    train(whole, digits, replace(options, epochs=4), tmp_path / "whole")
    train(make_model(), digits, replace(options, epochs=2), tmp_path / "cut")
    train(resumed, digits, replace(options, epochs=4), tmp_path / "cut", resume=True)
    assert all(map(torch.equal, state(whole), state(resumed)))


def test_a_batch_of_one_has_nothing_to_be_told_from(digits: Splits, make_model: Make) -> None:
    x = digits.train.values(slice(0, 1))
    with torch.no_grad():
        assert float(Contrast(augmentation_for((1, 8, 8)))(make_model(), x)) == 0
        assert float(Balance()(make_model(), x)) == pytest.approx(0, abs=1e-6)


def test_gaussian_models_contrast_their_means(digits: Splits, options: TrainingOptions) -> None:
    model = GaussianVAE((1, 8, 8), 3, MLP((8,)))
    history = train(model, digits, replace(options, contrastive=1.0))
    assert "train_contrast" in history[-1]
    x = digits.train.values(slice(0, 4))
    assert torch.equal(model.embedding(x), model.posterior(x)[..., 0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"contrastive": -1.0}, "`contrastive` must be at least 0 throughout, got -1.0"),
        ({"balance": "1:-1"}, "`balance` must be at least 0 throughout, got '1:-1'"),
        ({"contrastive": "much"}, "`contrastive` must be a number, START:END"),
        ({"contrastive_temperature": 0.0}, "`contrastive_temperature` must be positive, got 0.0"),
        ({"similarity": "cosin"}, r"got 'cosin' \(did you mean 'cosine'\?\)"),
    ],
)
def test_options_out_of_range_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainingOptions(**changes)  # type: ignore[arg-type]


def test_what_does_not_suit_a_term_is_refused(digits: Splits, options: TrainingOptions) -> None:
    table = replace(
        digits, train=Examples(torch.rand(20, 5)), validation=Examples(torch.rand(4, 5))
    )
    with pytest.raises(ValueError, match=r"`contrastive` must go with images"):
        TrainingModule(DiscreteVAE((5,), 2, 3), table, replace(options, contrastive=1.0))
    with pytest.raises(ValueError, match="`balance` must go with a discrete model"):
        TrainingModule(GaussianVAE((1, 8, 8), 3), digits, replace(options, balance=1.0))


class Total(Term):
    """Sum of what the decoder expects of the first code: a term that rows have one by one."""

    name, whole_batch = "total", False

    def __call__(
        self,
        model: Any,
        x: Tensor,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Tensor:
        codes = torch.zeros(len(x), model.num_latents, dtype=torch.int64)
        return model.decode(codes).mean.flatten(1).sum(1).mean()


class Rows(Total):
    """The same, by its own word of a whole batch."""

    name, whole_batch = "rows", True


def test_a_term_of_ones_own_changes_what_is_trained_and_is_in_the_history(
    digits: Splits, make_model: Make, options: TrainingOptions
) -> None:
    faster = replace(options, epochs=10, learning_rate=1e-2)
    history = train(make_model(), digits, faster, terms={"brightness": (Total(), "0:50")})
    totals = [row["train_total"] for row in history]
    assert totals[-1] > totals[0] + 3
    assert history[-1]["brightness"] == 50.0
    assert "train_total" not in train(make_model(), digits, options)[-1]


def test_the_step_is_that_of_the_weighted_sum(
    digits: Splits, make_model: Make, options: TrainingOptions
) -> None:
    model, x = make_model(), digits.train.values(slice(0, 20))
    found = step_gradients(TrainingModule(model, digits, options, {"own": (Total(), 3)}), x)
    objective = model.objective(x, torch.Generator().manual_seed(5)).mean()
    by_hand = -(objective + 3 * Total()(model, x))
    for gradient, truth in zip(
        found, torch.autograd.grad(by_hand, list(model.parameters())), strict=True
    ):
        torch.testing.assert_close(gradient, truth)


def test_a_run_with_a_term_of_ones_own_resumes_exactly_and_with_no_other(
    digits: Splits, make_model: Make, options: TrainingOptions, tmp_path: Path
) -> None:
    options, own = replace(options, decay="constant"), {"own": (Total(), 2.0)}
    whole, resumed = make_model(), make_model()
    train(whole, digits, replace(options, epochs=4), tmp_path / "whole", terms=own)
    train(make_model(), digits, replace(options, epochs=2), tmp_path / "cut", terms=own)
    longer = replace(options, epochs=4)
    with pytest.raises(ValueError, match=r"`terms` must stay as the run has them \(total\), got n"):
        train(make_model(), digits, longer, tmp_path / "cut", resume=True)
    train(resumed, digits, longer, tmp_path / "cut", resume=True, terms=own)
    assert all(map(torch.equal, state(whole), state(resumed)))


def test_several_processes_are_refused_by_what_a_term_says_of_itself(
    digits: Splits, make_model: Make, options: TrainingOptions
) -> None:
    two = replace(options, devices=2)
    with pytest.raises(ValueError, match="`devices` must be 1 with own, which compares the rows"):
        prepare(make_model(), digits, two, terms={"own": (Rows(), 1)})
    prepare(make_model(), digits, two, terms={"own": (Total(), 1)})


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"beta": (Total(), 1)}, "`terms` must have names that the history has not, got 'beta'"),
        ({"own": (Total(), -1)}, "`own` must be at least 0 throughout, got -1"),
        ({"own": (Total(), "1:2:x")}, "`own` must be a number, START:END or START:END:STEPS"),
        ({"a": (Total(), 1), "b": (Total(), 1)}, "must each measure something of its own, got 'to"),
        ({"a": (Balance(), 1), "b": (Balance(), 1)}, "of its own, got 'mutual_info"),
    ],
)
def test_terms_that_the_history_cannot_hold_are_refused(
    digits: Splits, make_model: Make, options: TrainingOptions, terms: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        train(make_model(), digits, options, terms=terms)
