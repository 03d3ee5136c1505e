"""The unordered-set estimator: distinct codes, drawn without replacement."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from discretevae.estimators.estimator import Estimator, evaluate, inject, require_samples
from discretevae.estimators.top_k import child_codes
from discretevae.latents import categorical, is_enumerable
from discretevae.latents.categorical import gumbel

__all__ = ["UnorderedSet"]

MAX_SAMPLES = 6
"""The time for the ratios doubles with each sample: 2^S subsets."""


@dataclass(frozen=True)
class UnorderedSet(Estimator):
    r"""Draws S distinct codes, each a baseline for the others: unbiased for any f.

    .. math:: \nabla_l = \sum_{i \in T} q_i R_i \Big( f(z_i) - \sum_{j \in T} q_j R_{ij} f(z_j)
        \Big) (z_i - p), \qquad R_i = \frac{h(T \setminus i)}{h(T)}, \quad
        R_{ij} = \frac{h(T \setminus \{i, j\})}{h(T \setminus i)}, \quad R_{ii} = 1

    T is the set of the codes, drawn one after the other without replacement, q_i the probability
    of the i-th, and h(U) the chance that U is what is drawn next once T ∖ U is out:

    .. math:: h(U) = \sum_{i \in U} \frac{q_i}{1 - q(T \setminus U)} h(U \setminus i), \qquad
        h(\emptyset) = 1

    The value, and the gradient inside f, are those of :math:`\sum_i q_i R_i f(z_i)`, whose weights
    sum to one. A code counts once however probable it is: no evaluation is spent twice, and a set
    that holds all of the mass gives the exact sum. `f` need not be differentiable in `z`.

    Arguments:
        samples: S, from 2 to 6.

    Raises:
        ValueError: If `samples` lies outside [2, 6], or if there are fewer than S codes.

    Reference: Kool, van Hoof & Welling, Estimating gradients for discrete random variables by
    sampling without replacement, 2020.

    Example:
        >>> logits = torch.zeros(5, 4, 8, requires_grad=True)
        >>> UnorderedSet(samples=2)(lambda z: z[..., 0].sum(-1), logits).shape
        torch.Size([5])
    """

    samples: int = 4

    unbiased: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_samples(self.samples, 2, " to leave one out")
        if self.samples > MAX_SAMPLES:
            raise ValueError(f"`samples` must be at most {MAX_SAMPLES}, got {self.samples}.")

    def __call__(
        self,
        f: Callable[[Tensor], Tensor],
        logits: Float[Tensor, "*B D K"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*B"]:
        S, (D, K) = self.samples, logits.shape[-2:]
        if is_enumerable(D, K, S - 1):
            raise ValueError(f"`samples` must be at most K^D = {K}^{D} = {K**D} codes, got {S}.")
        log_p = categorical.log_probabilities(logits.detach())
        codes, log_q, log_rest = _without_replacement(log_p, S, generator)
        z = one_hot(codes, K).to(logits.dtype).movedim(-3, 0)
        value = evaluate(f, z)

        w, w_others = _weights(log_q.movedim(-1, 0), log_rest)
        b = (w_others * value.detach()).sum(1)
        weight = (w * (value.detach() - b))[..., None, None]
        return (w * value).sum(0) + inject(logits, (weight * (z - log_p.exp())).sum(0))

    def evaluations(self, num_latents: int, num_categories: int) -> int:
        return self.samples


def _without_replacement(
    log_p: Float[Tensor, "*B D K"], samples: int, generator: torch.Generator | None
) -> tuple[Int[Tensor, "*B S D"], Float[Tensor, "*B S"], Float[Tensor, "*B"]]:
    """Draws S distinct codes in turn; gives their log q and the log mass of all other codes.

    They are the S largest of log q + Gumbel noise over all K^D codes, found latent by latent: the
    perturbed log q of a partial code is the largest among the codes that begin so. What the beam
    drops on its way is a partition of all other codes, hence their mass without a difference.

    Reference: Kool, van Hoof & Welling, Stochastic beams and where to find them, 2019.
    """
    *batch, D, K = log_p.shape
    log_q = log_p.new_zeros(*batch, 1)
    perturbed = log_q  # the order of the codes does not depend on the largest of them
    codes = log_q.new_empty(*batch, 1, 0, dtype=torch.long)
    log_rest = torch.full_like(log_q[..., 0], -torch.inf)
    for d in range(D):
        children = log_q[..., None] + log_p[..., d, None, :]
        scores = _perturb(children, perturbed, generator).flatten(-2)
        children = children.flatten(-2)
        perturbed, kept = scores.topk(min(samples, scores.shape[-1]))
        dropped = children.scatter(-1, kept, -torch.inf)
        log_rest = torch.logaddexp(log_rest, dropped.logsumexp(-1))
        log_q = children.gather(-1, kept)
        codes = child_codes(codes, kept, K)
    return codes, log_q, log_rest


def _perturb(
    log_q: Float[Tensor, "*B N K"],
    largest: Float[Tensor, "*B N"],
    generator: torch.Generator | None,
) -> Float[Tensor, "*B N K"]:
    r"""Draws log q + Gumbel noise given its maximum M over the K children.

    .. math:: g = -\log(e^{-M} + e^{-a} - e^{-\max a}), \qquad a = \log q + G

    In the race of the exponentials e^{-a} the gaps behind the first do not depend on its time.
    """
    a = log_q + gumbel(log_q.shape, log_q, generator)
    log_gap = (-torch.expm1(a - a.amax(-1, keepdim=True))).log() - a
    return -torch.logaddexp(-largest[..., None], log_gap)


def _weights(
    log_q: Float[Tensor, "S *B"], log_rest: Float[Tensor, "*B"]
) -> tuple[Float[Tensor, "S *B"], Float[Tensor, "S S *B"]]:
    r"""Gives q_i R_i, and q_j R_ij in row i.

    The denominator :math:`1 - q(T \setminus U)` is the mass of U and of all codes outside of T.
    """
    T = frozenset(range(len(log_q)))
    log_h = {frozenset[int](): torch.zeros_like(log_rest)}
    for size in range(1, len(T) + 1):
        for U in map(frozenset, combinations(T, size)):
            orders = torch.stack([log_q[i] + log_h[U - {i}] for i in U])
            left = torch.logaddexp(log_rest, log_q[list(U)].logsumexp(0))
            log_h[U] = orders.logsumexp(0) - left

    log_r = torch.stack([log_h[T - {i}] - log_h[T] for i in T])
    log_r_others = [torch.stack([log_h[T - {i, j}] - log_h[T - {i}] for j in T]) for i in T]
    return (log_q + log_r).exp(), (log_q + torch.stack(log_r_others)).exp()
