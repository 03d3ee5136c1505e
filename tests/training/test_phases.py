"""A training in phases: what each changes, where it begins, and how it goes on after a kill."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from discretevae.data import Splits
from discretevae.estimators import NVIL, Reinforce, ReinMax
from discretevae.estimators.multisample import VIMCO
from discretevae.models import DiscreteVAE, GaussianVAE, HierarchicalVAE, SemiSupervisedVAE
from discretevae.networks import MLP
from discretevae.training import TrainingOptions, best_row, fit, train
from discretevae.training.checkpoints import read_checkpoint
from discretevae.training.phases import Phase, enter, phase_from

Make = Callable[..., DiscreteVAE]

PHASES: list[dict[str, Any]] = [
    {"epochs": 2, "prior": "autoregressive", "estimator": "nvil", "learning_rate": 3e-4},
    {"epochs": 2, "estimator": "vimco", "samples": 3, "batch_size": 30, "decay": "constant"},
]
"""With an estimator that learns, whose place another takes."""


class Seen(Callback):
    """Notes by what every step is trained, and the weights with which every phase begins."""

    def __init__(self) -> None:
        self.steps: list[tuple[Any, ...]] = []
        self.starts: list[dict[str, Tensor]] = []

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        averaged = [] if pl_module.average is None else pl_module.average.parameters()
        assert not any(parameter.requires_grad for parameter in averaged)
        self.starts.append({k: v.clone() for k, v in pl_module.state_dict().items()})

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any) -> None:
        model, (batch, *_) = pl_module.model, args[1:]
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        estimator = type(model.estimator).__name__
        self.steps.append((estimator, model.prior.kind, model.beta, rate, len(batch)))


@pytest.fixture
def in_phases(options: TrainingOptions) -> TrainingOptions:
    return replace(options, epochs=2, beta="0:1", weight_average=0.5, phases=PHASES)


def test_every_phase_trains_as_it_says(
    digits: Splits, make_model: Make, in_phases: TrainingOptions
) -> None:
    seen, model = Seen(), make_model(estimator="rloo")
    history = train(model, digits, in_phases, callbacks=[seen])
    estimators, priors, betas, rates, sizes = zip(*seen.steps, strict=True)
    assert estimators == ("RLOO",) * 6 + ("NVIL",) * 6 + ("VIMCO",) * 4
    assert priors == ("uniform",) * 6 + ("autoregressive",) * 10
    assert betas == pytest.approx([step / 6 for step in range(6)] + [1.0] * 10)
    assert sizes == (20,) * 12 + (30,) * 4
    assert rates[0] == 1e-3
    assert rates[6] == 3e-4
    assert rates[11] < rates[6]  # a cosine of its own
    assert rates[12:] == (3e-4,) * 4
    assert [row["phase"] for row in history] == [1, 1, 2, 2, 3, 3]
    assert [row["epoch"] for row in history] == [1, 2, 3, 4, 5, 6]
    assert [row["step"] for row in history] == [3, 6, 9, 12, 14, 16]
    assert history.best is best_row(history[-2:])


def test_a_phase_begins_where_the_one_before_was_best(
    digits: Splits, make_model: Make, in_phases: TrainingOptions, tmp_path: Path
) -> None:
    seen = Seen()
    train(make_model(estimator="rloo"), digits, in_phases, tmp_path, callbacks=[seen])
    for place, start in zip(("", "phase-2"), seen.starts[1:], strict=True):
        kept = read_checkpoint(tmp_path / "checkpoints" / place / "best.ckpt")["state_dict"]
        of_networks = [name for name in start if "coder" in name]
        assert any(name.startswith("average.module.") for name in of_networks)
        assert all(torch.equal(start[name], kept[name]) for name in of_networks)


def test_a_new_prior_is_fitted_then_trained_along(
    digits: Splits, make_model: Make, options: TrainingOptions
) -> None:
    """All latents repeat the first: a prior that is fitted knows it, one that is new does not."""
    changes = {"epochs": 1, "prior": "autoregressive"}
    seen, model = Seen(), make_model(estimator="reinmax")
    with torch.no_grad():
        of_x = model.encoder[-1]
        of_x.weight[3:] = of_x.weight[:3] = 20 * torch.randn_like(of_x.weight[:3])
        of_x.bias[3:] = of_x.bias[:3] = 0
    training = replace(options, epochs=1, learning_rate=1e-6, phases=[changes])
    train(model, digits, training, callbacks=[seen])
    start = {k.removeprefix("model.prior."): v for k, v in seen.starts[1].items() if "prior" in k}
    codes = torch.arange(3)[:, None].expand(3, 2)
    whole = {k: v.clone() for k, v in model.prior.state_dict().items()}
    model.prior.load_state_dict(start)
    with torch.no_grad():
        alike = float(model.prior.log_prob_of_codes(codes).logsumexp(0).exp())
    assert alike > 0.8  # 1/3 under a new one
    assert any(not torch.equal(whole[k], v) for k, v in start.items())


class Stop(Callback):
    """Ends a run as a kill would, at the end of an epoch of the whole."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        if pl_module.epoch == self.epoch:
            raise KeyboardInterrupt


def assert_same(ours: Any, theirs: Any, model: Any, other: Any) -> None:
    for one, two in zip(ours, theirs, strict=True):
        assert {k: v for k, v in one.items() if k != "seconds"} == {
            k: v for k, v in two.items() if k != "seconds"
        }
    assert type(model.estimator) is type(other.estimator)
    for name, value in other.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name


def test_a_run_resumes_to_the_bit_within_any_phase(
    digits: Splits,
    make_model: Make,
    in_phases: TrainingOptions,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = make_model(estimator="reinforce")
    history = train(whole, digits, in_phases, tmp_path / "whole")
    for epoch in (1, 3, 5):
        folder = tmp_path / str(epoch)
        killed = make_model(estimator="reinforce")
        with pytest.raises(KeyboardInterrupt):
            train(killed, digits, in_phases, folder, callbacks=[Stop(epoch)])
        again = make_model(estimator="reinforce")
        assert_same(train(again, digits, in_phases, folder, True), history, again, whole)

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as changed:  # between two phases
        changed.setattr(fit, "fit_new_prior", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(make_model(estimator="reinforce"), digits, in_phases, tmp_path / "between")
    again = make_model(estimator="reinforce")
    resumed = train(again, digits, in_phases, tmp_path / "between", True)
    assert_same(resumed, history, again, whole)
    done = make_model(estimator="reinforce")  # nothing is left
    assert_same(train(done, digits, in_phases, tmp_path / "whole", True), history, done, whole)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"prior": "learned"}, "`phases` must be a list of parts that have `epochs`, got"),
        ({"epochs": 1, "pror": "learned"}, "`phases` must be one of .*did you mean 'prior'"),
        ({"epochs": 0}, "`epochs` must be at least 1, got 0"),
        ({"epochs": "many"}, "`epochs` must be a number, got 'many'"),
        ({"epochs": 1, "samples": 8}, "`samples` must go with an `estimator`, got 8"),
        ({"epochs": 1, "learning_rate": -1}, "phase 2: `learning_rate` must be positive"),
        ({"epochs": 1, "decay": "no"}, "phase 2: `decay` must be one of"),
        ({"epochs": 1, "beta": "x"}, "phase 2: `beta` must be a number"),
        (3, "`phases` must be a list of parts that have `epochs`, got 3"),
    ],
)
def test_what_a_phase_cannot_be_is_named(wrong: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainingOptions(phases=[wrong])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"estimator": "vimko"}, "phase 2: `estimator` must be one of .*did you mean 'vimco'"),
        ({"estimator": "vimco", "beta": 0.5}, "phase 2: `beta` must be 1 with a multi-sample"),
        ({"estimator": "exact", "samples": 3}, "phase 2: `samples` must go with an estimator that"),
        ({"estimator": "rloo", "temperature": 1}, "phase 2: `temperature` must go with an"),
        ({"prior": "autoregresive"}, "phase 2: `prior` must be one of .*'autoregressive'"),
        ({"prior": "boltzmann", "free_bits": 0.1}, "phase 2: `free_bits` must be 0 where"),
    ],
)
def test_what_does_not_suit_the_model_is_refused_before_anything_is_written(
    wrong: dict[str, Any],
    message: str,
    digits: Splits,
    make_model: Make,
    options: TrainingOptions,
    tmp_path: Path,
) -> None:
    asked = replace(options, phases=[{"epochs": 1, **wrong}])
    with pytest.raises(ValueError, match=message):
        train(make_model(estimator="rloo"), digits, asked, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_other_models_change_what_they_have() -> None:
    layers = HierarchicalVAE((4,), (2, 2), 3, MLP((3,)))
    enter(layers, Phase(1, estimator="reinmax", free_bits=0.1))
    assert [type(e) for e in layers.estimators] == [ReinMax] * 2
    assert layers.chain.free_bits == 0.1
    labelled = SemiSupervisedVAE((4,), 3, 2, 3, network=MLP((3,)), estimator="nvil")
    enter(labelled, Phase(1, estimator="reinforce"))
    assert type(labelled.estimator) is Reinforce
    with pytest.raises(ValueError, match="`free_bits` must go with a model that has them"):
        enter(labelled, Phase(1, free_bits=0.1))
    vector = GaussianVAE((4,), 2, MLP((3,)))
    for phase in (Phase(1, estimator="rloo"), Phase(1, prior="learned")):
        with pytest.raises(ValueError, match=r"`(model|prior)` must .*got a GaussianVAE"):
            enter(vector, phase)


def test_an_estimator_that_learns_makes_room() -> None:
    model = DiscreteVAE((4,), 2, 3, MLP((3,)), estimator="rloo")
    state = torch.random.get_rng_state()
    enter(model, Phase(1, estimator="nvil"))
    assert isinstance(model.estimator, NVIL)
    enter(model, Phase(1, estimator="vimco", samples=7))
    assert model.estimator == VIMCO(7)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_schedule_stays_where_it_ended() -> None:
    first = TrainingOptions(beta="0.3:1:50", temperature="1:1.5", balance="2:1", seed=3)
    after = Phase(2).after(first)
    assert (after.beta, after.temperature, after.balance, after.seed) == (1, 1.5, 1, 3)
    assert Phase(2, estimator="rloo").after(first).temperature is None
    assert Phase(2, beta="1:2").after(first).beta == "1:2"
    assert phase_from(Phase(2)) == phase_from({"epochs": 2})
