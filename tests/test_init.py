"""What an interactive session sees: names to complete, and objects that say what they are."""

import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest
import torch

import discretevae
import discretevae.training


@pytest.mark.parametrize("module", [discretevae, discretevae.training])
def test_dir_lists_what_is_public(module: ModuleType) -> None:
    assert set(module.__all__) <= set(dir(module))
    assert not [name for name in dir(module) if name.startswith("_") and name != "__version__"]
    for name in dir(module):
        assert getattr(module, name) is not None


def test_dir_loads_nothing() -> None:
    code = "import discretevae, sys; dir(discretevae); print('torch' in sys.modules)"
    run = [sys.executable, "-c", code]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == "False\n"


def test_objects_say_in_a_line_what_they_are() -> None:
    digits = discretevae.load_data("digits", binarize="fresh", limit=20)
    table = torch.tensor(np.random.default_rng(0).random((6, 2)), dtype=torch.float32)
    models = {
        "<DiscreteVAE of (3,): 2 latents of 3": discretevae.DiscreteVAE((3,), 2, 3),
        "<GaussianVAE of (3,): 2 Gaussian latents>": discretevae.GaussianVAE((3,), 2),
        "<JointVAE of (3,): 4 latents of 8": discretevae.JointVAE((3,)),
    }
    said = {
        **models,
        "<digits: 20 training, 20 validation and 20 test examples of shape (1, 8, 8)>": digits,
        "<20 examples of shape (1, 8, 8), with labels>": digits.train,
        "<AnomalyScores of 6 rows and their 2 cells, in nats>": (
            discretevae.evaluation.AnomalyScores(table[:, 0], table, table[:, 1])
        ),
    }
    for start, thing in said.items():
        assert repr(thing).startswith(start), repr(thing)
        assert "\n" not in repr(thing)
        assert "tensor(" not in repr(thing)
