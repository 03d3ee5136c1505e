import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from torch import Tensor

from discretevae.data import BINARIZERS, Splits, load
from discretevae.likelihoods import BernoulliLikelihood
from discretevae.models import DiscreteVAE
from discretevae.networks import MLP
from discretevae.training import TrainingError, TrainingOptions, best_row, prepare, train
from discretevae.training.module import TrainingModule

Make = Callable[..., DiscreteVAE]


def elbo(model: DiscreteVAE, x: Tensor) -> float:
    with torch.no_grad():
        return float(model.exact_log_likelihood(x).mean())


def weights(model: DiscreteVAE) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_training_raises_the_elbo_and_leaves_the_model_to_be_used(
    digits: Splits, make_model: Make, options: TrainingOptions
) -> None:
    model = make_model()
    before = elbo(model, digits.test.values())
    rows = train(model, digits, replace(options, epochs=10, learning_rate=0.01))
    assert len(rows) == 10
    assert elbo(model, digits.test.values()) > before + 3
    assert not model.training
    assert model.device.type == "cpu"


def test_the_same_seed_gives_the_same_weights(
    digits: Splits, make_model: Make, options: TrainingOptions
) -> None:
    first, again, other = make_model(), make_model(), make_model()
    train(first, digits, options)
    train(again, digits, options)
    train(other, digits, replace(options, seed=1))
    assert torch.equal(weights(first), weights(again))
    assert not torch.equal(weights(first), weights(other))


def test_the_global_random_state_plays_no_part(
    digits: Splits, make_model: Make, options: TrainingOptions
) -> None:
    first, again = make_model(), make_model()
    train(first, digits, options)
    torch.manual_seed(123)
    train(again, digits, options)
    assert torch.equal(weights(first), weights(again))


class Drifting(DiscreteVAE):
    """Its ELBO, as it tells it, is best after a given number of epochs."""

    best = 2

    def elbo_terms(self, x: Tensor, *args: Any, **kwargs: Any) -> Any:
        terms = super().elbo_terms(x, *args, **kwargs)
        self.__dict__["calls"] = self.__dict__.get("calls", -1) + 1
        epoch = self.__dict__["calls"] // 2 + 1  # train, then validation
        return terms._replace(
            reconstruction=torch.full_like(terms.kl, -abs(epoch - self.best)), kl=0 * terms.kl
        )


@pytest.mark.parametrize(("patience", "epochs"), [(1, 3), (3, 5), (0, 12)])
def test_training_stops_when_the_validation_elbo_has_not_improved(
    digits: Splits, options: TrainingOptions, patience: int, epochs: int
) -> None:
    model = Drifting((1, 8, 8), 2, 3, MLP((16,)))
    rows = train(model, digits, replace(options, epochs=12, patience=patience))
    assert len(rows) == epochs
    assert best_row(rows)["epoch"] == 2


def test_the_weights_of_the_best_validation_elbo_are_kept(
    digits: Splits, options: TrainingOptions, tmp_path: Path
) -> None:
    def after(epochs: int, folder: Path) -> DiscreteVAE:
        torch.manual_seed(0)
        model = Drifting((1, 8, 8), 2, 3, MLP((16,)))
        constant = replace(options, decay="constant", epochs=epochs, patience=0, beta="0:1:6")
        train(model, digits, constant, folder)
        return model

    two, four = after(2, tmp_path / "two"), after(4, tmp_path / "four")
    assert torch.equal(weights(two), weights(four))
    assert two.beta == four.beta == 1.0  # scheduled values belong to the weights that are kept


def test_without_validation_the_last_weights_are_kept(
    without_validation: Splits, make_model: Make, options: TrainingOptions, tmp_path: Path
) -> None:
    model = make_model()
    rows = train(model, without_validation, replace(options, patience=1), tmp_path)
    assert len(rows) == 3
    assert "validation_elbo" not in rows[0]
    assert [path.name for path in tmp_path.glob("checkpoints/*")] == ["last.ckpt"]
    last = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    for name, value in model.state_dict().items():
        assert torch.equal(value, last["state_dict"][f"model.{name}"])


def test_a_folder_gets_history_and_logs(
    digits: Splits, make_model: Make, options: TrainingOptions, tmp_path: Path
) -> None:
    train(make_model(), digits, options, tmp_path)
    lines = (tmp_path / "metrics.csv").read_text().splitlines()
    assert lines[0].startswith("epoch,step,seconds,train_objective,train_elbo,validation_elbo")
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "2", "3"]
    assert list((tmp_path / "tensorboard").glob("events*"))


class Noting(Callback):
    """Notes the rows at the end of each epoch, and keeps how many in the checkpoints."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self.seen.append(pl_module.history[-1]["train_elbo"] if pl_module.history else 0.0)

    def state_dict(self) -> dict[str, Any]:
        return {"seen": self.seen}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seen = state_dict["seen"]


class Listening(Logger):
    """Keeps what Lightning logs."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, float]] = []

    name, version = "listening", 0

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.rows.append(metrics)

    def log_hyperparams(self, *_: Any, **__: Any) -> None: ...


def test_a_callback_is_called_and_goes_on_with_the_run(
    digits: Splits, make_model: Make, options: TrainingOptions, tmp_path: Path
) -> None:
    first, second = Noting(), Noting()
    constant = replace(options, decay="constant", epochs=2)
    train(make_model(), digits, constant, tmp_path, callbacks=[first])
    assert len(first.seen) == 2
    longer = replace(constant, epochs=3)
    rows = train(make_model(), digits, longer, tmp_path, resume=True, callbacks=[second])
    assert len(second.seen) == 3
    assert set(second.seen) <= {0.0, *(row["train_elbo"] for row in rows)}


def test_a_logger_receives_the_rows_in_the_place_of_tensorboard(
    digits: Splits, make_model: Make, options: TrainingOptions, tmp_path: Path
) -> None:
    logger = Listening()
    history = train(make_model(), digits, options, tmp_path, logger=logger)
    for row, logged in zip(history, logger.rows, strict=True):
        for name in ("train_elbo", "validation_elbo", "train_objective", "beta"):
            assert logged[name] == pytest.approx(row[name], rel=1e-6)
    assert not (tmp_path / "tensorboard").exists()
    assert (tmp_path / "metrics.csv").exists()


def test_a_run_is_prepared_once(
    digits: Splits, make_model: Make, options: TrainingOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    for cls in (Trainer, TrainingModule):
        monkeypatch.setattr(cls, "__init__", _counting(cls.__init__, cls.__name__, made))
    checked = []
    check = BernoulliLikelihood.check
    monkeypatch.setattr(
        BernoulliLikelihood, "check", lambda self, x: (checked.append(len(x)), check(self, x))[1]
    )
    prepare(make_model(), digits, options).fit()
    assert made == ["Trainer", "TrainingModule"]
    assert len(checked) == 3  # one look at each part


def _counting(init: Callable[..., None], name: str, made: list[str]) -> Callable[..., None]:
    def counted(*arguments: Any, **options: Any) -> None:
        made.append(name)
        init(*arguments, **options)

    return counted


def test_without_a_folder_nothing_is_left(
    digits: Splits,
    make_model: Make,
    options: TrainingOptions,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        train(make_model(), digits, options)
    assert not list(tmp_path.iterdir())


def test_what_does_not_go_together_is_refused(
    digits: Splits, make_model: Make, options: TrainingOptions
) -> None:
    grey = replace(digits, binarizer=BINARIZERS["none"])
    with pytest.raises(ValueError, match="0 or 1 for the Bernoulli likelihood"):
        prepare(make_model(), grey, options)
    with pytest.raises(TrainingError, match=r"shape \(64,\) to suit the model, got \(1, 8, 8\)"):
        prepare(DiscreteVAE((64,), 2, 3), digits, options)
    with pytest.raises(TrainingError, match="must have training examples, got none"):
        prepare(make_model(), replace(digits, train=digits.train.take(slice(0))), options)
    with pytest.raises(TrainingError, match=r"`accelerator` must be one .* got 'abacus'"):
        prepare(make_model(), digits, replace(options, accelerator="abacus"))


def test_every_example_is_checked_against_the_likelihood(
    digits: Splits, make_model: Make, options: TrainingOptions
) -> None:
    x = digits.test.values().clone()
    x[-1, 0, 0, 0] = 2.0
    bad = replace(digits, test=replace(digits.test, x=x), binarizer=BINARIZERS["none"])
    bad = replace(bad, train=digits.validation)
    with pytest.raises(ValueError, match="0 or 1"):
        prepare(make_model(), bad, options)


def test_a_run_from_disk_is_repeated_and_resumed(tmp_path: Path, make_model: Make) -> None:
    x = np.random.default_rng(0).integers(0, 256, (400, 8, 8)).astype(np.uint8)
    np.save(tmp_path / "x.npy", x)
    data = load(tmp_path / "x.npy", binarize="fresh", stream=True)
    whole = TrainingOptions(epochs=3, batch_size=50, decay="constant", progress_bar=False)

    def histories(*options: TrainingOptions, folder: str) -> list[dict[str, float]]:
        for i, some in enumerate(options):
            found = train(make_model(), data, some, tmp_path / folder, resume=i > 0)
        return [{k: v for k, v in row.items() if k != "seconds"} for row in found]

    once = histories(whole, folder="once")
    assert once == histories(whole, folder="again")
    assert once == histories(replace(whole, epochs=1), whole, folder="resumed")
    assert once[-1]["step"] == 3 * -(-len(data.train) // 50)


def test_the_likelihood_of_a_table_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("age,city\n" + "31,Rome\n,Oslo\n47,\n" * 10)
    people = load(tmp_path / "people.csv")
    message = r"likelihood=data\.likelihood \(columns\), got bernoulli"
    with pytest.raises(TrainingError, match=message):
        train(DiscreteVAE(people.shape, 2, 3), people, TrainingOptions(epochs=1))
    model = DiscreteVAE(people.shape, 2, 3, likelihood=people.likelihood)
    options = TrainingOptions(epochs=1, accelerator="cpu", progress_bar=False)
    assert len(train(model, people, options)) == 1
