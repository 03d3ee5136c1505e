"""The straight-through form of Gumbel-Softmax."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.categorical import gumbel, one_hot_argmax
from discretevae.estimators.base import (
    Estimator,
    evaluate,
    require_positive,
    require_samples,
    with_gradient_of,
)

__all__ = ["STGumbelSoftmax"]


@dataclass(frozen=True)
class STGumbelSoftmax(Estimator):
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

    samples: int = 1
    temperature: float = 0.5

    unbiased: ClassVar[bool] = False
    needs_gradient_of_f: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_samples(self.samples, 1)
        require_positive(self.temperature)

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

    def evaluations(self, num_latents: int, num_categories: int) -> int:
        return self.samples
