"""What a mixture of experts asks of whatever decides where its tokens go."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from discretevae.routing.tokens import Tokens, weighed

__all__ = ["Router", "rounds"]


class Router(nn.Module, ABC):
    r"""Sends each token to `top` of N experts, and says how the gate learns from it.

    With p = softmax of the gate's logits (of a :func:`masked` softmax where the router has one) and
    D the expert drawn, a gated mixture gives :math:`p_D E_D(x)`, one that is not :math:`E_D(x)`. In
    evaluation D is the most probable expert, for every router. The second of two experts is found
    as the first, among those that are left: its logit is −∞ from then on.

    Every class declares

    - `needs_loss`: it knows the gate's gradient only through the loss at chosen experts, so that it
      trains by :meth:`expected` alone;
    - `needs_gate`: the gate learns through :math:`p_D` alone, so that the mixture must be gated;
    - `evaluations(N, top)`: how many experts a training step evaluates for each token.
    """

    needs_loss: ClassVar[bool] = False
    needs_gate: ClassVar[bool] = False

    @abstractmethod
    def evaluations(self, num_experts: int, top: int = 1) -> int:
        """Counts the experts that a step of training evaluates for each token."""

    @abstractmethod
    def forward(
        self, tokens: Tokens, top: int, generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "T d_out"], Int[Tensor, "T M"]]:
        """Gives values to train through, and the experts that each token went to.

        Raises:
            ValueError: If the router `needs_loss`.
        """

    def expected(
        self,
        loss: Callable[[Tensor], Tensor],
        tokens: Tokens,
        top: int,
        generator: torch.Generator | None = None,
    ) -> tuple[Float[Tensor, " T"], Int[Tensor, "T M"]]:
        """Estimates the expected loss of each token, with the router's gradient.

        Arguments:
            loss: Maps values (S, T, d_out) to (S, T), each by itself.
            tokens: The tokens.
            top: How many experts each has.
            generator: The source of what is drawn.
        """
        values, experts = self(tokens, top, generator)
        return loss(values.unsqueeze(0)).squeeze(0), experts

    def masked(self, logits: Float[Tensor, "T N"]) -> Float[Tensor, "T N"]:
        """Rules out the experts that the router does not take into account; none."""
        return logits

    def infer(
        self, tokens: Tokens, top: int
    ) -> tuple[Float[Tensor, "T d_out"], Int[Tensor, "T M"]]:
        """Sends each token to its most probable experts."""
        found = [(best, p) for best, p, _ in rounds(self.masked, most_probable, tokens.logits, top)]
        experts, gates = (torch.cat(part, -1) for part in zip(*found, strict=True))
        values = tokens.at(experts)
        return (weighed(values, gates) if tokens.gated else values).sum(1), experts


def most_probable(logits: Float[Tensor, "T N"]) -> Int[Tensor, "T 1"]:
    """Picks the largest logit of each row."""
    return logits.argmax(-1, keepdim=True)


def rounds(
    masked: Callable[[Tensor], Tensor],
    pick: Callable[[Tensor], Tensor],
    logits: Float[Tensor, "T N"],
    top: int,
) -> Iterator[tuple[Int[Tensor, "T 1"], Float[Tensor, "T 1"], Float[Tensor, "T N"]]]:
    """Picks one expert after another: each, its probability, and the logits it was picked by.

    Example:
        >>> [(best.item(), round(p.item(), 2)) for best, p, _ in rounds(
        ...     lambda z: z, most_probable, torch.tensor([[0.0, 1.0, 2.0]]), 2)]
        [(2, 0.67), (1, 0.73)]
    """
    for left in reversed(range(top)):
        z = masked(logits)
        expert = pick(z)
        yield expert, z.softmax(-1).gather(-1, expert), z
        if left:
            logits = logits.scatter(-1, expert, -torch.inf)
