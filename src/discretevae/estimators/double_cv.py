"""The double control variate: leave-one-out in the value of f and in its gradient."""

from collections.abc import Callable
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from discretevae.estimators.estimator import Estimator, inject, require_samples, value_and_gradient
from discretevae.latents import categorical

__all__ = ["DoubleCV"]


class DoubleCV(nn.Module, Estimator):
    r"""Gives RLOO a linear control variate from the other samples' gradients: unbiased.

    .. math:: \nabla_l = \frac{1}{S} \sum_i \Big( t_i - \frac{1}{S - 1} \sum_{j \neq i} t_j \Big)
        (z_i - p) + a J(p) \bar v, \qquad t_i = f(z_i) - a \bar v_{-i} \cdot (z_i - p)

    with :math:`v = \partial f / \partial z` at the samples, :math:`\bar v` its mean and
    :math:`\bar v_{-i}` its mean over the others, J(p)v = p ⊙ (v − p·v). f sees codes only, and
    the gradients of all S samples take one backward pass more than RLOO. Value, gradient for
    `logits` and gradient inside f are unbiased for every differentiable f and every a that does
    not depend on these samples. a = 0 is RLOO; a = 1 is right for an f that is nearly linear and
    hurts for one that saturates at the codes.

    The paper has binary latents, a learned by gradient descent and a second coefficient. The form
    for K > 2 is this library's, checked against enumeration; and as the estimate is g₀ + a h with
    E h = 0, the a of least variance is −E[g₀·h] / E[h·h], taken here from moving averages over
    earlier batches. They move only in training mode and while gradients are recorded.

    Arguments:
        samples: S ≥ 2.
        scale: a, a fixed number; the default fits it.
        decay: Of the moving averages, in [0, 1).

    Raises:
        ValueError: If `samples` is below 2, if `decay` lies outside [0, 1), or if f has no
            gradient in `z`.

    Reference: Titsias & Shi, Double control variates for gradient estimation in discrete latent
    variable models, 2022.

    Example:
        >>> logits = torch.zeros(5, 4, 8, requires_grad=True)
        >>> DoubleCV(samples=2)(lambda z: z[..., 0].sum(-1), logits).shape
        torch.Size([5])
    """

    unbiased: ClassVar[bool] = True
    needs_gradient_of_f: ClassVar[bool] = True

    def __init__(self, samples: int = 2, scale: float | None = None, decay: float = 0.95) -> None:
        super().__init__()
        require_samples(samples, 2, " to leave one out")
        if not 0 <= decay < 1:
            raise ValueError(f"`decay` must lie in [0, 1), got {decay}.")
        self.samples = samples
        self.scale = scale
        self.decay = decay
        self.overlap: Tensor
        self.square: Tensor
        self.register_buffer("overlap", torch.tensor(0.0))
        self.register_buffer("square", torch.tensor(0.0))

    def forward(
        self,
        f: Callable[[Tensor], Tensor],
        logits: Float[Tensor, "*B D K"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*B"]:
        z = categorical.sample(logits, self.samples, generator)
        value, v = value_and_gradient(f, z)
        p = logits.detach().softmax(-1)
        score = z - p

        v_others = (v.sum(0) - v) / (self.samples - 1)
        linear = (v_others * score).sum((-2, -1))
        v_bar = v.mean(0)
        expected = p * (v_bar - (p * v_bar).sum(-1, keepdim=True))
        g_0 = _leave_one_out(value.detach(), score)
        h = expected - _leave_one_out(linear, score)
        gradient = g_0 + self._fitted_scale(g_0, h) * h
        return value.mean(0) + inject(logits, gradient)

    def evaluations(self, num_latents: int, num_categories: int) -> int:
        return self.samples

    def _fitted_scale(
        self, g_0: Float[Tensor, "*B D K"], h: Float[Tensor, "*B D K"]
    ) -> Tensor | float:
        """Gives a from earlier batches, then remembers this one."""
        if self.scale is not None:
            return self.scale
        tiny = torch.finfo(self.square.dtype).tiny
        scale = (-self.overlap / self.square.clamp_min(tiny)).to(h.dtype)
        if self.training and torch.is_grad_enabled():
            self.overlap = self.decay * self.overlap + (1 - self.decay) * (g_0 * h).mean()
            self.square = self.decay * self.square + (1 - self.decay) * h.square().mean()
        return scale


def _leave_one_out(
    value: Float[Tensor, "S *B"], score: Float[Tensor, "S *B D K"]
) -> Float[Tensor, "*B D K"]:
    baseline = (value.sum(0) - value) / (len(value) - 1)
    return ((value - baseline)[..., None, None] * score).mean(0)
