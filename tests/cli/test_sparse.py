"""The command that takes activations apart."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from discretevae.cli.main import main
from discretevae.sparse import load

RNG = np.random.default_rng(0)
FAST = ["--steps", "6", "--width", "24", "--k", "3", "--batch-size", "100", "--accelerator", "cpu"]


@pytest.fixture
def x() -> np.ndarray:
    truth = RNG.normal(size=(24, 8))
    return ((RNG.random((400, 24)) < 0.1) * RNG.random((400, 24)) @ truth).astype(np.float32)


@pytest.fixture
def place(x: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", x)
    (tmp_path / "tokens.txt").write_text("".join(f"w{i}\n" for i in range(400)))
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as exit_:
        main(["sparse", *words])
    assert exit_.value.code == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    return said[0]


def test_a_run_and_what_it_leaves(
    place: Path, x: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["sparse", "x.npy", *FAST, "--shown", "tokens.txt", "-o", "run"])
    said = capsys.readouterr().out
    assert "report: run/report.html" in said
    assert "bits, a true bound" in said
    figures = json.loads(Path("run/metrics.json").read_text())["test"]
    assert {"fvu", "l0", "dead", "norm_ratio", "relative_bias", "bits"} <= figures.keys()
    assert figures["fvu"]["se"] > 0
    assert figures["l0"]["value"] <= 3
    page = Path("run/report.html").read_text()
    assert "<script" not in page
    assert "latent " in page
    assert "w1" in page
    model = load("run")
    assert model.config()["kind"] == "topk"
    assert torch.equal(load("run/export/sparsify")(torch.from_numpy(x)), model(torch.from_numpy(x)))
    assert not list(place.glob("run/**/*.pt"))
    main(["share", "run", "shared"])
    assert sorted(path.name for path in Path("shared").iterdir()) == [
        "README.md",
        "cfg.json",
        "sae_weights.safetensors",
    ]
    card = Path("shared/README.md").read_text()
    assert "bits, a true bound" in card
    assert "x.npy" not in card
    some = torch.from_numpy(x)
    assert torch.equal(load("shared")(some), model(some))
    main(["sparse", "--resume", "run"])  # which is done: the same again
    assert json.loads(Path("run/metrics.json").read_text())["test"] == figures


@pytest.mark.parametrize("kind", ["relu", "batch-topk", "jumprelu", "gated", "matryoshka"])
def test_every_kind(kind: str, place: Path) -> None:
    main(["sparse", "x.npy", *FAST, "--kind", kind, "-o", "run"])
    assert load("run").kind == kind
    assert not Path("run/export").exists()


def test_a_transcoder_with_pictures(place: Path, x: np.ndarray) -> None:
    np.save("y.npy", np.abs(x[:, :5]))
    np.save("images.npy", RNG.random((400, 4, 4)))
    main(["sparse", "x.npy", *FAST, "--targets", "y.npy", "--shown", "images.npy", "-o", "run"])
    assert load("run").dim_out == 5
    assert "data:image/png;base64," in Path("run/report.html").read_text()


def test_a_demonstration(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("STEPS", 2), ("MOST", 3000), ("SCORED", 700)):
        monkeypatch.setattr(f"discretevae.experiments.characters.{name}", value)
    main(["sparse", "--demo", *FAST, "-o", "run"])
    figures = json.loads(Path("run/metrics.json").read_text())["test"]
    assert {"ce_score", "kl_score"} <= figures.keys()
    assert "network: step" in capsys.readouterr().err
    main(["sparse", "--resume", "run"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "`activations` must be a file or a folder of activations, got none"),
        (["no.npy"], "no.npy does not exist"),
        (["x.npy", "--k", "25", "--width", "24"], "`k` must be at most the width, 24, got 25"),
        (["x.npy", "--batch-size", "361"], "`batch_size` must be at most the 360 rows"),
        (["x.npy", "--kind", "topp"], "`kind` must be one of relu, topk"),
        (["x.npy", "--penalty", "1"], "`kind` does not fit"),
        (["x.npy", "--shown", "few.txt"], "must have an entry for each of 400 rows, got 1"),
        (["x.npy", "--targets", "nan.npy"], "must hold finite float32 numbers"),
        (["same.npy"], "must vary from row to row"),
        (["shards"], "must have rows of 8 numbers"),
        (["x.npy", "--demo"], "`demo` must go without activations"),
        (["x.npy", "--resume", "run"], "`resume` must go without other options"),
        (["x.npy", "--overwrite"], "`overwrite` must go with --output"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(
    words: list[str], says: str, place: Path, x: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    spoilt = x.copy()
    spoilt[3, 3] = np.nan
    np.save("nan.npy", spoilt)
    np.save("same.npy", np.ones((400, 8), np.float32))
    Path("few.txt").write_text("one")
    Path("shards").mkdir()
    np.save("shards/0.npy", x)
    np.save("shards/1.npy", x[:, :7])
    assert says in refused(capsys, *words, *([] if "--resume" in words else ["--steps", "2"]))
    assert not list(place.glob("runs/*/config.yaml"))


def test_a_run_of_another_kind_is_no_run_of_this(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("run").mkdir()
    Path("run/config.yaml").write_text("data: digits\n")
    assert "must hold the options of a sparse autoencoder" in refused(capsys, "--resume", "run")


def test_an_interrupted_run_says_how_to_go_on(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from discretevae.training.sparse_module import SparseModule

    follow = SparseModule._follow

    def stopped(self: SparseModule) -> None:
        if self.global_step == 4:
            raise KeyboardInterrupt
        follow(self)

    monkeypatch.setattr(SparseModule, "_follow", stopped)
    with pytest.raises(SystemExit) as exit_:
        main(["sparse", "x.npy", *FAST, "-o", "run"])
    assert exit_.value.code == 130
    assert "to go on: discretevae sparse --resume run" in capsys.readouterr().err
    monkeypatch.setattr(SparseModule, "_follow", follow)
    main(["sparse", "--resume", "run"])
    assert load("run").width == 24
    main(["sparse", "x.npy", *FAST, "-o", "whole"])
    some = torch.randn(50, 8)
    assert torch.equal(load("run")(some), load("whole")(some))
