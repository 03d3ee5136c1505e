"""What a run will take is said once, and only where it is much."""

import pytest

from discretevae import DiscreteVAE, load_data
from discretevae.training import TrainingOptions, estimate, train


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    options = TrainingOptions(epochs=4, batch_size=10, accelerator="cpu", patience=0)
    train(DiscreteVAE((1, 8, 8), 2, 3), load_data("digits", binarize="fresh", limit=100), options)
    lines = capsys.readouterr().err.replace("\r", "\n").splitlines()
    return [line for line in lines if "training takes" in line]


def test_much_is_said_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(estimate, "LONG", 0.0)
    (line,) = said(capsys)
    assert "training takes at most about" in line
    assert "19 steps of" in line  # of forty, after one to warm up and twenty that are timed
    assert "MiB of memory" in line


def test_little_is_not_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(estimate, "LARGE", 2**60)
    assert said(capsys) == []
