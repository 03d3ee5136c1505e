"""The Gumbel-Softmax relaxation."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.estimators.base import evaluate
from discretevae.estimators.tempered import Tempered
from discretevae.latents.categorical import gumbel

__all__ = ["GumbelSoftmax"]


@dataclass(frozen=True)
class GumbelSoftmax(Tempered):
    r"""Replaces the code by a point inside the simplex: low variance, biased in everything.

    .. math:: f(\mathrm{softmax}((l + G) / \tau)), \qquad G_{dk} \sim \mathrm{Gumbel}(0, 1)

    **Biased**: the value is the relaxed objective, not E f at codes, and no bound comes from it.
    The bias falls and the variance grows as τ → 0. `f` must accept points of the simplex.

    Arguments:
        samples: S ≥ 1.
        temperature: τ > 0.

    Raises:
        ValueError: If `samples` is below 1 or `temperature` is not positive.

    Reference: Jang, Gu & Poole, Categorical reparameterization with Gumbel-Softmax, 2017, eq. 2;
    Maddison, Mnih & Teh, The Concrete distribution, 2017.

    Example:
        >>> logits = torch.zeros(5, 4, 8, requires_grad=True)
        >>> GumbelSoftmax(temperature=0.5)(lambda z: z[..., 0].sum(-1), logits).shape
        torch.Size([5])
    """

    temperature: float = 0.5

    relaxed: ClassVar[bool] = True

    def __call__(
        self,
        f: Callable[[Tensor], Tensor],
        logits: Float[Tensor, "*B D K"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*B"]:
        noise = gumbel((self.samples, *logits.shape), logits, generator)
        z = ((logits + noise) / self.temperature).softmax(-1)
        return evaluate(f, z).mean(0)
