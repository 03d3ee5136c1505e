"""Routers that are an estimator of the expected loss."""

from collections.abc import Callable
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from discretevae.estimators import Estimator
from discretevae.routing.router import Router, most_probable
from discretevae.routing.tokens import Tokens, weighed

__all__ = ["EstimatedRouter"]


class EstimatedRouter(Router):
    r"""Trains the gate by an estimator of the expected loss of one expert a token.

    .. math:: \mathbb{E}_{D \sim p}\big[ f(p_D E_D) \big]

    or :math:`\mathbb{E}[f(E_D)]` where the mixture is not gated. Unbiased, or biased, as the
    estimator is; the gradient through p_D and E_D inside f is autograd's. An estimator that looks
    at the gradient of f in the choice, or at as many codes as there are experts, has all experts
    evaluated once; any other those that it draws.

    Arguments:
        estimator: Of :data:`~discretevae.estimators.ESTIMATORS`.

    Example:
        >>> from discretevae.estimators import UnorderedSet
        >>> from discretevae.routing import MixtureOfExperts, MLPExperts
        >>> mixture = MixtureOfExperts(MLPExperts(4, 6, 16, 3), EstimatedRouter(UnorderedSet()))
        >>> mixture.expected(lambda y: y.square().sum(-1), torch.randn(5, 6)).values.shape
        torch.Size([5])
    """

    needs_loss: ClassVar[bool] = True

    def __init__(self, estimator: Estimator) -> None:
        super().__init__()
        self.estimator = estimator

    def evaluations(self, num_experts: int, top: int = 1) -> int:
        looks_around = self.estimator.needs_gradient_of_f or self.estimator.relaxed
        return num_experts if looks_around else min(num_experts, self.drawn(num_experts))

    def drawn(self, num_experts: int) -> int:
        """Counts the codes at which the estimator asks for the loss of each token."""
        return self.estimator.evaluations(1, num_experts)

    def forward(
        self, tokens: Tokens, top: int, generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "T d_out"], Int[Tensor, "T M"]]:
        raise ValueError(
            f"`router` {type(self).__name__} learns from the loss at its experts: train through "
            "`expected(loss, x)`; calling the mixture is for evaluation."
        )

    def expected(
        self,
        loss: Callable[[Tensor], Tensor],
        tokens: Tokens,
        top: int,
        generator: torch.Generator | None = None,
    ) -> tuple[Float[Tensor, " T"], Int[Tensor, "T M"]]:
        if top != 1:
            raise ValueError(f"`top` must be 1 with {type(self).__name__}, got {top}.")
        p = tokens.logits.softmax(-1)
        if self.evaluations(p.shape[-1]) == p.shape[-1]:
            values = tokens.all()
            values = weighed(values, p) if tokens.gated else values

            def f(z: Tensor) -> Tensor:
                return loss(torch.einsum("stkn,tno->sto", z.to(values.dtype), values))
        else:

            def f(z: Tensor) -> Tensor:
                chosen = z.squeeze(-2).argmax(-1).mT
                values = tokens.at(chosen)
                values = weighed(values, p.gather(-1, chosen)) if tokens.gated else values
                return loss(values.movedim(1, 0))

        value = self.estimator(f, tokens.logits.unsqueeze(-2), generator)
        return value, most_probable(tokens.logits)
