"""Tokens, and the experts that they may go to."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from discretevae.routing.experts import Experts

__all__ = ["Tokens", "weighed"]


class Tokens:
    """T tokens with the logits of their gate and what experts make of them.

    Arguments:
        x: The tokens.
        logits: Of the gate, in float32 at least.
        experts: Which they may go to.
        gated: Whether what an expert makes of a token is multiplied with its probability.
    """

    def __init__(
        self, x: Float[Tensor, "T d"], logits: Float[Tensor, "T N"], experts: Experts, gated: bool
    ) -> None:
        self.x, self.logits, self.experts, self.gated = x, logits, experts, gated

    def at(self, chosen: Int[Tensor, "T M"]) -> Float[Tensor, "T M d_out"]:
        """Gives what the chosen experts make of each token; the others are not evaluated.

        The rows are sorted by expert, so that the experts see blocks, and put back in their order.
        """
        ascending, order = chosen.flatten().sort(stable=True)
        rows = self.x.index_select(0, order // chosen.shape[1])
        values = self.experts(rows, ascending)
        place = torch.arange(len(order), device=order.device)
        back = torch.empty_like(order).scatter_(0, order, place)
        return values.index_select(0, back).view(*chosen.shape, values.shape[-1])

    def all(self) -> Float[Tensor, "T N d_out"]:
        """Gives what every expert makes of each token."""
        return self.experts.all(self.x)


def weighed(
    values: Float[Tensor, "T M d_out"], gates: Float[Tensor, "T M"]
) -> Float[Tensor, "T M d_out"]:
    """Multiplies what experts make of tokens with gates, in the type of the experts."""
    return gates.to(values.dtype).unsqueeze(-1) * values
