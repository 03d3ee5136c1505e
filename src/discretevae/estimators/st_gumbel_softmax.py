"""The straight-through form of Gumbel-Softmax."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.estimators.base import evaluate, with_gradient_of
from discretevae.estimators.tempered import Tempered
from discretevae.latents.categorical import gumbel, one_hot_argmax

__all__ = ["STGumbelSoftmax"]


@dataclass(frozen=True)
class STGumbelSoftmax(Tempered):
    r"""Evaluates f at the code, takes the gradient of the relaxation with the same noise.

    .. math:: z = \mathrm{onehot}(\arg\max(l + G)), \qquad
        \nabla z := \nabla \mathrm{softmax}((l + G) / \tau)

    The value is unbiased; the gradient for `logits` is **biased**, even for a linear f, by an
    amount that falls as τ → 0 while the variance grows.

    Arguments:
        samples: S ≥ 1.
        temperature: τ > 0.

    Raises:
        ValueError: If `samples` is below 1 or `temperature` is not positive.

    Reference: Jang, Gu & Poole, Categorical reparameterization with Gumbel-Softmax, 2017, §2.2.

    Example:
        >>> logits = torch.zeros(5, 4, 8, requires_grad=True)
        >>> STGumbelSoftmax(temperature=0.5)(lambda z: z[..., 0].sum(-1), logits).shape
        torch.Size([5])
    """

    temperature: float = 0.5

    def __call__(
        self,
        f: Callable[[Tensor], Tensor],
        logits: Float[Tensor, "*B D K"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*B"]:
        perturbed = logits + gumbel((self.samples, *logits.shape), logits, generator)
        z = one_hot_argmax(perturbed.detach())
        soft = (perturbed / self.temperature).softmax(-1)
        return evaluate(f, with_gradient_of(z, soft)).mean(0)
