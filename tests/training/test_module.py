import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from discretevae.data import Splits
from discretevae.estimators import GumbelSoftmax
from discretevae.models import DiscreteVAE, GaussianVAE
from discretevae.networks import MLP
from discretevae.training import TrainingOptions, module, prepare, train

Make = Callable[..., DiscreteVAE]


class Recorder(DiscreteVAE):
    """Notes what is scheduled, and the data, each time the objective is asked for."""

    def objective(
        self,
        x: Tensor,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Tensor:
        if self.training:
            temperature = getattr(self.estimator, "temperature", None)
            self.__dict__.setdefault("seen", []).append((self.beta, temperature, x.clone()))
        return super().objective(x, generator, context)


def recorder(**options: object) -> Recorder:
    torch.manual_seed(0)
    return Recorder((1, 8, 8), 2, 3, MLP((16,)), **options)  # type: ignore[arg-type]


def test_schedules_move_with_the_global_step(digits: Splits, options: TrainingOptions) -> None:
    model = recorder(estimator=GumbelSoftmax())
    train(model, digits, replace(options, beta="0:1", temperature="1:0.5:4"))
    betas, temperatures, _ = zip(*model.seen, strict=True)
    assert betas == pytest.approx([step / 9 for step in range(9)])
    assert temperatures == pytest.approx([max(0.5, 1 - step / 8) for step in range(9)])


def test_the_learning_rate_falls(
    digits: Splits, make_model: Make, options: TrainingOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[float] = []
    step = torch.optim.Adam.step

    def noting(self: torch.optim.Adam, *args: object, **kwargs: object) -> object:
        rates.append(self.param_groups[0]["lr"])
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.Adam, "step", noting)
    train(make_model(), digits, replace(options, decay="linear", learning_rate=9e-3))
    assert rates == pytest.approx([1e-3 * (9 - step) for step in range(9)])


def test_each_epoch_sees_every_example_once_in_a_new_order_and_draw(
    digits: Splits, options: TrainingOptions
) -> None:
    model = recorder()
    train(model, digits, options)
    assert [len(x) for _, _, x in model.seen] == [20] * 9
    epochs = torch.stack([x for _, _, x in model.seen]).view(3, 60, 64)
    assert set(epochs.unique().tolist()) == {0.0, 1.0}
    sums = epochs.sum(1)  # fresh draws: alike on average only
    assert not torch.equal(sums[0], sums[1])
    assert (sums[0] - sums[1]).abs().mean() < 10


def test_history_has_true_bounds_beside_the_objective(
    digits: Splits, make_model: Make, options: TrainingOptions
) -> None:
    rows = train(make_model(), digits, replace(options, beta="0", test_curve=True))
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert [row["step"] for row in rows] == [3, 6, 9]
    names = {"train_objective", "train_elbo", "validation_elbo", "test_elbo", "seconds", "beta"}
    assert all(names <= row.keys() for row in rows)
    assert rows[-1]["train_elbo"] > rows[0]["train_elbo"]


def test_the_recorded_elbo_is_that_of_the_model(
    digits: Splits, make_model: Make, options: TrainingOptions
) -> None:
    model = make_model()
    rows = train(model, digits, replace(options, beta="5"))
    x = digits.validation.values()
    codes = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    with torch.no_grad():
        q = model.logits(x).softmax(-1)
        weights = (q[:, 0, codes[:, 0]] * q[:, 1, codes[:, 1]]).T
        log_p = torch.stack([model.decode(code.expand(60, 2)).log_prob(x) for code in codes])
        kl = (q * (q * 3).log()).sum((-1, -2))
    exact = ((weights * log_p).sum(0) - kl).mean()  # β plays no part
    assert max(row["validation_elbo"] for row in rows) == pytest.approx(float(exact), abs=1.0)


def test_a_temperature_needs_an_estimator_that_has_one(
    digits: Splits, make_model: Make, options: TrainingOptions
) -> None:
    with pytest.raises(ValueError, match=r"`temperature` must go with .*RLOO"):
        train(make_model(estimator="rloo"), digits, replace(options, temperature="1"))


def test_an_objective_that_is_not_finite_names_layer_and_step(
    digits: Splits, make_model: Make, options: TrainingOptions, tmp_path: Path
) -> None:
    model = make_model()
    train(model, digits, replace(options, decay="constant"), tmp_path)
    last = tmp_path / "checkpoints" / "last.ckpt"
    good = last.read_bytes()

    class Broken(DiscreteVAE):
        def objective(
            self,
            x: Tensor,
            generator: torch.Generator | None = None,
            context: Tensor | None = None,
        ) -> Tensor:
            bad = self.decoder[0].weight.sum() * torch.inf  # type: ignore[index]
            return super().objective(x, generator, context) + bad

    broken = Broken((1, 8, 8), 2, 3, MLP((16,)))
    longer = replace(options, decay="constant", epochs=5)
    with pytest.raises(
        module.NonFiniteError, match=r"objective must stay finite, got .* step 12 .*weight"
    ):
        train(broken, digits, longer, tmp_path, resume=True)
    assert last.read_bytes() == good


def test_weights_that_break_in_the_last_step_are_not_kept(
    digits: Splits, make_model: Make, options: TrainingOptions, tmp_path: Path
) -> None:
    class Poisoned(DiscreteVAE):
        def elbo_terms(self, x: Tensor, *args: object, **kwargs: object) -> object:
            terms = super().elbo_terms(x, *args, **kwargs)  # type: ignore[arg-type]
            return terms._replace(kl=terms.kl * torch.nan)

    with pytest.raises(module.NonFiniteError, match=r"`train_elbo` must stay finite, got nan"):
        train(Poisoned((1, 8, 8), 2, 3, MLP((16,))), digits, options, tmp_path)
    assert not list(tmp_path.glob("checkpoints/*.ckpt"))


def test_collapse_is_told_once_with_what_to_do(
    digits: Splits,
    make_model: Make,
    options: TrainingOptions,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "GRACE", 0)
    train(make_model(), digits, replace(options, beta="100"))
    lines = [line for line in capsys.readouterr().err.splitlines() if "collapse" in line]
    assert len(lines) == 1
    assert re.match(r"Warning, after epoch 1: 2 of 2 latents carry almost no", lines[0])
    assert lines[0].endswith("beta='1'")  # no command: Python has no configuration to start from


def test_a_run_is_told_the_command_to_paste(
    digits: Splits, make_model: Make, options: TrainingOptions, capsys: pytest.CaptureFixture[str]
) -> None:
    config = Path("runs/mine/config.yaml")
    prepare(make_model(), digits, replace(options, beta="100"), config=config).fit()
    told = capsys.readouterr().err
    assert "discretevae train --config runs/mine/config.yaml --beta 1\n" in told


def test_a_gaussian_model_trains(digits: Splits, options: TrainingOptions) -> None:
    model = GaussianVAE((1, 8, 8), 2, MLP((16,)))
    rows = train(model, digits, options)
    assert rows[-1]["train_elbo"] > rows[0]["train_elbo"]
