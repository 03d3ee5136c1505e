"""The codes of whatever Python holds."""

from typing import Any

import torch
from torch import Tensor

from discretevae.data import as_values, given
from discretevae.models import VAE

__all__ = ["encode"]

ROWS = 1000
"""Rows that are encoded at a time."""


@torch.no_grad()
def encode(model: VAE, data: Any) -> Tensor:
    """Gives the most probable code of every row, (N, D), in their order.

    Arguments:
        model: Any VAE; its mode and weights are left as they are.
        data: An array, a tensor, a data frame with the columns of the model, a list of sentences,
            a DataLoader, a path, or a part of splits such as `splits.test`. Numbers are taken as
            the model sees them: bytes as levels of 255, all others as they are.

    Raises:
        ValueError: If the data are of another kind, or do not suit the model.

    Example:
        >>> from discretevae.models import DiscreteVAE
        >>> encode(DiscreteVAE((3,), 2, 4), [[0, 1, 1], [1, 0, 0]]).shape
        torch.Size([2, 2])
    """
    was_training = model.training
    model.eval()
    try:
        examples = given(data, model.likelihood.config()).examples
        parts = []
        for x, context in examples.in_order(ROWS):
            x = as_values(x).to(model.device, model.dtype)
            context = None if context is None else context.to(model.device, model.dtype)
            parts.append(model.encode(x, context=context).cpu())
        return torch.cat(parts)
    finally:
        model.train(was_training)
