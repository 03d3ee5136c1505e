"""Vector quantisation: the nearest of K learned vectors."""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.latents.gradients import with_gradient_of
from discretevae.latents.quantisers.codebook import StoredCodebook
from discretevae.latents.quantisers.quantiser import Quantisation, widened
from discretevae.latents.quantisers.rotation import rotated
from discretevae.names import resolve

__all__ = ["GRADIENTS", "VectorQuantiser", "require_commitment"]

GRADIENTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "straight-through": with_gradient_of,
    "rotation": rotated,
}
"""Name → gives q with a gradient for z."""


class VectorQuantiser(StoredCodebook):
    r"""The nearest vector of a codebook, whose gradient is passed on to the encoder's.

    .. math:: q = e_{k^*}, \quad k^* = \arg\min_k \lVert z - e_k \rVert, \qquad
        \text{cost} = \beta \lVert z - \mathrm{sg}\,q \rVert^2
        \; [\, + \lVert \mathrm{sg}\,z - q \rVert^2]

    The term in brackets is there where the codebook learns by gradient; else it is a moving average
    of the vectors that it stands for, :class:`StoredCodebook`. The gradient for z is
    **biased**: that of q as a function of z is 0 almost everywhere. "straight-through" copies
    :math:`\nabla_z = \nabla_q`, which is that of the categorical straight-through estimator with
    logits :math:`-\lVert z - e_k \rVert^2 / \tau` where the codebook is dense; "rotation" turns
    and scales it, :func:`rotated`.

    Arguments:
        num_codes: K ≥ 2.
        dim: E ≥ 1.
        gradient: A name in `GRADIENTS`.
        by_gradient: Whether the codebook learns by its gradient.
        decay: γ of the moving averages, in [0, 1).
        commitment: β ≥ 0.
        revive_below: The share of the mean count below which a code is dead and replaced; 0 for
            never.

    Raises:
        ValueError: If a number is out of range, the name unknown, or a code to look up outside
            the codebook.

    Reference: van den Oord, Vinyals & Kavukcuoglu, Neural discrete representation learning, 2017,
    eq. 1 to 3 and appendix A.1.

    Example:
        >>> quantiser = VectorQuantiser(num_codes=16, dim=4)
        >>> values, codes, cost = quantiser(torch.randn(5, 7, 4))
        >>> values.shape, codes.shape, cost.shape
        (torch.Size([5, 7, 4]), torch.Size([5, 7]), torch.Size([5, 7]))
    """

    kind: ClassVar[str] = "vq"

    def __init__(
        self,
        num_codes: int,
        dim: int,
        gradient: str = "straight-through",
        by_gradient: bool = False,
        decay: float = 0.99,
        commitment: float = 0.25,
        revive_below: float = 0.1,
    ) -> None:
        super().__init__(num_codes, dim, by_gradient, decay, revive_below)
        self.gradient, self.commitment = gradient, require_commitment(commitment)
        self.with_gradient = resolve("gradient", gradient, GRADIENTS)

    def forward(self, z: Float[Tensor, "*B E"]) -> Quantisation:
        z = widened(z)
        with torch.autocast(z.device.type, enabled=False):
            self.prepare(z)
            codes = self.nearest(z)
            q = widened(self.codebook)[codes]
            cost = self.commitment * (z - q.detach()).square().sum(-1)
            if self.by_gradient:
                cost = cost + (z.detach() - q).square().sum(-1)
            self.follow(z, codes)
            return Quantisation(self.with_gradient(q.detach(), z), codes, cost)

    def config(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "num_codes": self.num_codes,
            "dim": self.dim,
            "gradient": self.gradient,
            "by_gradient": self.by_gradient,
            "decay": self.decay,
            "commitment": self.commitment,
            "revive_below": self.revive_below,
        }


def require_commitment(commitment: float) -> float:
    """Refuses a weight that is negative or no number.

    Example:
        >>> require_commitment(-1.0)
        Traceback (most recent call last):
        ValueError: `commitment` must be at least 0, got -1.0.
    """
    if not commitment >= 0:
        raise ValueError(f"`commitment` must be at least 0, got {commitment}.")
    return commitment
