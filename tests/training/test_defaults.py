"""The rule for what training is not told, and where it is followed."""

from dataclasses import replace

import pytest
import torch

import discretevae as dv
from discretevae.data import Splits
from discretevae.networks import MLP
from discretevae.sklearn import CategoricalVAE
from discretevae.training import TrainingOptions
from discretevae.training.defaults import budget, by_rule
from discretevae.training.options import Loop

ROWS = (1, 40, 90, 107, 265, 800, 1437, 4500, 9_999, 54_000, 10**6, 10**8)


@pytest.mark.parametrize("rows", ROWS)
def test_the_budget_is_one_of_steps(rows: int) -> None:
    found = budget(Loop(), rows)
    each = -(-rows // found.batch_size)
    steps = each * found.epochs
    assert 1 <= found.epochs <= 500
    assert steps >= 2_000 or found.epochs == 500
    assert steps <= 20_000 or found.epochs == 1
    assert found.batch_size == (200 if rows >= 10_000 else 100)
    assert found.patience >= found.epochs / 4
    assert each * found.measured_every <= max(50, each)
    assert found.epochs // found.measured_every >= min(20, found.epochs)


def test_what_is_given_stays() -> None:
    asked = Loop(
        epochs=7,
        batch_size=13,
        optimizer="adam",
        learning_rate=0.5,
        patience=0,
        measured_every=2,
        seed=3,
    )
    assert by_rule(asked, 1_000) == asked
    assert budget(Loop(optimizer="adam"), 90).learning_rate == 1e-3
    assert budget(Loop(learning_rate=0.2), 90).learning_rate == 0.2
    assert budget(Loop(epochs=3), 90).patience >= 3  # nothing so short is cut
    assert budget(Loop(patience=4), 50).measured_every <= 4
    assert budget(Loop(devices=300), 50).batch_size == 300


def test_naming_everything_changes_nothing_more() -> None:
    found = by_rule(TrainingOptions(), 265)
    assert by_rule(found, 10**6) == found


def test_python_follows_the_rule(digits: Splits) -> None:
    some = replace(digits, train=digits.train.take(slice(0, 20)))
    torch.manual_seed(0)
    model = dv.DiscreteVAE((1, 8, 8), 2, 3, MLP((4,)))
    rows = dv.train(model, some, TrainingOptions(accelerator="cpu", progress_bar=False))
    rule = budget(Loop(), 20)
    epochs = [row["epoch"] for row in rows]
    assert epochs == [rule.measured_every * (i + 1) for i in range(len(rows))]
    assert epochs[-1] <= rule.epochs == 500
    best = max(rows, key=lambda row: row["validation_elbo"])
    stopped = epochs[-1] - best["epoch"] >= rule.patience
    assert stopped or epochs[-1] == 500


def test_scikit_learn_follows_the_rule() -> None:
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)).numpy()
    vae = CategoricalVAE(2, 3, widths=(4,), random_state=0, validation_fraction=0.2).fit(x)
    rule = budget(Loop(), 40)
    measured = [row["epoch"] for row in vae.history_ if "validation_elbo" in row]
    assert measured == [rule.measured_every * (i + 1) for i in range(len(measured))]
    assert vae.n_iter_ <= rule.epochs
