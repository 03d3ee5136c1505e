"""A data set and models that train in a fraction of a second."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from discretevae.data import Splits, load
from discretevae.models import DiscreteVAE
from discretevae.networks import MLP
from discretevae.training import TrainingOptions


@pytest.fixture(scope="session")
def digits() -> Splits:
    """Sixty examples of each part: three batches of twenty an epoch."""
    return load("digits", binarize="fresh", limit=60)


@pytest.fixture(scope="session")
def without_validation(digits: Splits) -> Splits:
    return replace(digits, validation=digits.validation.take(slice(0)))


@pytest.fixture
def make_model() -> Callable[..., DiscreteVAE]:
    def make(**options: Any) -> DiscreteVAE:
        torch.manual_seed(0)
        defaults = {"num_latents": 2, "num_categories": 3, "network": MLP((16,))}
        return DiscreteVAE((1, 8, 8), **defaults | options)

    return make


@pytest.fixture
def options() -> TrainingOptions:
    adam = {"optimizer": "adam", "learning_rate": 1e-3}
    return TrainingOptions(epochs=3, batch_size=20, accelerator="cpu", progress_bar=False, **adam)
