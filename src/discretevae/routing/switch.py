"""The router of Switch transformers."""

from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from discretevae.latents.draws import draw
from discretevae.routing.router import Router
from discretevae.routing.tokens import Tokens

__all__ = ["Switch"]


class Switch(Router):
    r"""Sends each token to its most probable expert, by logits with noise.

    .. math:: y = p_D E_D(x), \quad D = \arg\max_i \tilde z_i, \quad p = \mathrm{softmax}(\tilde z),
        \quad \tilde z_i = z_i u_i, \quad u_i \sim U(1 - \epsilon, 1 + \epsilon)

    Only the chosen experts are evaluated. The gate learns through p_D alone: that is the gradient
    of f(p_D E_D) at a D that is held, which lacks what another D would have given. As an estimate
    of the gradient of E f(p_D E_D) with D ~ p it is **biased** also for a linear f, of whose
    gradient it has half.

    Arguments:
        jitter: ε in [0, 1).

    Raises:
        ValueError: If ε lies outside [0, 1).

    Reference: Fedus, Zoph & Shazeer, Switch transformers, 2021, §2.1 and appendix; there the noise
    multiplies the token, here its logits, as in the code published with SparseMixer.

    Example:
        >>> from discretevae.routing import MixtureOfExperts, MLPExperts
        >>> mixture = MixtureOfExperts(MLPExperts(4, 6, 16, 3), router="switch")
        >>> mixture(torch.randn(5, 6)).values.shape
        torch.Size([5, 3])
    """

    needs_gate: ClassVar[bool] = True

    def __init__(self, jitter: float = 0.1) -> None:
        super().__init__()
        if not 0 <= jitter < 1:
            raise ValueError(f"`jitter` must lie in [0, 1), got {jitter}.")
        self.jitter = jitter

    def evaluations(self, num_experts: int, top: int = 1) -> int:
        return top

    def forward(
        self, tokens: Tokens, top: int, generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "T d_out"], Int[Tensor, "T M"]]:
        z, low, high = tokens.logits, 1 - self.jitter, 1 + self.jitter
        noise = draw(
            lambda u: u.uniform_(low, high, generator=generator), z.shape, -2, z, generator
        )
        return self.infer(Tokens(tokens.x, z * noise, tokens.experts, tokens.gated), top)

    def extra_repr(self) -> str:
        return f"jitter={self.jitter}"
