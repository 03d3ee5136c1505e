"""Training on sentences: resumed, and by two processes."""

import csv
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from discretevae.cli.main import main
from discretevae.data.text import load_text
from discretevae.likelihoods.tokens import TokenLikelihood
from discretevae.models import DiscreteVAE
from discretevae.networks.text import TextNetwork
from discretevae.training import TrainingOptions, train


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """Sentences of 1 to 40 words."""
    draw = random.Random(0)
    words = ["the", "small", "cat", "runs", "fast"]
    path = tmp_path / "lines.txt"
    path.write_text(
        "\n".join(" ".join(draw.choices(words, k=draw.randint(1, 40))) for _ in range(81))
    )
    return path


def test_a_resumed_run_goes_on_exactly(lines: Path, tmp_path: Path) -> None:
    text = load_text(lines)
    (length,) = text.splits.shape

    def trained(folder: str, epochs: int, resume: bool = False) -> DiscreteVAE:
        torch.manual_seed(0)
        network = TextNetwork(text.vocabulary.size, width=8)
        likelihood = TokenLikelihood(text.vocabulary, length, width=8)
        model = DiscreteVAE((length,), 2, 3, network, likelihood)
        options = TrainingOptions(
            epochs=epochs, batch_size=10, optimizer="adam", learning_rate=1e-3, decay="constant",
            patience=0, accelerator="cpu", progress_bar=False,
        )  # fmt: skip
        train(model, text.splits, options, tmp_path / folder, resume)
        return model

    whole = trained("whole", 3)
    trained("parts", 1)
    resumed = trained("parts", 3, resume=True)
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


def test_two_processes_are_one_up_to_the_order_of_sums(lines: Path, tmp_path: Path) -> None:
    words = [
        *("train", str(lines), "--widths", "8", "--num-latents", "2", "--num-categories", "3"),
        *("--epochs", "2", "--batch-size", "16", "--optimizer", "adam", "--learning-rate", "0.01"),
        *("--decay", "constant", "--importance-samples", "0", "--estimator", "reinmax"),
        *("--accelerator", "cpu"),
    ]
    main([*words, "--output", str(tmp_path / "one")])
    script = tmp_path / "run.py"
    script.write_text("from discretevae.cli.main import main\nmain()\n")
    environment = {k: v for k, v in os.environ.items() if k not in ("RANK", "LOCAL_RANK")}
    command = [sys.executable, "-W", "ignore", str(script), *words, "--devices", "2"]
    done = subprocess.run(
        [*command, "--output", str(tmp_path / "two")],
        capture_output=True, text=True, timeout=300, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = []
    for folder in ("one", "two"):
        with (tmp_path / folder / "metrics.csv").open(newline="") as file:
            rows.append(list(csv.DictReader(file)))
    for ours, theirs in zip(*rows, strict=True):
        for name in ("train_objective", "train_elbo", "validation_elbo"):
            assert float(ours[name]) == pytest.approx(float(theirs[name]), rel=1e-4), name
