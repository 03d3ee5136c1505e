"""Two processes train to what one does."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from discretevae.cli.main import main
from discretevae.training import TrainingOptions

OPTIONS = [
    *("--limit", "65", "--batch-size", "16", "--network", "mlp", "--widths", "16"),
    *("--num-latents", "2", "--num-categories", "3", "--importance-samples", "0"),
    *("--accelerator", "cpu", "--estimator", "reinmax", "--test-curve"),
    *(
        "--optimizer",
        "adam",
        "--epochs",
        "8",
        "--learning-rate",
        "0.05",
        "--decay",
        "constant",
        "--patience",
        "2",
    ),
]
"""A last batch of a single row, which leaves one process without, and an end before eight epochs:
the rate is too high to go on getting better."""


def history(folder: Path) -> list[dict[str, float]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


def start(*arguments: str) -> subprocess.CompletedProcess[str]:
    script = Path(arguments[0])
    script.write_text("from discretevae.cli.main import main\nmain()\n")
    environment = {k: v for k, v in os.environ.items() if k not in ("RANK", "LOCAL_RANK")}
    command = [sys.executable, "-W", "ignore", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, env=environment, check=False
    )


def test_two_processes_are_one_up_to_the_order_of_sums(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    main(["train", "digits", *OPTIONS, "--output", str(one)])
    done = start(
        str(tmp_path / "run.py"),
        "train",
        "digits",
        *OPTIONS,
        "--devices",
        "2",
        "--output",
        str(two),
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    alone, together = history(one), history(two)
    assert len(alone) == len(together) < 8  # both stopped early, in the same epoch
    for ours, theirs in zip(together, alone, strict=True):
        assert ours["step"] == theirs["step"]
        for name in ("train_objective", "train_elbo", "validation_elbo", "test_elbo"):
            # Independent draws would differ by more than 0.1 in each.
            assert ours[name] == pytest.approx(theirs[name], abs=5e-3), name
    weights, expected = (load_file(f / "model" / "model.safetensors") for f in (two, one))
    for name, value in expected.items():
        assert float((weights[name] - value).abs().max()) < 5e-3, name
    # What only the first process writes is there once, and whole.
    assert sorted(p.name for p in one.iterdir()) == sorted(p.name for p in two.iterdir())
    assert not list(two.rglob(".*"))


CODEBOOK = [
    *("--limit", "64", "--batch-size", "16", "--model", "vq", "--network", "residual"),
    *("--codebook", "16", "--code-size", "8", "--importance-samples", "0", "--accelerator", "cpu"),
    *("--epochs", "3", "--decay", "constant", "--patience", "0"),
]


def test_two_processes_have_one_codebook(tmp_path: Path) -> None:
    """Started, averaged and revived by all vectors; the prior, not trained along, fits after."""
    one, two = tmp_path / "one", tmp_path / "two"
    main(["train", "digits", *CODEBOOK, "--output", str(one)])
    script, more = str(tmp_path / "run.py"), ("--devices", "2", "--output", str(two))
    done = start(script, "train", "digits", *CODEBOOK, *more)
    assert done.returncode == 0, done.stderr
    for ours, theirs in zip(history(two), history(one), strict=True):
        assert ours["validation_elbo"] == pytest.approx(theirs["validation_elbo"], abs=5e-3)
    weights, expected = (load_file(f / "model" / "model.safetensors") for f in (two, one))
    for name, value in expected.items():
        if not name.startswith("prior"):
            assert float((weights[name].double() - value.double()).abs().max()) < 5e-3, name


WITH_A_TERM = """
import sys
import torch
from discretevae import DiscreteVAE, MLP, TrainingOptions, load_data, train
from discretevae.training import Term

class Spread(Term):
    name, whole_batch = "spread", False

    def __call__(self, model, x, generator=None, context=None):
        return model.logits(x, context).square().sum((-2, -1)).mean()

torch.manual_seed(0)
model = DiscreteVAE((1, 8, 8), 2, 3, MLP((16,)), estimator="reinmax")
options = TrainingOptions(
    epochs=2, batch_size=16, accelerator="cpu", devices=int(sys.argv[2]), decay="constant",
    learning_rate=0.05, progress_bar=False,
)
data = load_data("digits", binarize="fresh", limit=65)
train(model, data, options, sys.argv[1], terms={"spread": (Spread(), "0:2")})
"""


@pytest.mark.audit
def test_a_term_that_rows_have_one_by_one_is_the_same_in_two_processes(tmp_path: Path) -> None:
    """The last batch has one row, which leaves one process without."""
    script = tmp_path / "run.py"
    script.write_text(WITH_A_TERM)
    for count in ("1", "2"):
        words = [sys.executable, "-W", "ignore", str(script), str(tmp_path / count), count]
        done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
    for ours, theirs in zip(history(tmp_path / "2"), history(tmp_path / "1"), strict=True):
        for name in ("train_spread", "train_objective", "train_elbo"):
            assert ours[name] == pytest.approx(theirs[name], rel=1e-4), name


IN_PHASES = """
data: digits
estimator: reinmax
epochs: 2
weight_average: 0.5
decay: constant
phases:
- {epochs: 2, prior: autoregressive, learning_rate: 0.01}
- {epochs: 2, estimator: vimco, samples: 3, batch_size: 20}
"""


def test_phases_and_the_mean_of_the_weights_are_the_same_in_two_processes(tmp_path: Path) -> None:
    """The prior is fitted in the first process alone."""
    config = tmp_path / "phases.yaml"
    config.write_text(IN_PHASES)
    sizes = [*OPTIONS[:16], "--optimizer", "adam", "--learning-rate", "0.05"]
    words = ["train", "--config", str(config), *sizes]
    main([*words, "--output", str(tmp_path / "1")])
    done = start(str(tmp_path / "run.py"), *words, "--devices", "2", "-o", str(tmp_path / "2"))
    assert done.returncode == 0, done.stderr
    alone, together = history(tmp_path / "1"), history(tmp_path / "2")
    assert [row["phase"] for row in together] == [1, 1, 2, 2, 3, 3]
    for ours, theirs in zip(together, alone, strict=True):
        assert ours["step"] == theirs["step"]
        for name in ("train_objective", "train_elbo", "validation_elbo"):
            assert ours[name] == pytest.approx(theirs[name], abs=5e-3), name


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (["--free-bits", "0.1"], "`devices` must be 1 with `free_bits`"),
        (["--balance", "1"], "`devices` must be 1 with balance"),
        (["--estimator", "nvil"], "`devices` must be 1 with NVIL, which learns"),
        (["--batch-size", "1"], "`batch_size` must be at least 2, a row for each process"),
    ],
)
def test_what_needs_whole_batches_is_refused(
    wrong: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--limit", "20", "--accelerator", "cpu", "--devices", "2", *wrong]
    with pytest.raises(SystemExit) as stopped:
        main(["train", "digits", *options, "--output", str(tmp_path / "run")])
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert reason in line
    assert not (tmp_path / "run").exists()


def test_numbers_of_processes_are_checked() -> None:
    for name in ("devices", "num_nodes"):
        with pytest.raises(ValueError, match=f"`{name}` must be at least 1, got 0"):
            TrainingOptions(**{name: 0})
