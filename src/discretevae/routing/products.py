"""The product of many rows with as many matrices as there are experts."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

__all__ = ["grouped_linear"]

GROUPED = getattr(nn.functional, "grouped_mm", None)
"""One call for all experts; a torch that is older than it has one for each."""
GROUPED_TYPES = (torch.float32, torch.bfloat16, torch.float16)
BYTES = 16
"""It wants rows whose length is a multiple of this."""


def grouped_linear(
    rows: Float[Tensor, "R d"],
    weights: Float[Tensor, "N d h"],
    biases: Float[Tensor, "N h"],
    experts: Int[Tensor, " R"],
) -> Float[Tensor, "R h"]:
    r"""Applies to each row the linear layer of its expert; rows are sorted by expert.

    .. math:: y_r = x_r W_{e_r} + b_{e_r}

    No row is padded or dropped, and an expert without rows costs nothing. Under autocast it has
    its type. In float64, and in a torch without `torch.nn.functional.grouped_mm`, it is one product
    an expert, with a synchronisation.

    Arguments:
        rows: x, those of expert 0 first.
        weights: W, a matrix an expert.
        biases: b.
        experts: e, ascending.

    Example:
        >>> weights = torch.stack([torch.eye(2), 10 * torch.eye(2)])
        >>> grouped_linear(torch.ones(3, 2), weights, torch.zeros(2, 2), torch.tensor([0, 1, 1]))
        tensor([[ 1.,  1.],
                [10., 10.],
                [10., 10.]])
    """
    device = rows.device.type
    wide = torch.promote_types(rows.dtype, weights.dtype)
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else wide
    rows, weights, biases = rows.to(dtype), weights.to(dtype), biases.to(dtype)
    numbers = torch.arange(len(weights), device=rows.device)
    ends = torch.searchsorted(experts, numbers, right=True, out_int32=True)
    if GROUPED is None or dtype not in GROUPED_TYPES:
        counts = ends.diff(prepend=ends.new_zeros(1)).tolist()
        blocks = zip(rows.split(counts), weights, biases, strict=True)
        return torch.cat([torch.addmm(b, x, w) for x, w, b in blocks])
    multiple = BYTES // dtype.itemsize
    height, width = (-size % multiple for size in weights.shape[1:])
    if height or width:
        rows = nn.functional.pad(rows, (0, height))
        weights = nn.functional.pad(weights, (0, width, 0, height))
        biases = nn.functional.pad(biases, (0, width))
    with torch.autocast(device, enabled=False):
        y = _GroupedLinear.apply(rows.contiguous(), weights, biases, experts, ends)
    return y[:, : y.shape[1] - width] if width else y


class _GroupedLinear(torch.autograd.Function):
    """The biases are added in place, and gradients laid out as the product wants them."""

    @staticmethod
    def forward(
        rows: Tensor, weights: Tensor, biases: Tensor, experts: Tensor, ends: Tensor
    ) -> Tensor:
        assert GROUPED is not None
        y: Tensor = GROUPED(rows, weights, offs=ends)
        return y.add_(biases.index_select(0, experts))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        assert GROUPED is not None
        rows, weights, biases, experts, ends = ctx.saved_tensors
        g = g.contiguous()
        for_rows = GROUPED(g, weights.mT, offs=ends) if ctx.needs_input_grad[0] else None
        for_weights = GROUPED(rows.mT, g, offs=ends) if ctx.needs_input_grad[1] else None
        for_biases = torch.zeros_like(biases).index_add_(0, experts, g)
        return for_rows, for_weights, for_biases, None, None
