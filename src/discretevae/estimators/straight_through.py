"""The straight-through estimator."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.estimators.base import evaluate, with_gradient_of
from discretevae.estimators.tempered import Tempered
from discretevae.latents import categorical

__all__ = ["StraightThrough"]


@dataclass(frozen=True)
class StraightThrough(Tempered):
    r"""Evaluates f at the code, passes its gradient to the probabilities.

    .. math:: z \sim q, \qquad \nabla z := \nabla \mathrm{softmax}(l / \tau)

    The value is unbiased. The gradient for `logits` is first order: at τ = 1 it is exact for an f
    that is linear in each latent, **biased** for any other.

    Arguments:
        samples: S ≥ 1.
        temperature: τ > 0; other than 1 it is biased even for a linear f.

    Raises:
        ValueError: If `samples` is below 1 or `temperature` is not positive.

    Reference: Bengio, Léonard & Courville, Estimating or propagating gradients through
    stochastic neurons, 2013, §4.

    Example:
        >>> logits = torch.zeros(5, 4, 8, requires_grad=True)
        >>> StraightThrough()(lambda z: z[..., 0].sum(-1), logits).shape
        torch.Size([5])
    """

    def __call__(
        self,
        f: Callable[[Tensor], Tensor],
        logits: Float[Tensor, "*B D K"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*B"]:
        z = categorical.sample(logits, self.samples, generator)
        p = (logits / self.temperature).softmax(-1).expand_as(z)
        return evaluate(f, with_gradient_of(z, p)).mean(0)
