"""The categorical-antithetic estimator from several coupled samples."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import one_hot, pad

from discretevae.estimators.estimator import Estimator, evaluate, inject, require_samples
from discretevae.latents import require_sizes
from discretevae.latents.draws import draw

__all__ = ["CARMS"]

MAX_CATEGORIES = 16
"""The memory for one latent grows as S K³: K² orders of K classes."""


@dataclass(frozen=True)
class CARMS(Estimator):
    r"""Compares f at samples that repel each other: unbiased for any f, and any K up to 16.

    .. math:: \nabla_{l_d} = \frac{1}{S (S - 1)} \sum_{i \neq j} r_d(z_{id}, z_{jd})
        (f(z_i) - f(z_j)) (z_{id} - p_d), \qquad r_d(k, m) = \frac{p_{dk} p_{dm}}{P_d(k, m)}

    This is the variant CARMS-I. The uniforms :math:`u_i = (1 - \delta_i)^{S - 1}`,
    :math:`\delta \sim \mathrm{Dirichlet}(1_S)`, are as unlike each other as S can be; each latent
    turns them into classes by the inverse CDF over an order of its classes, drawn for it and
    shared by the S samples. P_d(k, m) is the chance that two samples take the classes k ≠ m,
    averaged over the orders: every pair is once first and last, so that it is never zero.

    With r = 1 and independent samples this is RLOO; with S = K = 2 it is DisARM. Value and
    gradient inside f are unbiased: each sample by itself has the law q. `f` need not be
    differentiable in `z`. The published code smooths and clips r, which biases it; this one does
    not. The ratios are computed in float64, for they come from differences.

    Arguments:
        samples: S ≥ 2.

    Raises:
        ValueError: If `samples` is below 2, or if the latents have more than 16 classes.

    Reference: Dimitriev & Zhou, CARMS: categorical-antithetic-REINFORCE multi-sample gradient
    estimator, 2021.

    Example:
        >>> logits = torch.zeros(5, 4, 8, requires_grad=True)
        >>> CARMS(samples=2)(lambda z: z[..., 0].sum(-1), logits).shape
        torch.Size([5])
    """

    samples: int = 2

    unbiased: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_samples(self.samples, 2, " to couple them")

    def __call__(
        self,
        f: Callable[[Tensor], Tensor],
        logits: Float[Tensor, "*B D K"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*B"]:
        require_sizes(*logits.shape[-2:])
        S, K = self.samples, logits.shape[-1]
        if K > MAX_CATEGORIES:
            raise ValueError(f"`num_categories` must be at most {MAX_CATEGORIES}, got {K}.")
        p = logits.detach().double().softmax(-1)
        orders = _orders(K).to(p.device)
        codes = _coupled_codes(p, orders, S, generator)
        z = one_hot(codes, K).to(logits.dtype)
        value = evaluate(f, z)

        ratio = _ratios(p, orders, codes).to(logits.dtype)
        g = torch.zeros_like(logits)
        for r, (i, j) in zip(ratio, combinations(range(S), 2), strict=True):
            # The terms (i, j) and (j, i) together: p falls out of the two scores' difference.
            difference = (value[i] - value[j]).detach()[..., None]
            g = g + (r * difference)[..., None] * (z[i] - z[j])
        return value.mean(0) + inject(logits, g / (S * (S - 1)))

    def evaluations(self, num_latents: int, num_categories: int) -> int:
        return self.samples


def _orders(num_categories: int) -> Int[Tensor, "O K"]:
    """Lists O = K (K − 1) orders of the classes, every ordered pair once as first and last."""
    classes = range(num_categories)
    return torch.tensor(
        [
            [first, *(k for k in classes if k not in (first, last)), last]
            for first, last in permutations(classes, 2)
        ]
    )


def _coupled_codes(
    p: Float[Tensor, "*B D K"],
    orders: Int[Tensor, "O K"],
    samples: int,
    generator: torch.Generator | None,
) -> Int[Tensor, "S *B D"]:
    """Draws S classes for each latent, each with law p, negatively dependent."""
    shape = p.shape[:-1]
    exponential = draw(
        lambda x: x.exponential_(generator=generator), (samples, *shape), -2, p, generator
    )
    total = exponential.sum(0)  # normalised, they are uniform on the simplex
    u = ((total - exponential) / total).pow(samples - 1)

    drawn = draw(
        lambda x: torch.randint(len(orders), x.shape, generator=generator, device=x.device),
        shape,
        -2,
        p,
        generator,
    )
    order = orders[drawn]
    inner_edges = p.gather(-1, order).cumsum(-1)[..., :-1]
    position = (u[..., None] >= inner_edges).sum(-1, keepdim=True)
    return order.expand(samples, *order.shape).gather(-1, position)[..., 0]


def _ratios(
    p: Float[Tensor, "*B D K"], orders: Int[Tensor, "O K"], codes: Int[Tensor, "S *B D"]
) -> Float[Tensor, "P *B D"]:
    r"""Gives p_k p_m / P(k, m) for each of the P = S (S − 1) / 2 pairs of samples.

    Two uniforms have the joint distribution function
    :math:`C(a, b) = \max(0, a^{1/n} + b^{1/n} - 1)^n`, n = S − 1; under one order P(k, m) is the
    measure of the rectangle between the edges of the two classes.
    """
    n, num_orders = len(codes) - 1, len(orders)
    edges = pad(p[..., orders].cumsum(-1), (1, 0)).clamp_max(1).pow(1 / n)
    edges = edges.expand(len(codes), *edges.shape)
    place = orders.argsort(-1).T[codes][..., None]
    lower, upper = (edges.gather(-1, place + step)[..., 0] for step in (0, 1))
    p_drawn = p.expand(len(codes), *p.shape).gather(-1, codes[..., None])[..., 0]

    def joint(a: Tensor, b: Tensor) -> Tensor:
        return (a + b - 1).clamp_min(0).pow(n)

    ratios = []
    for i, j in combinations(range(len(codes)), 2):
        above = joint(upper[i], upper[j]) - joint(lower[i], upper[j])
        below = joint(upper[i], lower[j]) - joint(lower[i], lower[j])
        both = (above - below).mean(-1).clamp_min(torch.finfo(p.dtype).tiny)
        ratios.append(p_drawn[i] * p_drawn[j] / both)
    # Where k is first and m last, a negative dependence makes the rectangle at least p_k p_m. So
    # r ≤ K (K − 1): the clamp touches rounding errors and the pairs k = m, whose terms cancel.
    return torch.stack(ratios).clamp_max(num_orders)
