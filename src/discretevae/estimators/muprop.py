"""The MuProp estimator: a first-order control variate at the mean."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.estimators.estimator import (
    evaluate,
    inject,
    value_and_gradient,
)
from discretevae.estimators.sampled import Sampled
from discretevae.latents import categorical

__all__ = ["MuProp"]


@dataclass(frozen=True)
class MuProp(Sampled):
    r"""Takes f's linear expansion at the mean code as the baseline: unbiased.

    .. math:: \nabla_l = \frac{1}{S} \sum_s
        \big[ f(z_s) - f(p) - \bar v \cdot (z_s - p) \big] \nabla \log q(z_s) + J(p) \bar v,
        \qquad \bar v = \frac{\partial f}{\partial z}(p), \quad z_s \sim q

    with p = softmax(l) and J(p)v = p ⊙ (v − p·v). Value, gradient for `logits` and gradient
    inside f are unbiased for every f that is differentiable, even though f is also called at p,
    a point inside the simplex: a number that is added and taken away again. Hence `relaxed`: f
    must accept such points; the value comes from codes alone. Exact, without variance, for the
    gradient of a linear f; where f at p says little of f at the codes, RLOO is better.

    Arguments:
        samples: S ≥ 1; f(p) and its gradient are computed once for all.

    Raises:
        ValueError: If `samples` is below 1, or if f has no gradient in `z` at the mean.

    Reference: Gu, Levine, Sutskever & Mnih, MuProp: unbiased backpropagation for stochastic
    neural networks, 2016.

    Example:
        >>> logits = torch.zeros(5, 4, 8, requires_grad=True)
        >>> MuProp()(lambda z: z[..., 0].sum(-1), logits).shape
        torch.Size([5])
    """

    unbiased: ClassVar[bool] = True
    relaxed: ClassVar[bool] = True
    needs_gradient_of_f: ClassVar[bool] = True

    def __call__(
        self,
        f: Callable[[Tensor], Tensor],
        logits: Float[Tensor, "*B D K"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*B"]:
        z = categorical.sample(logits, self.samples, generator)
        value = evaluate(f, z)
        p = logits.detach().softmax(-1)
        f_bar, v_bar = (at_p.detach()[0] for at_p in value_and_gradient(f, p[None]))

        residual = value.detach() - f_bar - (v_bar * (z - p)).sum((-2, -1))
        score = (residual[..., None, None] * (z - p)).mean(0)
        expected = p * (v_bar - (p * v_bar).sum(-1, keepdim=True))
        return value.mean(0) + inject(logits, score + expected)

    def evaluations(self, num_latents: int, num_categories: int) -> int:
        return self.samples + 1
