"""A penalty that is steered towards a number of active latents."""

import math
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

if TYPE_CHECKING:
    from discretevae.sparse.autoencoder import SparseAutoencoder

__all__ = ["SteeredWeight", "away", "started_biases"]

RATE = 0.02
"""Of a step, by which λ follows."""
START = 0.5
"""λ at the start, of activations with E‖x‖² = d."""
AT_FIRST = 4
"""So many times k latents are active at the start."""
MOST_AT_FIRST = 0.5


class SteeredWeight(nn.Module):
    r"""The weight λ of a penalty, which follows the number of active latents.

    .. math:: \lambda \leftarrow \lambda \exp\big(0.02 \,
        \mathrm{clip}(\log(L_0 / k), -1, 1)\big)

    Arguments:
        fixed: λ, where it is to stay.

    Raises:
        ValueError: If λ is negative.

    Example:
        >>> weight = SteeredWeight()
        >>> before = float(weight.value)
        >>> weight.steer(l0=8.0, k=4)
        >>> float(weight.value) > before
        True
    """

    value: Tensor

    def __init__(self, fixed: float | None = None) -> None:
        super().__init__()
        if fixed is not None and not fixed >= 0:
            raise ValueError(f"`penalty` must be at least 0, got {fixed}.")
        self.fixed = fixed
        self.register_buffer("value", torch.tensor(START if fixed is None else fixed))

    @torch.no_grad()
    def steer(self, l0: float, k: int) -> None:
        """Follows what a step has seen, towards k."""
        if self.fixed is None:
            self.value.mul_(math.exp(RATE * away(l0, k)))


def away(l0: float, k: int) -> float:
    """Says how far a number of active latents is above k, as a logarithm from −1 to 1.

    Example:
        >>> away(4.0, 4), away(400.0, 4), away(0.0, 4)
        (0.0, 1.0, -1.0)
    """
    return min(1.0, max(-1.0, math.log(max(l0, 1e-3) / k)))


@torch.no_grad()
def started_biases(
    model: "SparseAutoencoder", x: Float[Tensor, "N d"], latents: Int64[Tensor, " n"]
) -> None:
    """Starts the encoder's biases where each latent is active in the same share of rows, 4k/m.

    Reference: Anthropic, Dictionary learning optimization techniques, 2025.
    """
    share = min(MOST_AT_FIRST, AT_FIRST * model.k / model.width)
    some = x[:4096]
    rank = max(1, round(share * len(some)))
    model.b_enc[latents] = 0.0
    for part in latents.split(1024):
        h = some @ model.W_enc[:, part] + model.bias[part]
        model.b_enc[part] = -h.topk(rank, dim=0).values[-1]
