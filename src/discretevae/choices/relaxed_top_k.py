"""Gumbel-top-k with the gradient of a relaxation, and the relaxation itself, for k of n items."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.choices.conditional_poisson import NEVER
from discretevae.choices.subset_estimator import SubsetEstimator
from discretevae.estimators.estimator import require_positive
from discretevae.latents.categorical import gumbel, one_hot_argmax
from discretevae.latents.gradients import with_gradient_of

__all__ = ["GumbelTopK", "RelaxedTopK", "relaxed_top_k", "top_k"]


@dataclass(frozen=True)
class RelaxedTopK(SubsetEstimator):
    r"""Draws k softmaxes in turn, each of what those before have left.

    .. math:: z = \sum_{j=1}^k p^j, \qquad p^j = \mathrm{softmax}(a^j / \tau), \quad
        a^1 = l + G, \quad a^{j+1} = a^j + \log(1 - p^j)

    with standard Gumbel noise G. The n numbers sum to k; they are no set, and f must accept them:
    some exceed 1, at any τ, where an item that was taken still leads what is left. As τ → 0 they
    become Gumbel-top-k, of the Plackett-Luce distribution
    (:mod:`~discretevae.choices.plackett_luce`), not of the conditional Poisson one. Value and
    gradient are **biased** at every τ > 0.

    Arguments:
        temperature: τ > 0.

    Raises:
        ValueError: If `temperature` is not positive.

    Reference: Xie & Ermon, Reparameterizable subset sampling via continuous relaxations, 2019.

    Example:
        >>> RelaxedTopK(temperature=0.1).draw(torch.zeros(5), num_chosen=2).sum(-1)
        tensor([2.0000])
    """

    temperature: float = 0.5

    relaxed: ClassVar[bool] = True
    distribution: ClassVar[str] = "Plackett-Luce"

    def __post_init__(self) -> None:
        require_positive(self.temperature)

    def point(
        self,
        logits: Float[Tensor, "*B N"],
        num_chosen: int,
        samples: int,
        generator: torch.Generator | None,
    ) -> Float[Tensor, "S *B N"]:
        perturbed = logits + gumbel((samples, *logits.shape), logits, generator)
        return relaxed_top_k(perturbed, num_chosen, self.temperature)


@dataclass(frozen=True)
class GumbelTopK(SubsetEstimator):
    r"""Draws the k largest of l + Gumbel noise, with the gradient of `RelaxedTopK` at that noise.

    Exact sets, of the Plackett-Luce distribution (:mod:`~discretevae.choices.plackett_luce`), not
    of the conditional Poisson one. The value of f(z) is unbiased, the gradient for the logits
    **biased**, also for a linear f. For k = 1 it is `STGumbelSoftmax`.

    Arguments:
        temperature: τ > 0, of the relaxation.

    Raises:
        ValueError: If `temperature` is not positive.

    Reference: Xie & Ermon, Reparameterizable subset sampling via continuous relaxations, 2019;
    Kool, van Hoof & Welling, Stochastic beams and where to find them, 2019.

    Example:
        >>> GumbelTopK().draw(torch.zeros(5), num_chosen=2, samples=3).sum(-1)
        tensor([2., 2., 2.])
    """

    temperature: float = 0.5

    distribution: ClassVar[str] = "Plackett-Luce"

    def __post_init__(self) -> None:
        require_positive(self.temperature)

    def point(
        self,
        logits: Float[Tensor, "*B N"],
        num_chosen: int,
        samples: int,
        generator: torch.Generator | None,
    ) -> Float[Tensor, "S *B N"]:
        perturbed = logits + gumbel((samples, *logits.shape), logits, generator)
        soft = relaxed_top_k(perturbed, num_chosen, self.temperature)
        return with_gradient_of(top_k(perturbed.detach(), num_chosen), soft)


def relaxed_top_k(
    scores: Float[Tensor, "*B N"], num_chosen: int, temperature: float
) -> Float[Tensor, "*B N"]:
    """Sums k softmaxes, each of the scores that the ones before have left; the sum is k.

    Example:
        >>> relaxed_top_k(torch.tensor([2.0, 1.0, 0.0]), 2, temperature=0.5)
        tensor([0.9927, 0.8656, 0.1418])
    """
    p = (scores / temperature).softmax(-1)
    total = p
    for _ in range(num_chosen - 1):
        scores = scores + _log_rest(scores / temperature, p)
        p = (scores / temperature).softmax(-1)
        total = total + p
    return total


def _log_rest(scaled: Float[Tensor, "*B N"], p: Float[Tensor, "*B N"]) -> Float[Tensor, "*B N"]:
    """Gives log(1 − p); of the largest p, whose difference from 1 rounds away, from the others."""
    largest = one_hot_argmax(scaled.detach()).bool()
    others = scaled.masked_fill(largest, -torch.inf).logsumexp(-1, keepdim=True)
    rest = (others - scaled.logsumexp(-1, keepdim=True)).clamp_min(NEVER)
    return torch.where(largest, rest, (-p.masked_fill(largest, 0)).log1p())


def top_k(scores: Float[Tensor, "*B N"], num_chosen: int) -> Float[Tensor, "*B N"]:
    """Marks the k largest entries of each row with 1, all others with 0.

    Example:
        >>> top_k(torch.tensor([0.3, 0.9, -1.0]), 2)
        tensor([1., 1., 0.])
    """
    return torch.zeros_like(scores).scatter(-1, scores.topk(num_chosen).indices, 1.0)
