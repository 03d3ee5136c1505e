"""The geometric median."""

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["geometric_median"]


@torch.no_grad()
def geometric_median(
    x: Float[Tensor, "N d"], iterations: int = 50, tolerance: float = 1e-6
) -> Float[Tensor, " d"]:
    r"""Finds the point whose distances from all rows have the least sum, by Weiszfeld's iteration.

    .. math:: c \leftarrow \frac{\sum_i x_i / \lVert x_i - c \rVert}
        {\sum_i 1 / \lVert x_i - c \rVert}

    Reference: Weiszfeld, Sur le point pour lequel la somme des distances de n points donnés est
    minimum, 1937.

    Example:
        >>> geometric_median(torch.tensor([[0.0], [1.0], [100.0]])).round(decimals=2)
        tensor([1.])
    """
    centre = x.mean(0)
    for _ in range(iterations):
        weights = 1 / (x - centre).norm(dim=1).clamp_min(1e-12)
        after = weights @ x / weights.sum()
        moved, centre = (after - centre).norm(), after
        if moved <= tolerance * centre.norm():
            break
    return centre
