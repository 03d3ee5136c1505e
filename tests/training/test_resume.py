"""A run that was killed, however, and resumed is the run that was not killed."""

import csv
import json
import multiprocessing
import random
import shutil
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch
from torch import Tensor

from discretevae.cli.main import main
from discretevae.data import Splits
from discretevae.models import DiscreteVAE
from discretevae.networks import MLP
from discretevae.training import TrainingOptions, train

RANDOM_KILLS = 2
"""Kills at moments drawn evenly over the run, the same ones in each run of the suite."""
WRITES = (1, 3, 8, 13)
"""Kills as the n-th file is written whole but has not got its name: configuration, checkpoints of
the first and later epochs, weights, metrics, figures. A run of three epochs writes about 16."""

# Runs a command in a fresh process, which kills itself as it comes to file `killed_at`.
CHILD = """
import os, signal, sys
from discretevae.cli.main import main

writes, fsync = 0, os.fsync

def counted(handle):
    global writes
    writes += 1
    if writes == killed_at:
        os.kill(os.getpid(), signal.SIGKILL)
    fsync(handle)

os.fsync = counted
sys.stdout = sys.stderr = open(os.devnull, "w")
main(arguments)
"""

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["discretevae.pages.gallery", "discretevae.training"])


@pytest.fixture(scope="module")
def options(small: list[str]) -> list[str]:
    """A run in which everything that has a state has one: baseline, schedules, best weights."""
    return [
        *small,
        *("--epochs", "3", "--estimator", "reinforce", "--beta", "0:1", "--learning-rate", "0.01"),
    ]


def start(arguments: list[str], killed_at: int = 0) -> BaseProcess:
    names = {"arguments": arguments, "killed_at": killed_at}
    process = CONTEXT.Process(target=exec, args=(CHILD, names))
    process.start()
    return process


def finish(arguments: list[str]) -> None:
    process = start(arguments)
    process.join()
    assert process.exitcode == 0


@pytest.fixture(scope="module")
def whole(options: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """The run that nobody killed, and its seconds."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    finish(["train", *options, "--output", str(folder.with_name("warm"))])
    began = time.perf_counter()
    finish(["train", *options, "--output", str(folder)])
    return folder, time.perf_counter() - began


def history(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def assert_same(folder: Path, other: Path) -> None:
    weights = [f / "model" / "model.safetensors" for f in (folder, other)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert history(folder) == history(other)
    metrics = [json.loads((f / "metrics.json").read_text()) for f in (folder, other)]
    assert metrics[0] == metrics[1]
    files = [sorted(str(p.relative_to(f)) for p in f.rglob("*")) for f in (folder, other)]
    assert [p for p in files[0] if "events" not in p] == [p for p in files[1] if "events" not in p]


def assert_resumes(folder: Path, options: list[str], whole: Path) -> None:
    if (folder / "config.yaml").exists():
        finish(["train", "--resume", str(folder)])
    else:  # killed before there was a run
        finish(["train", *options, "--output", str(folder)])
    assert_same(folder, whole)


@pytest.mark.parametrize(
    "number",
    [pytest.param(n, marks=[pytest.mark.audit] * (n > 0)) for n in range(RANDOM_KILLS)],
)
def test_a_kill_at_any_moment(
    number: int, options: list[str], whole: tuple[Path, float], tmp_path: Path
) -> None:
    process = start(["train", *options, "--output", str(tmp_path / "run")])
    time.sleep(random.Random(number).uniform(0, 1) * whole[1])
    process.kill()
    process.join()
    assert process.exitcode in (-signal.SIGKILL, 0)
    assert_resumes(tmp_path / "run", options, whole[0])


@pytest.mark.parametrize(
    "number", [pytest.param(n, marks=[pytest.mark.audit] * (n != 3)) for n in WRITES]
)
def test_a_kill_while_a_file_is_written(
    number: int, options: list[str], whole: tuple[Path, float], tmp_path: Path
) -> None:
    process = start(["train", *options, "--output", str(tmp_path / "run")], killed_at=number)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert_resumes(tmp_path / "run", options, whole[0])


def test_two_and_two_epochs_are_four(small: list[str], tmp_path: Path) -> None:
    constant = [*small, "--decay", "constant"]
    main(["train", *constant, "--epochs", "4", "--output", str(tmp_path / "four")])
    main(["train", *constant, "--epochs", "2", "--output", str(tmp_path / "two")])
    main(["train", "--resume", str(tmp_path / "two"), "--epochs", "4"])
    assert_same(tmp_path / "two", tmp_path / "four")
    configs = [(tmp_path / name / "config.yaml").read_text() for name in ("two", "four")]
    assert configs[0] == configs[1]


def test_a_finished_run_is_not_trained_again(run_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(run_folder, tmp_path / "run")
    main(["train", "--resume", str(folder)])
    assert_same(folder, run_folder)
    assert (folder / "metrics.csv").read_text() == (run_folder / "metrics.csv").read_text()


class Worsening(DiscreteVAE):
    """Its ELBO, as it tells it, is best at first, then better than ever."""

    def elbo_terms(self, x: Tensor, *args: object, **kwargs: object) -> object:
        terms = super().elbo_terms(x, *args, **kwargs)  # type: ignore[arg-type]
        self.__dict__["calls"] = self.__dict__.get("calls", -1) + 1
        value = (-1.0, -2.0, 0.0)[min(2, self.__dict__["calls"] // 2)]
        return terms._replace(reconstruction=torch.full_like(terms.kl, value), kl=0 * terms.kl)


def test_a_run_that_had_stopped_stays_so(digits: Splits, tmp_path: Path) -> None:
    training = TrainingOptions(
        epochs=9, batch_size=20, patience=1, accelerator="cpu", progress_bar=False
    )
    model = Worsening((1, 8, 8), 2, 3, MLP((16,)))
    assert len(train(model, digits, training, tmp_path)) == 2
    again = Worsening((1, 8, 8), 2, 3, MLP((16,)))
    again.__dict__["calls"] = 3  # a third epoch would be the best
    assert len(train(again, digits, training, tmp_path, resume=True)) == 2
    for one, other in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
