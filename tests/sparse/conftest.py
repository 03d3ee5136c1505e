"""Small autoencoders of every kind, and activations that have sparse structure."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from discretevae.sparse import SPARSE_KINDS, SparseAutoencoder


@pytest.fixture
def make() -> Callable[..., SparseAutoencoder]:
    """An autoencoder with weights that are not those of a start, in float64."""

    def made(kind: str, dim: int = 6, width: int = 20, k: int = 3, **options: Any) -> Any:
        torch.manual_seed(1)
        model = SPARSE_KINDS[kind](dim, width, k, **options).double()
        with torch.no_grad():
            model.b_enc.normal_(std=0.3)
            model.b_dec.normal_(std=0.3)
            model.W_enc.add_(0.2 * torch.randn_like(model.W_enc))
            for name in ("r_mag", "b_mag"):
                if name in dict(model.named_parameters()):
                    model.get_parameter(name).normal_(std=0.3)
        return model

    return made


@pytest.fixture
def x() -> Tensor:
    return 2 * torch.randn(40, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
