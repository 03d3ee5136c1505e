"""The relaxation of binary latents by overlapping exponentials."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.estimators.estimator import require_binary
from discretevae.estimators.point import point_of
from discretevae.estimators.tempered import Tempered
from discretevae.latents.draws import draw

__all__ = ["OverlappingExponential", "overlapping_exponential", "smooth"]


@dataclass(frozen=True)
class OverlappingExponential(Tempered):
    r"""Smooths each binary latent to a ζ in [0, 1]: low variance, biased in everything.

    .. math:: f(1 - \zeta, \zeta), \qquad
        \zeta \sim q(\zeta) = q_0 \, r(\zeta | 0) + q_1 \, r(\zeta | 1), \quad
        r(\zeta | 0) = \frac{\beta e^{-\beta \zeta}}{1 - e^{-\beta}}, \quad
        r(\zeta | 1) = r(1 - \zeta | 0)

    with β = 1/τ the inverse temperature and (q₀, q₁) the softmax of the logits. ζ is the inverse
    CDF of the mixture at a uniform draw, in closed form, and is differentiated in the logits.

    **Biased**: the value is the relaxed objective, not E f at codes, and no bound comes from it.
    The bias falls and the variance grows as τ → 0. `f` must accept points of the simplex. K must
    be 2.

    Arguments:
        samples: S ≥ 1.
        temperature: τ > 0.

    Raises:
        ValueError: If `samples` is below 1, `temperature` is not positive, or K is not 2.

    Reference: Vahdat, Macready, Bian, Khoshaman & Andriyash, DVAE++: discrete variational
    autoencoders with overlapping transformations, 2018.

    Example:
        >>> logits = torch.zeros(5, 4, 2, requires_grad=True)
        >>> OverlappingExponential()(lambda z: z[..., 0].sum(-1), logits).shape
        torch.Size([5])
    """

    temperature: float = 0.125

    relaxed: ClassVar[bool] = True
    binary_only: ClassVar[bool] = True

    def point(
        self, logits: Float[Tensor, "*B D K"], samples: int, generator: torch.Generator | None
    ) -> Float[Tensor, "S *B D K"]:
        require_binary(*logits.shape[-2:])
        log_q = logits.log_softmax(-1)
        shape = (samples, *logits.shape[:-1])
        rho = draw(lambda x: x.uniform_(generator=generator), shape, -2, log_q, generator)
        zeta = smooth(log_q, rho, 1 / self.temperature)
        return torch.stack([1 - zeta, zeta], -1)


def smooth(
    log_q: Float[Tensor, "*B D 2"], rho: Float[Tensor, "S *B D"], beta: float
) -> Float[Tensor, "S *B D"]:
    r"""Inverts the CDF of the mixture at ρ, differentiably in the logits.

    With :math:`m = e^{-\beta \zeta}` the equation F(ζ) = ρ is quadratic,

    .. math:: q_0 m^2 + c \, m - q_1 e^{-\beta} = 0, \qquad
        c = \rho (1 - e^{-\beta}) + q_1 e^{-\beta} - q_0,

    and has one positive root. Of its two forms the one that does not cancel is taken, in logs, so
    that neither a q of 0 nor a large β loses it.

    Example:
        >>> log_q = torch.tensor([[0.5, 0.5]]).log()
        >>> smooth(log_q, torch.tensor([[0.0], [0.5], [1.0]]), beta=4.0).flatten()
        tensor([0.0000, 0.5000, 1.0000])
    """
    log_q0, log_q1 = log_q.unbind(-1)
    q0, q1 = log_q0.exp(), log_q1.exp()
    overlap = math.exp(-beta)
    c = rho * (1 - overlap) + q1 * overlap - q0
    squared = (c.square() + 4 * q0 * q1 * overlap).clamp_min(torch.finfo(c.dtype).tiny)
    log_mean = ((torch.where(c > 0, c, -c) + squared.sqrt()) / 2).log()
    low = (log_q0 - log_mean) / beta
    high = 1 + (log_mean - log_q1) / beta
    return torch.where(c > 0, high, low).clamp(0, 1)


def overlapping_exponential(
    logits: Float[Tensor, "*B K"],
    temperature: float = 0.125,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*B K"]:
    """Draws smoothed binary latents, which are no codes, with their own gradient.

    `OverlappingExponential` has the formula, what it is exact for and biased for, and the source.

    Example:
        >>> overlapping_exponential(torch.zeros(5, 2)).shape
        torch.Size([5, 2])
    """
    return point_of(OverlappingExponential(temperature=temperature), logits, generator)
