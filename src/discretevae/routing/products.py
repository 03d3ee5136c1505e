"""The product of many rows with as many matrices as there are experts."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

__all__ = ["grouped_product"]

GROUPED = getattr(nn.functional, "grouped_mm", None)
"""One call for all experts; a torch that is older than it has one for each."""
GROUPED_TYPES = (torch.float32, torch.bfloat16, torch.float16)
BYTES = 16
"""It wants rows whose length is a multiple of this."""


def grouped_product(
    rows: Float[Tensor, "R d"], weights: Float[Tensor, "N d h"], experts: Int[Tensor, " R"]
) -> Float[Tensor, "R h"]:
    r"""Multiplies each row with the matrix of its expert; rows are sorted by expert.

    .. math:: y_r = x_r W_{e_r}

    No row is padded or dropped, and an expert without rows costs nothing. Under autocast the
    product has its type. In float64, and before torch 2.10, it is one product an expert, with a
    synchronisation.

    Arguments:
        rows: x, those of expert 0 first.
        weights: W, a matrix an expert.
        experts: e, ascending.

    Example:
        >>> weights = torch.stack([torch.eye(2), 10 * torch.eye(2)])
        >>> grouped_product(torch.ones(3, 2), weights, torch.tensor([0, 1, 1]))
        tensor([[ 1.,  1.],
                [10., 10.],
                [10., 10.]])
    """
    device = rows.device.type
    wide = torch.promote_types(rows.dtype, weights.dtype)
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else wide
    numbers = torch.arange(len(weights), device=rows.device)
    ends = torch.searchsorted(experts, numbers, right=True, out_int32=True)
    rows, weights = rows.to(dtype), weights.to(dtype)
    if GROUPED is None or dtype not in GROUPED_TYPES:
        counts = ends.diff(prepend=ends.new_zeros(1)).tolist()
        return torch.cat([x @ w for x, w in zip(rows.split(counts), weights, strict=True)])
    multiple = BYTES // dtype.itemsize
    height, width = (-size % multiple for size in weights.shape[1:])
    rows = nn.functional.pad(rows, (0, height)) if height else rows.contiguous()
    weights = nn.functional.pad(weights, (0, width, 0, height)) if height or width else weights
    product = _ContiguousGradient.apply(GROUPED(rows, weights, offs=ends))
    return product[:, : product.shape[1] - width]


class _ContiguousGradient(torch.autograd.Function):
    """Gives what it gets; its gradient lies in memory as the product wants it."""

    @staticmethod
    def forward(value: Tensor) -> Tensor:
        return value.view_as(value)

    @staticmethod
    def setup_context(ctx: object, inputs: tuple[Tensor], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return gradient.contiguous()
