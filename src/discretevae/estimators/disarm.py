"""The DisARM estimator for binary latents, also known as U2G."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from discretevae.estimators.antithetic import Antithetic

__all__ = ["DisARM"]


@dataclass(frozen=True)
class DisARM(Antithetic):
    r"""Compares f at two antithetic binary codes: unbiased for any f.

    .. math:: \nabla_{\eta_d} = \tfrac12 (f(b) - f(\tilde b)) (b_d - \tilde b_d) \sigma(|\eta_d|),
        \qquad \eta = l_1 - l_0

    with the pair :math:`b_d = 1[u_d > \sigma(-\eta_d)]`,
    :math:`\tilde b_d = 1[u_d < \sigma(\eta_d)]`, u uniform. It is ARM with u integrated out given
    the pair, so its variance is never above ARM's. `f` need not be differentiable in `z`.
    Class 1 is b = 1; for more than two classes see CARMS, which equals this one at K = S = 2.

    Raises:
        ValueError: If the latents have other than two classes.

    Reference: Dong, Mnih & Tucker, DisARM: an antithetic gradient estimator for binary latent
    variables, 2020; the same as Yin, Ho, Yan, Qian & Zhou, Probabilistic best subset selection
    via gradient-based optimization (U2G), 2020.

    Example:
        >>> import torch
        >>> logits = torch.zeros(5, 4, 2, requires_grad=True)
        >>> DisARM()(lambda z: z[..., 0].sum(-1), logits).shape
        torch.Size([5])
    """

    def weight(
        self,
        eta: Float[Tensor, "*B D"],
        noise: Float[Tensor, "*B D"],
        difference: Float[Tensor, "*B D"],
    ) -> Float[Tensor, "*B D"]:
        return difference * eta.abs().sigmoid() / 2
