"""What processes that share a batch tell each other, so that a codebook learns from all of it."""

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, distributed
from torch.distributed.nn.functional import all_reduce

__all__ = ["are_several", "gathered", "normal_for_all", "of_the_first", "summed"]


def are_several() -> bool:
    """Says whether this is one of several processes.

    Example:
        >>> are_several()
        False
    """
    return (
        distributed.is_available()
        and distributed.is_initialized()
        and distributed.get_world_size() > 1
    )


@torch.no_grad()
def gathered(rows: Shaped[Tensor, "n *E"]) -> Shaped[Tensor, "N *E"]:
    """Puts the rows of all processes, as many as each has, one after the other in their order.

    Example:
        >>> gathered(torch.tensor([3, 4]))
        tensor([3, 4])
    """
    if not are_several():
        return rows
    counts = _counts(rows)
    padded = rows.new_zeros(max(counts), *rows.shape[1:])
    padded[: len(rows)] = rows
    parts = [torch.empty_like(padded) for _ in counts]
    distributed.all_gather(parts, padded)
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])


def normal_for_all(rows: Float[Tensor, "n E"]) -> Float[Tensor, "n E"]:
    """Draws from N(0, 1) as one process would for the rows of all, and gives this one's.

    Example:
        >>> normal_for_all(torch.zeros(3, 2)).shape
        torch.Size([3, 2])
    """
    if not are_several():
        return torch.randn_like(rows)
    counts = _counts(rows)
    drawn = torch.randn(sum(counts), *rows.shape[1:], dtype=rows.dtype, device=rows.device)
    return drawn.split(counts)[distributed.get_rank()]


@torch.no_grad()
def of_the_first(value: Shaped[Tensor, "*S"]) -> Shaped[Tensor, "*S"]:
    """Gives what the first process has, whose draws the others then share.

    Example:
        >>> of_the_first(torch.tensor([3, 4]))
        tensor([3, 4])
    """
    if are_several():
        value = value.contiguous()
        distributed.broadcast(value, 0)
    return value


def summed(value: Shaped[Tensor, "*S"]) -> Shaped[Tensor, "*S"]:
    """Adds up what all processes have, with the gradient of the sum of their losses.

    Example:
        >>> summed(torch.tensor([3.0, 4.0]))
        tensor([3., 4.])
    """
    return all_reduce(value) if are_several() else value


def _counts(rows: Tensor) -> list[int]:
    """How many rows each process has."""
    mine = torch.tensor([len(rows)], device=rows.device)
    found = [torch.empty_like(mine) for _ in range(distributed.get_world_size())]
    distributed.all_gather(found, mine)
    return [int(count) for count in found]
