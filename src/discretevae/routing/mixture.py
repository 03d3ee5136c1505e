"""A mixture of experts: one function a token, chosen by a gate that learns with it."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from discretevae.names import resolve
from discretevae.routing.balance import balance_loss
from discretevae.routing.experts import Experts
from discretevae.routing.router import Router
from discretevae.routing.table import ROUTERS
from discretevae.routing.tokens import Tokens

__all__ = ["MixtureOfExperts", "Routed"]


class Routed(NamedTuple):
    """What a mixture gives.

    Attributes:
        values: Of each token, (*B, d_out); or of :meth:`MixtureOfExperts.expected` the expected
            loss, (*B,).
        experts: Where each token went, (*B, top); of a router that needs the loss, the most
            probable.
        cost: What the balance adds to what is minimised, a number; nobody adds it for you.
    """

    values: Float[Tensor, "*B"]
    experts: Int[Tensor, "*B top"]
    cost: Float[Tensor, ""]


class MixtureOfExperts(nn.Module):
    r"""Sends each token to one or two of N experts, through a gate that learns where.

    .. math:: y = \sum_{D \in \text{top}} p_D(x)\, E_D(x), \qquad
        p = \mathrm{softmax}(W x + b)

    The gate, a linear layer, is computed in float32 at least. In training the router chooses, and
    says what gradient the gate has; :data:`ROUTERS` lists them, each with what it is unbiased for
    and which experts it evaluates. In evaluation each token has its most probable experts, with
    their probabilities. Tokens are sorted by expert and each expert's are one product: none is
    dropped, and an expert costs what its tokens do.

    Arguments:
        experts: The N functions, such as :class:`~discretevae.routing.MLPExperts`.
        router: A name in `ROUTERS`, or a :class:`~discretevae.routing.Router`.
        top: How many experts each token has, 1 or 2, fewer than N.
        balance: The weight of the :func:`~discretevae.routing.balance_loss` in `cost`, at least 0.
        gated: Whether an expert's output is multiplied with its probability.

    Raises:
        ValueError: If the router is unknown, `top` or `balance` is out of range, a router that
            learns through the gate is not gated, or one of a loss has two experts.

    Reference: Shazeer et al., Outrageously large neural networks, 2017; Fedus, Zoph & Shazeer,
    Switch transformers, 2021.

    Example:
        >>> from discretevae.routing import MLPExperts
        >>> mixture = MixtureOfExperts(MLPExperts(8, 16, 32, 4), "sparsemixer-v2", balance=0.01)
        >>> x, target = torch.randn(5, 7, 16), torch.randn(5, 7, 4)
        >>> y, experts, cost = mixture(x)
        >>> y.shape, experts.shape, cost.shape
        (torch.Size([5, 7, 4]), torch.Size([5, 7, 1]), torch.Size([]))
        >>> ((y - target).square().mean() + cost).backward()

        A router that needs the loss is trained by its expectation:

        >>> mixture = MixtureOfExperts(MLPExperts(8, 16, 32, 4), "exact")
        >>> loss, _, cost = mixture.expected(lambda y: (y - target).square().sum(-1), x)
        >>> loss.shape
        torch.Size([5, 7])
        >>> mixture.eval()(x).values.shape
        torch.Size([5, 7, 4])
    """

    def __init__(
        self,
        experts: Experts,
        router: str | Router = "sparsemixer-v2",
        top: int = 1,
        balance: float = 0.0,
        gated: bool = True,
    ) -> None:
        super().__init__()
        self.experts, self.top, self.balance, self.gated = experts, top, balance, gated
        self.gate = nn.Linear(experts.dim, experts.num_experts)
        self.router = resolve("router", router, ROUTERS)() if isinstance(router, str) else router
        if top not in (1, 2) or top >= experts.num_experts:
            raise ValueError(
                f"`top` must be 1 or 2 and below the {experts.num_experts} experts, got {top}."
            )
        if top != 1 and self.router.needs_loss:
            raise ValueError(f"`top` must be 1 with {type(self.router).__name__}, got {top}.")
        if not balance >= 0:
            raise ValueError(f"`balance` must be at least 0, got {balance}.")
        if self.router.needs_gate and not gated:
            raise ValueError(
                f"`gated` must be True with {type(self.router).__name__}, whose gate learns "
                "through its probability alone, got False."
            )

    def forward(self, x: Float[Tensor, "*B d"], generator: torch.Generator | None = None) -> Routed:
        """Gives what the experts make of each token.

        Raises:
            ValueError: If `x` has not the experts' dimension, or in training if the router learns
                from the loss.
        """
        tokens = self.tokens(x)
        if self.training:
            values, experts = self.router(tokens, self.top, generator)
        else:
            values, experts = self.router.infer(tokens, self.top)
        return self.routed(x, tokens, values, experts)

    def expected(
        self,
        loss: Callable[[Tensor], Tensor],
        x: Float[Tensor, "*B d"],
        generator: torch.Generator | None = None,
    ) -> Routed:
        r"""Estimates the expected loss of each token over where it goes, with a gradient.

        In evaluation it is the loss at the most probable experts.

        Arguments:
            loss: Maps values (S, *B, d_out) to (S, *B), that of each token by itself.
            x: The tokens.
            generator: The source of what is drawn.

        Raises:
            ValueError: If `x` has not the experts' dimension, or the loss another shape.
        """
        tokens, batch = self.tokens(x), x.shape[:-1]

        def of_rows(y: Tensor) -> Tensor:
            value = loss(y.reshape(len(y), *batch, y.shape[-1]))
            if value.shape != (len(y), *batch):
                raise ValueError(
                    f"`loss` must return {(len(y), *batch)}, got {tuple(value.shape)}."
                )
            return value.reshape(len(y), -1)

        if self.training:
            values, experts = self.router.expected(of_rows, tokens, self.top, generator)
        else:
            y, experts = self.router.infer(tokens, self.top)
            values = of_rows(y.unsqueeze(0))[0]
        return self.routed(x, tokens, values, experts)

    def logits(self, x: Float[Tensor, "*B d"]) -> Float[Tensor, "*B N"]:
        """Gives the logits of the gate, in float32 at least, under autocast too.

        Raises:
            ValueError: If `x` has not the experts' dimension.
        """
        if x.shape[-1] != self.experts.dim:
            raise ValueError(f"`x` must be (*B, {self.experts.dim}), got {tuple(x.shape)}.")
        with torch.autocast(x.device.type, enabled=False):
            dtype = torch.promote_types(x.dtype, torch.float32)
            weight, bias = self.gate.weight.to(dtype), self.gate.bias.to(dtype)
            return nn.functional.linear(x.to(dtype), weight, bias)

    def tokens(self, x: Float[Tensor, "*B d"]) -> Tokens:
        """Lists the tokens with what their gate says."""
        rows, logits = x.reshape(-1, x.shape[-1]), self.logits(x)
        return Tokens(rows, logits.reshape(-1, logits.shape[-1]), self.experts, self.gated)

    def routed(
        self,
        x: Float[Tensor, "*B d"],
        tokens: Tokens,
        values: Float[Tensor, "T ..."],
        experts: Int[Tensor, "T top"],
    ) -> Routed:
        """Gives tokens their shape back, and the balance its cost."""
        batch = x.shape[:-1]
        cost = tokens.logits.new_zeros(())
        if self.balance:
            cost = self.balance * balance_loss(tokens.logits.softmax(-1), experts)
        values = values.view(batch + values.shape[1:])
        return Routed(values, experts.view(*batch, self.top), cost)

    def extra_repr(self) -> str:
        return f"top={self.top}, balance={self.balance}, gated={self.gated}"
