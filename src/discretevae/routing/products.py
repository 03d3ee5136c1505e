"""The linear layers of many experts at once, each at rows of its own."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

__all__ = ["grouped_linear"]

GROUPED = getattr(nn.functional, "grouped_mm", None)
"""One product for all experts; a torch that is older than it has one for each."""
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

    No row is added or dropped, and an expert without rows costs nothing. Under autocast it has
    autocast's type. It is one product for all experts; in float64, and in a torch without
    `torch.nn.functional.grouped_mm`, one for each. A compiled graph holds it as one operation.

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
    y: Tensor = _forward(rows.to(dtype), weights.to(dtype), biases.to(dtype), experts)
    return y


@torch.library.custom_op("discretevae::grouped_linear", mutates_args=())
def _forward(rows: Tensor, weights: Tensor, biases: Tensor, experts: Tensor) -> Tensor:
    y = _product(rows, weights, _ends(experts, len(weights)))
    return y.add_(biases.index_select(0, experts))


@_forward.register_fake
def _(rows: Tensor, weights: Tensor, biases: Tensor, experts: Tensor) -> Tensor:
    return rows.new_empty(len(rows), weights.shape[2])


@torch.library.custom_op("discretevae::grouped_linear_backward", mutates_args=())
def _backward(
    g: Tensor, rows: Tensor, weights: Tensor, experts: Tensor, for_rows: bool
) -> tuple[Tensor, Tensor, Tensor]:
    g, ends = g.contiguous(), _ends(experts, len(weights))
    of_rows = _product(g, weights.mT, ends) if for_rows else g.new_empty(0)
    of_biases = g.new_zeros(len(weights), g.shape[1]).index_add_(0, experts, g)
    return of_rows, _outer_product(rows, g, ends), of_biases


@_backward.register_fake
def _(
    g: Tensor, rows: Tensor, weights: Tensor, experts: Tensor, for_rows: bool
) -> tuple[Tensor, Tensor, Tensor]:
    of_rows = rows.new_empty(rows.shape if for_rows else (0,))
    return of_rows, weights.new_empty(weights.shape), g.new_empty(len(weights), g.shape[1])


def _remember(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    rows, weights, _, experts = inputs
    ctx.save_for_backward(rows, weights, experts)


def _gradients(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
    for_rows = ctx.needs_input_grad[0]
    of_rows, of_weights, of_biases = _backward(g, *ctx.saved_tensors, for_rows)
    return of_rows if for_rows else None, of_weights, of_biases, None


_forward.register_autograd(_gradients, setup_context=_remember)


def _ends(experts: Tensor, num_experts: int) -> Tensor:
    """Where the rows of each expert end."""
    numbers = torch.arange(num_experts, device=experts.device)
    return torch.searchsorted(experts, numbers, right=True, out_int32=True)


def _product(rows: Tensor, weights: Tensor, ends: Tensor) -> Tensor:
    """Multiplies the rows of each expert with its matrix."""
    if GROUPED is None or rows.dtype not in GROUPED_TYPES:
        blocks = zip(_blocks(rows, ends), weights, strict=True)
        return torch.cat([x @ w for x, w in blocks])
    width = weights.shape[2]
    y: Tensor = GROUPED(_padded(rows), _padded(_padded(weights).mT).mT, offs=ends)
    return y if y.shape[1] == width else y[:, :width].contiguous()


def _outer_product(rows: Tensor, g: Tensor, ends: Tensor) -> Tensor:
    """Sums the outer products of the rows of each expert: the gradients of its matrix."""
    if GROUPED is None or rows.dtype not in GROUPED_TYPES:
        blocks = zip(_blocks(rows, ends), _blocks(g, ends), strict=True)
        return torch.stack([x.mT @ y for x, y in blocks])
    w: Tensor = GROUPED(_padded(rows).mT, _padded(g), offs=ends)
    return w[:, : rows.shape[1], : g.shape[1]].contiguous()


def _blocks(rows: Tensor, ends: Tensor) -> tuple[Tensor, ...]:
    counts: list[int] = ends.diff(prepend=ends.new_zeros(1)).tolist()
    return rows.split(counts)


def _padded(x: Tensor) -> Tensor:
    """Fills the last dimension up with zeros."""
    missing = -x.shape[-1] % (BYTES // x.dtype.itemsize)
    return nn.functional.pad(x, (0, missing)) if missing else x
