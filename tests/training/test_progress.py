"""A log gets one plain line for each measurement, a terminal a bar, and quiet nothing."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from discretevae.cli.main import main
from discretevae.data import Splits
from discretevae.models import DiscreteVAE
from discretevae.texts import LOUDNESS
from discretevae.training import TrainingOptions, train
from discretevae.training.progress import Lines, is_redrawn

LINE = re.compile(r"epoch \d+/6: ELBO -\d+\.\d\d train, -\d+\.\d\d validation; \d+ s")
OPTIONS: dict[str, Any] = {
    "epochs": 6, "batch_size": 20, "measured_every": 2, "accelerator": "cpu", "patience": 0,
}  # fmt: skip


def test_a_log_gets_a_plain_line_for_each_measurement(
    digits: Splits, capsys: pytest.CaptureFixture[str]
) -> None:
    history = train(DiscreteVAE((1, 8, 8), 2, 3), digits, TrainingOptions(**OPTIONS))
    out, err = capsys.readouterr()
    assert out == ""
    assert "\r" not in err
    lines = [line for line in err.splitlines() if not line.startswith("Warning")]
    assert len(lines) == len(history) == 3
    assert all(LINE.fullmatch(line) for line in lines)
    assert f"{history[-1]['validation_elbo']:.2f} validation" in lines[-1]


def test_a_resumed_run_says_only_what_is_new(
    digits: Splits, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for epochs in (2, 6):
        options = TrainingOptions(**{**OPTIONS, "epochs": epochs, "decay": "constant"})
        train(DiscreteVAE((1, 8, 8), 2, 3), digits, options, tmp_path, resume=True)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines if line.startswith("epoch")] == [
        "epoch 2/2",
        "epoch 4/6",
        "epoch 6/6",
    ]


def test_a_terminal_gets_a_bar_of_two_decimals(
    digits: Splits, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    train(DiscreteVAE((1, 8, 8), 2, 3), digits, TrainingOptions(**OPTIONS))
    last = capsys.readouterr().err.rstrip().split("\r")[-1]
    assert re.search(r"train_elbo=-\d+\.\d\d, validation_elbo=-\d+\.\d\d\b(?!\.)", last), last


@pytest.mark.parametrize("level", ["quiet", "verbose"])
def test_who_asks_for_more_or_less_gets_no_bar(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert is_redrawn()
    before = LOUDNESS.set(level)
    assert not is_redrawn()
    LOUDNESS.reset(before)


def test_a_quiet_command_prints_results_alone(
    small: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", *small, "--epochs", "2", "--importance-samples", "0", "--output"]
    main([*words, str(tmp_path / "quiet"), "--quiet"])
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines()[-1] == f"report: {tmp_path / 'quiet' / 'report.html'}"
    main(["--verbose", *words, str(tmp_path / "verbose")])
    assert "; train_objective -" in capsys.readouterr().err
    assert LOUDNESS.get() == "normal"


def test_a_quiet_error_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    for flags, lines in (["--quiet"], 1), (["--quiet", "--verbose"], 1), ([], 1):
        with pytest.raises(SystemExit):
            main(["evaluate", "nowhere", *flags])
        assert capsys.readouterr().err.count("\n") == lines


def test_a_verbose_error_says_where_it_arose(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["evaluate", "nowhere", "--verbose"])
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.splitlines()[-1].startswith("discretevae evaluate: `RUN` must be the folder")


def lines_of(err: str) -> list[str]:
    return [line for line in err.splitlines() if not line.startswith(("Warning", "training"))]


def test_a_log_of_a_long_training_is_short(
    digits: Splits, capsys: pytest.CaptureFixture[str]
) -> None:
    options = TrainingOptions(**{**OPTIONS, "epochs": 40, "measured_every": 1})
    history = train(DiscreteVAE((1, 8, 8), 2, 3), digits, options)
    lines = lines_of(capsys.readouterr().err)
    shown = [line.split(":")[0] for line in lines if line.startswith("epoch")]
    assert shown == [f"epoch {epoch}/40" for epoch in (1, 8, 16, 24, 32, 40)]
    kept = [line for line in lines if line.startswith("kept")]
    best = history.best["epoch"]
    assert kept == (
        [] if best == 40 else [f"kept: the weights of epoch {best}, best on validation"]
    )
    token = LOUDNESS.set("verbose")
    train(DiscreteVAE((1, 8, 8), 2, 3), digits, options)
    LOUDNESS.reset(token)
    assert sum(line.startswith("epoch") for line in lines_of(capsys.readouterr().err)) == 40


def test_a_slow_training_is_not_silent_for_long() -> None:
    lines = Lines()
    due = []
    for epoch in range(1, 31):
        row = {"epoch": float(epoch), "seconds": 125.0 * epoch}
        if lines._due(row, 1000):
            due.append(epoch)
            lines.said = row
    assert due == [1, 4, 7, 10, 13, 16, 19, 22, 25, 28]


def test_a_training_that_stops_early_says_so(
    digits: Splits, capsys: pytest.CaptureFixture[str]
) -> None:
    options = TrainingOptions(
        **{**OPTIONS, "epochs": 60, "measured_every": 1, "patience": 2, "learning_rate": 0.3}
    )
    history = train(DiscreteVAE((1, 8, 8), 2, 3), digits, options)
    lines = lines_of(capsys.readouterr().err)
    assert history[-1]["epoch"] < 60
    assert lines[-2].startswith(f"epoch {history[-1]['epoch']}/60:")
    assert lines[-1] == f"kept: the weights of epoch {history.best['epoch']}, best on validation"
