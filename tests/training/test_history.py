"""What `train` returns: a list of rows, which can be drawn and tabulated."""

import json
import math

import matplotlib as mpl
import numpy as np
import pytest

from discretevae.data import Splits
from discretevae.models import DiscreteVAE
from discretevae.training import History, TrainingOptions, best_row, train

ROWS = [
    {"epoch": 2.0, "seconds": 0.1, "train_elbo": -40.0, "validation_elbo": -41.0},
    {"epoch": 4.0, "seconds": 0.2, "train_elbo": -30.0, "validation_elbo": -31.0},
    {"epoch": 6.0, "seconds": 0.3, "train_elbo": -20.0, "validation_elbo": -32.0},
]


def test_training_gives_one(digits: Splits) -> None:
    options = TrainingOptions(epochs=2, batch_size=30, accelerator="cpu", progress_bar=False)
    history = train(DiscreteVAE((1, 8, 8), 2, 3), digits, options)
    assert isinstance(history, History)
    assert history.best in history
    assert "nats per example" in repr(history)
    assert "\n" not in repr(history)


def test_it_is_a_list_of_rows() -> None:
    history = History(ROWS)
    assert history == ROWS
    assert history[-1]["epoch"] == 6
    assert json.loads(json.dumps(history)) == ROWS
    assert history.best is best_row(ROWS) is ROWS[1]


def test_a_frame_has_the_rows() -> None:
    frame = History(ROWS).to_frame()
    assert list(frame.index) == [2, 4, 6]
    assert list(frame["validation_elbo"]) == [-41, -31, -32]


def test_a_plot_has_the_bounds_alone() -> None:
    mpl.use("Agg")
    ax = History(ROWS).plot()
    lines = {line.get_label(): line.get_xydata() for line in ax.get_lines()}
    assert set(lines) == {"train ELBO", "validation ELBO"}
    np.testing.assert_array_equal(lines["train ELBO"], [(2, -40), (4, -30), (6, -20)])
    assert History(ROWS).plot(ax) is ax
    with pytest.raises(ValueError, match="`history` must have at least one row"):
        History().plot()


def test_without_validation_the_last_is_kept() -> None:
    rows = [{k: v for k, v in row.items() if k != "validation_elbo"} for row in ROWS]
    assert repr(History(rows)) == (
        "<History of 3 measurements, best at epoch 6: train ELBO -20.00 nats per example>"
    )
    assert repr(History()) == "<History of no measurement>"
    assert math.isfinite(History(rows).best["train_elbo"])
