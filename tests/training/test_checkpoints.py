import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from discretevae.data import Splits
from discretevae.models import DiscreteVAE
from discretevae.training import TrainingError, TrainingOptions, train
from discretevae.training.checkpoints import AtomicCheckpointIO, CheckpointError, read_checkpoint

Make = Callable[..., DiscreteVAE]


@pytest.fixture
def folder(digits: Splits, make_model: Make, options: TrainingOptions, tmp_path: Path) -> Path:
    train(make_model(estimator="reinforce"), digits, options, tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.parametrize("name", ["best.ckpt", "last.ckpt"])
def test_every_checkpoint_loads_without_running_code(folder: Path, name: str) -> None:
    checkpoint = torch.load(folder / "checkpoints" / name, weights_only=True)
    assert {"state_dict", "optimizer_states", "history", "global_step"} <= checkpoint.keys()


def test_a_failed_write_leaves_the_old_checkpoint(folder: Path) -> None:
    path = folder / "checkpoints" / "last.ckpt"
    whole = path.read_bytes()
    with pytest.raises(Exception, match="pickle"):
        AtomicCheckpointIO().save_checkpoint({"x": lambda: None}, path)
    assert path.read_bytes() == whole
    assert sorted(p.name for p in path.parent.iterdir()) == ["best.ckpt", "last.ckpt"]


@pytest.mark.parametrize("size", [0, 1, 100, 0.5, 0.999])
def test_a_checkpoint_cut_short_is_refused(folder: Path, size: float) -> None:
    path = folder / "checkpoints" / "last.ckpt"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(size * len(whole)) if 0 < size < 1 else int(size)])
    with pytest.raises(CheckpointError, match=r"last.ckpt` must be a whole checkpoint, got"):
        read_checkpoint(path)


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.ckpt"
    with pytest.raises(CheckpointError, match="must exist"):
        read_checkpoint(path)
    torch.save([1, 2], path)
    with pytest.raises(CheckpointError, match="must be the checkpoint of a run"):
        read_checkpoint(path)
    torch.save({"x": Path}, path)  # asks for code that may not be run
    with pytest.raises(CheckpointError, match="must be a whole checkpoint"):
        read_checkpoint(path)


def test_a_checkpoint_of_another_model_is_refused(
    folder: Path, digits: Splits, make_model: Make, options: TrainingOptions
) -> None:
    with pytest.raises(CheckpointError, match="must hold weights that fit this model"):
        train(make_model(num_categories=4), digits, options, folder, resume=True)


def test_fewer_epochs_than_done_are_refused(
    folder: Path, digits: Splits, make_model: Make, options: TrainingOptions
) -> None:
    model = make_model(estimator="reinforce")
    with pytest.raises(TrainingError, match=r"`epochs` must be at least the 3 .*, got 2"):
        train(model, digits, replace(options, epochs=2), folder, resume=True)


def test_a_run_that_was_moved_keeps_its_best(
    folder: Path, digits: Splits, make_model: Make, options: TrainingOptions
) -> None:
    moved = folder.with_name("moved")
    shutil.move(folder, moved)
    path = moved / "checkpoints" / "best.ckpt"
    best = path.read_bytes()
    worse = replace(options, epochs=4, learning_rate=10.0, decay="constant")
    rows: list[dict[str, Any]] = train(
        make_model(estimator="reinforce"), digits, worse, moved, resume=True
    )
    assert rows[3]["validation_elbo"] < max(row["validation_elbo"] for row in rows[:3])
    assert path.read_bytes() == best
    assert len(read_checkpoint(moved / "checkpoints" / "last.ckpt")["history"]) == 4
