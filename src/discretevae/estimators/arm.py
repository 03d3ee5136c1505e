"""The augment-REINFORCE-merge estimator for binary latents."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from discretevae.estimators.antithetic import Antithetic

__all__ = ["ARM"]


@dataclass(frozen=True)
class ARM(Antithetic):
    r"""Weighs the difference of f at two antithetic binary codes by their noise: unbiased.

    .. math:: \nabla_{\eta_d} = (f(b) - f(\tilde b)) (u_d - \tfrac12), \qquad \eta = l_1 - l_0

    with the pair :math:`b_d = 1[u_d > \sigma(-\eta_d)]`,
    :math:`\tilde b_d = 1[u_d < \sigma(\eta_d)]`, u uniform. `f` need not be differentiable in
    `z`. Class 1 is b = 1. A latent whose two values agree still adds noise here; DisARM removes
    that at no cost and is the one to use.

    Raises:
        ValueError: If the latents have other than two classes.

    Reference: Yin & Zhou, ARM: augment-REINFORCE-merge gradient for stochastic binary networks,
    2019.

    Example:
        >>> import torch
        >>> logits = torch.zeros(5, 4, 2, requires_grad=True)
        >>> ARM()(lambda z: z[..., 0].sum(-1), logits).shape
        torch.Size([5])
    """

    def weight(
        self,
        eta: Float[Tensor, "*B D"],
        noise: Float[Tensor, "*B D"],
        difference: Float[Tensor, "*B D"],
    ) -> Float[Tensor, "*B D"]:
        return (noise / 2).tanh() / 2  # u = σ(ε), and σ(ε) − ½ = tanh(ε / 2) / 2
