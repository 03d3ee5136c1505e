"""Straight-through with exact marginals, for k of n items."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.choices import conditional_poisson
from discretevae.choices.subset_estimator import SubsetEstimator
from discretevae.latents.gradients import with_gradient_of

__all__ = ["Simple"]


@dataclass(frozen=True)
class Simple(SubsetEstimator):
    r"""Draws an exact set, passes its gradient to the exact marginals: SIMPLE.

    .. math:: z \sim p(S) \propto \prod_{i \in S} w_i, \qquad \nabla z := \nabla \mu(l)

    with the marginals μ of the conditional Poisson distribution,
    :mod:`~discretevae.choices.conditional_poisson`. The value of f(z) is unbiased. The gradient for
    the logits is exact for an f that is linear in z, **biased** for any other. For k = 1 it is
    `StraightThrough`.

    Reference: Ahmed, Zeng, Niepert & Van den Broeck, SIMPLE: a gradient estimator for k-subset
    sampling, 2023.

    Example:
        >>> z = Simple().draw(torch.zeros(5, requires_grad=True), num_chosen=2, samples=3)
        >>> z.sum(-1).tolist(), z.requires_grad
        ([2.0, 2.0, 2.0], True)
    """

    distribution: ClassVar[str] = "conditional Poisson"

    def point(
        self,
        logits: Float[Tensor, "*B N"],
        num_chosen: int,
        samples: int,
        generator: torch.Generator | None,
    ) -> Float[Tensor, "S *B N"]:
        z = conditional_poisson.sample(logits, num_chosen, samples, generator)
        return with_gradient_of(z, conditional_poisson.marginals(logits, num_chosen).expand_as(z))
