"""The Rao-Blackwellised estimator: a sum over the most probable codes, samples from the rest."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from discretevae.estimators.estimator import Estimator, evaluate, inject, require_samples
from discretevae.latents import categorical, is_enumerable

__all__ = ["TopK", "child_codes"]


@dataclass(frozen=True)
class TopK(Estimator):
    r"""Sums over the T most probable codes and samples the others: unbiased for any f.

    .. math:: \sum_{z \in C} q(z) f(z) + \frac{1 - q(C)}{S} \sum_s f(u_s), \qquad
        u_s \sim q \text{ given that } u_s \notin C

    C holds the T most probable of all K^D codes, found by a beam search that is exact for a
    product. The gradient for `logits` is :math:`\sum_i w_i (f(z_i) - b) (z_i - p)` over the same
    T + S codes with the same weights; the baseline b is the mean of f over C, weighted by q: it
    costs nothing and, C being given by the logits, biases nothing. Where C holds all codes this is
    exact and draws no sample. `f` need not be differentiable in `z`.

    The more q concentrates on few codes, the more it gains: only 1 − q(C) of the mass is left to
    chance.

    Arguments:
        top: T ≥ 1.
        samples: S ≥ 1.

    Raises:
        ValueError: If `top` or `samples` is below 1.

    Reference: Liu, Regier, Tripuraneni, Jordan & McAuliffe, Rao-Blackwellized stochastic gradients
    for discrete distributions, 2019.

    Example:
        >>> logits = torch.zeros(5, 4, 8, requires_grad=True)
        >>> TopK(top=3)(lambda z: z[..., 0].sum(-1), logits).shape
        torch.Size([5])
    """

    top: int = 8
    samples: int = 1

    unbiased: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.top < 1:
            raise ValueError(f"`top` must be at least 1, got {self.top}.")
        require_samples(self.samples, 1)

    def __call__(
        self,
        f: Callable[[Tensor], Tensor],
        logits: Float[Tensor, "*B D K"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*B"]:
        D, K = logits.shape[-2:]
        samples = 0 if is_enumerable(D, K, self.top) else self.samples
        log_p = logits.detach().log_softmax(-1)
        inside, log_q, outside, log_rest = _split(log_p, self.top, samples, generator)
        z = one_hot(torch.cat([inside, outside], -2), K).to(logits.dtype).movedim(-3, 0)
        value = evaluate(f, z)

        log_q, top = log_q.movedim(-1, 0), log_q.shape[-1]
        rest = (log_rest.exp() / self.samples).expand(samples, *log_rest.shape)
        w = torch.cat([log_q.exp(), rest])
        b = (log_q.softmax(0) * value[:top].detach()).sum(0)
        weight = (w * (value.detach() - b))[..., None, None]
        return (w * value).sum(0) + inject(logits, (weight * (z - log_p.exp())).sum(0))

    def evaluations(self, num_latents: int, num_categories: int) -> int:
        if is_enumerable(num_latents, num_categories, self.top):
            return num_categories**num_latents
        return self.top + self.samples


def _split(
    log_p: Float[Tensor, "*B D K"], top: int, samples: int, generator: torch.Generator | None
) -> tuple[
    Int[Tensor, "*B T D"], Float[Tensor, "*B T"], Int[Tensor, "*B S D"], Float[Tensor, "*B"]
]:
    """Gives the T most probable codes, their log q, S samples of the rest, and its log mass.

    A code that is not among them leaves the beam at one latent, with all codes that begin alike:
    what the beam drops is a partition of the rest. Its mass is a sum without a difference, and a
    sample is a dropped beginning, taken by the Gumbel-max rule, that goes on with latents from q.
    """
    *batch, D, K = log_p.shape
    log_q = log_p.new_zeros(*batch, 1)
    inside = log_q.new_empty(*batch, 1, 0, dtype=torch.long)
    outside = categorical.sample(log_p, samples, generator).argmax(-1).movedim(0, -2)
    log_rest = torch.full_like(log_q[..., 0], -torch.inf)
    best = torch.full_like(outside[..., 0], -torch.inf, dtype=log_p.dtype)
    for d in range(D):
        children = (log_q[..., None] + log_p[..., d, None, :]).flatten(-2)
        log_q, kept = children.topk(min(top, children.shape[-1]))
        dropped = children.scatter(-1, kept, -torch.inf)
        log_rest = torch.logaddexp(log_rest, dropped.logsumexp(-1))

        shape = (*best.shape, dropped.shape[-1])
        noise = categorical.gumbel(shape, dropped, generator)
        score, left = (dropped[..., None, :] + noise).max(-1)
        leaving = torch.cat([child_codes(inside, left, K), outside[..., d + 1 :]], -1)
        outside = torch.where((score > best)[..., None], leaving, outside)
        best = torch.maximum(best, score)
        inside = child_codes(inside, kept, K)
    return inside, log_q, outside, log_rest


def child_codes(
    codes: Int[Tensor, "*B N d"], children: Int[Tensor, "*B M"], num_categories: int
) -> Int[Tensor, "*B M d+1"]:
    """Appends one latent to partial codes; child n K + k is code n with class k.

    Example:
        >>> child_codes(torch.tensor([[2], [0]]), torch.tensor([1, 5]), num_categories=3)
        tensor([[2, 1],
                [0, 2]])
    """
    parents = (children // num_categories)[..., None].expand(*children.shape, codes.shape[-1])
    return torch.cat([codes.gather(-2, parents), (children % num_categories)[..., None]], -1)
