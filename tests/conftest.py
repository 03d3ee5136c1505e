"""What several tests share: the options of a run of seconds, and one such run."""

from pathlib import Path

import pytest
from hypothesis import settings

from discretevae.cli.main import main

settings.register_profile("unhurried", deadline=None)  # speed is measured elsewhere
settings.load_profile("unhurried")

SMALL = [
    *("--limit", "60", "--batch-size", "20", "--network", "mlp", "--widths", "16"),
    *("--num-latents", "2", "--num-categories", "3", "--importance-samples", "8"),
    *("--accelerator", "cpu"),
]


@pytest.fixture(scope="session")
def small() -> list[str]:
    """Options under which a run takes a second."""
    return [*SMALL]


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; copy it before changing it."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    main(["train", "digits", *SMALL, "--epochs", "3", "--beta", "0:1", "--output", str(folder)])
    return folder
