"""Training on sentences: resumed, and by two processes."""

import inspect
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from discretevae.data.text import load_text
from discretevae.likelihoods.tokens import TokenLikelihood
from discretevae.models import DiscreteVAE
from discretevae.networks.text import TextNetwork
from discretevae.training import TrainingOptions, train


def trained(
    lines: str | Path, folder: str | Path, epochs: int, resume: bool = False, devices: int = 1
) -> tuple[DiscreteVAE, list[dict[str, float]]]:
    text = load_text(lines)
    (length,) = text.splits.shape
    torch.manual_seed(0)
    network = TextNetwork(text.vocabulary.size, width=8)
    likelihood = TokenLikelihood(text.vocabulary, length, width=8)
    model = DiscreteVAE((length,), 2, 3, network, likelihood, "reinmax")
    options = TrainingOptions(
        epochs=epochs,
        batch_size=16,
        optimizer="adam",
        learning_rate=1e-2,
        decay="constant",
        patience=0,
        accelerator="cpu",
        progress_bar=False,
        devices=devices,
    )
    return model, train(model, text.splits, options, folder, resume)


SCRIPT = f"""
import json, sys
from pathlib import Path
import torch
from discretevae.data.text import load_text
from discretevae.likelihoods.tokens import TokenLikelihood
from discretevae.models import DiscreteVAE
from discretevae.networks.text import TextNetwork
from discretevae.training import TrainingOptions, train
{inspect.getsource(trained)}
_, history = trained(sys.argv[1], sys.argv[2], 1, devices=2)
if torch.distributed.get_rank() == 0:
    print(json.dumps(history))
"""


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
    whole, _ = trained(lines, tmp_path / "whole", 3)
    trained(lines, tmp_path / "parts", 1)
    resumed, _ = trained(lines, tmp_path / "parts", 3, resume=True)
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


@pytest.mark.audit
def test_two_processes_are_one_up_to_the_order_of_sums(lines: Path, tmp_path: Path) -> None:
    _, (alone,) = trained(lines, tmp_path / "one", 1)
    script = tmp_path / "run.py"
    script.write_text(SCRIPT)
    environment = {k: v for k, v in os.environ.items() if k not in ("RANK", "LOCAL_RANK")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script), str(lines), str(tmp_path / "two")],
        capture_output=True, text=True, timeout=300, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (together,) = json.loads(done.stdout.splitlines()[-1])
    for name in ("train_objective", "train_elbo", "validation_elbo"):
        assert together[name] == pytest.approx(alone[name], rel=1e-4), name
