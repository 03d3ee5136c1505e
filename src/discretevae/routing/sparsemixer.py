"""SparseMixer: the gate's gradient by numerical integration along the chosen expert's output."""

from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from discretevae.latents.categorical import gumbel
from discretevae.latents.draws import draw
from discretevae.names import resolve
from discretevae.routing.masked_softmax import masked_logits
from discretevae.routing.router import Router, most_probable, rounds
from discretevae.routing.tokens import Tokens

__all__ = ["SCHEMES", "Scheme", "SparseMixer"]


class Scheme(NamedTuple):
    r"""A rule of integration, and what it integrates for.

    Attributes:
        short: The c of a token that is evaluated within its way.
        whole: The probability of c = 1, its end.
        factor: By which the gradient for p_D is multiplied.
        experts_carry_c: Whether the gradient for E_D is that of c p_D E_D, not of p_D E_D.
    """

    short: float
    whole: float
    factor: float
    experts_carry_c: bool


SCHEMES: dict[str, Scheme] = {
    "v1": Scheme(1 / 2, 1 / 2, 2.0, True),
    "v2": Scheme(1 / 3, 1 / 4, 1.0, False),
    "v2*": Scheme(1 / 3, 5 / 8, 2.0, False),
    "midpoint": Scheme(1 / 2, 0.0, 1.0, False),
}
"""Version → its rule."""


class SparseMixer(Router):
    r"""Draws an expert and evaluates it at a part of its weight, which says how the loss changes.

    .. math:: D \sim p, \qquad y = c\, p_D E_D(x), \qquad
        \nabla p_D := s\, \langle g, E_D \rangle, \qquad \nabla E_D := p_D\, g

    with g the gradient of f at y. Only the chosen expert is evaluated: where ReinMax pairs the
    outputs of all experts, this takes f(0) as baseline and integrates from 0 to p_D E_D,
    :math:`f(I) - f(0) = \int_0^1 \langle \nabla f(sI), I \rangle\, ds`, with a random point s = c.

    ========  =====================================  =  ===========================================
    version   c                                      s  exact, without the rule, for the gate of
    ========  =====================================  =  ===========================================
    v1        1 or 1/2, each with probability 1/2    2  E f(p_D E_D), f up to quadratic
    v2        1 with probability 1/4, else 1/3       1  E f(sg(p_D) E_D), f up to cubic
    v2*       1 with probability 5/8, else 1/3       2  E f(p_D E_D), f up to cubic
    midpoint  1/2                                    1  E f(sg(p_D) E_D), f up to quadratic
    ========  =====================================  =  ===========================================

    sg holds what is in it: v2 takes the gate's part in the scale of the output for a constant,
    which its paper calls a slip that worked. The rule of the argmax, as published, has c = 1
    wherever D is the most probable expert. With it all are **biased** for f beyond linear, without
    it only where f goes beyond what the table says.

    In v2 the gradient of the experts is that of algorithm 1; the code published with the paper has
    c in it, c p_D g, and so has v1 here, as its code. v1's learned scale of every feature of
    the output, which starts at 1, is left to what follows. In v2* only the gate's gradient is
    doubled, so that the experts have that of p_D E_D.

    Arguments:
        version: A name in `SCHEMES`.
        argmax_rule: Whether c = 1 where D is the most probable expert.
        r: Of the :func:`~discretevae.routing.masked_logits`; None for the softmax over all.

    Raises:
        ValueError: If the version is unknown or r outside [0, 1).

    Reference: Liu, Gao & Chen, Sparse backpropagation for MoE training, 2023 (v1); Liu et al.,
    GRIN: gradient-informed MoE, 2024, appendix A, algorithms 1 and 2 (v2 and v2*).

    Example:
        >>> from discretevae.routing import MixtureOfExperts, MLPExperts
        >>> router = SparseMixer("v2", argmax_rule=False)
        >>> mixture = MixtureOfExperts(MLPExperts(4, 6, 16, 3), router, top=2)
        >>> values, experts, _ = mixture(torch.randn(5, 6))
        >>> values.shape, experts.shape
        (torch.Size([5, 3]), torch.Size([5, 2]))
    """

    needs_gate: ClassVar[bool] = True

    def __init__(
        self, version: str = "v2", argmax_rule: bool = True, r: float | None = 0.1
    ) -> None:
        super().__init__()
        self.version, self.argmax_rule, self.r = version, argmax_rule, r
        self.scheme = resolve("version", version, SCHEMES)
        self.masked(torch.zeros(1, 2))

    def evaluations(self, num_experts: int, top: int = 1) -> int:
        return top

    def masked(self, logits: Float[Tensor, "T N"]) -> Float[Tensor, "T N"]:
        return logits if self.r is None else masked_logits(logits, self.r)

    def forward(
        self, tokens: Tokens, top: int, generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "T d_out"], Int[Tensor, "T M"]]:
        found = [
            (expert, p, expert == most_probable(z))
            for expert, p, z in rounds(
                self.masked, lambda z: self.choose(z, generator), tokens.logits, top
            )
        ]
        experts, gates, best = (torch.cat(part, -1) for part in zip(*found, strict=True))
        whole = self.drawn(gates, generator)
        whole = whole | best if self.argmax_rule else whole
        c = torch.where(whole, torch.ones_like(gates), self.scheme.short)
        values = tokens.at(experts)
        return _Mixed.apply(values, gates, c, self.scheme).sum(1), experts

    def choose(
        self, z: Float[Tensor, "T N"], generator: torch.Generator | None
    ) -> Int[Tensor, "T 1"]:
        """Draws an expert for each token."""
        return most_probable(z.detach() + gumbel((len(z), 1, z.shape[1]), z, generator)[:, 0])

    def drawn(
        self, gates: Float[Tensor, "T M"], generator: torch.Generator | None
    ) -> Bool[Tensor, "T M"]:
        """Draws whether c = 1."""
        u = draw(lambda u: u.uniform_(generator=generator), gates.shape, -2, gates, generator)
        return u < self.scheme.whole

    def extra_repr(self) -> str:
        return f"{self.version!r}, argmax_rule={self.argmax_rule}, r={self.r}"


class _Mixed(torch.autograd.Function):
    """Gives c p E; the gradients are s⟨g, E⟩ for p and p g, or c p g, for E."""

    @staticmethod
    def forward(values: Tensor, gates: Tensor, c: Tensor, scheme: Scheme) -> Tensor:
        return (c * gates).to(values.dtype).unsqueeze(-1) * values

    @staticmethod
    def setup_context(
        ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, Scheme], output: Tensor
    ) -> None:
        values, gates, c, ctx.scheme = inputs
        ctx.save_for_backward(values, gates, c)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor, None, None]:
        values, gates, c = ctx.saved_tensors
        weight = c * gates if ctx.scheme.experts_carry_c else gates
        for_gates = ctx.scheme.factor * (g * values).sum(-1).to(gates.dtype)
        return weight.to(g.dtype).unsqueeze(-1) * g, for_gates, None, None
