"""Tiny models of binary data, and what every code means, summed over by hand."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from discretevae.models import DiscreteVAE
from discretevae.networks import MLP
from discretevae.priors import Prior

Make = Callable[..., DiscreteVAE]


@pytest.fixture(scope="session")
def tiny() -> Make:
    """Makes a model whose posterior and likelihood are far from uniform."""

    def make(
        shape: tuple[int, ...] = (5,),
        num_latents: int = 2,
        num_categories: int = 3,
        prior: str | Prior = "uniform",
        likelihood: str = "bernoulli",
        seed: int = 0,
        scale: float = 3.0,
        **options: object,
    ) -> DiscreteVAE:
        torch.manual_seed(seed)
        sizes = num_latents, num_categories
        model = DiscreteVAE(shape, *sizes, MLP((6,)), likelihood, prior=prior, **options)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(scale)
        return model.eval()

    return make


@pytest.fixture
def bits() -> Callable[..., np.ndarray]:
    """Draws arrays of 0 and 1."""

    def draw(*shape: int, seed: int = 0, mean: float = 0.3) -> np.ndarray:
        return (np.random.default_rng(seed).random(shape) < mean).astype(np.uint8)

    return draw
