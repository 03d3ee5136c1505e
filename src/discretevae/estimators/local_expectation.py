"""The local expectation gradient: exact in each latent, sampled in the others."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from discretevae.estimators.estimator import Estimator, evaluate, require_samples
from discretevae.latents import categorical, require_sizes

__all__ = ["LocalExpectation"]

ENTRIES = 2**24
"""Numbers in the codes of one chunk; bounds the memory of a large code."""


@dataclass(frozen=True)
class LocalExpectation(Estimator):
    r"""Sums over the classes of one latent at a time: unbiased for any f, of low variance.

    .. math:: \nabla_l = \frac{1}{S} \sum_s \sum_d \sum_k f(z_s^{d \to k}) \nabla p_{dk},
        \qquad z_s \sim q

    where z^{d→k} is z with its latent d set to class k. The value, and the gradient inside f, are
    the **mean** over d of :math:`\sum_k p_{dk} f(z_s^{d \to k})`; the gradient for `logits` is the
    **sum**, for each latent's share is complete in itself. With one latent this is exact. `f` need
    not be differentiable in `z`.

    It takes S (1 + D (K − 1)) evaluations, in one call of `f`; a code too large for that goes in
    chunks, each computed again in the backward pass. Worth its price where classes are few,
    evaluations batch well, or the latents act nearly independently of each other: what varies is
    only how much one latent's effect on f depends on the others.

    Arguments:
        samples: S ≥ 1.

    Raises:
        ValueError: If `samples` is below 1.

    Reference: Titsias & Lázaro-Gredilla, Local expectation gradients for black box variational
    inference, 2015.

    Example:
        >>> logits = torch.zeros(5, 1, 4)  # one latent: exact
        >>> LocalExpectation()(lambda z: z[..., 0, 0], logits)
        tensor([0.2500, 0.2500, 0.2500, 0.2500, 0.2500])
    """

    samples: int = 1

    unbiased: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_samples(self.samples, 1)

    def __call__(
        self,
        f: Callable[[Tensor], Tensor],
        logits: Float[Tensor, "*B D K"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*B"]:
        require_sizes(*logits.shape[-2:])
        z = categorical.sample(logits, self.samples, generator)
        changes = _changes(*logits.shape[-2:]).to(logits.device)
        chunks = changes.split(max(1, ENTRIES // max(1, z.numel())))
        if len(chunks) == 1:
            return _partial_sum(f, logits, z, changes).mean(0)
        parts = [checkpoint(_partial_sum, f, logits, z, c, use_reentrant=False) for c in chunks]
        return torch.stack(parts).sum(0).mean(0)

    def evaluations(self, num_latents: int, num_categories: int) -> int:
        return self.samples * (1 + num_latents * (num_categories - 1))


def _changes(num_latents: int, num_categories: int) -> Int[Tensor, "N D"]:
    """Lists what to add to a code, modulo K: nothing, or j = 1 … K − 1 to one of its latents."""
    steps = torch.arange(1, num_categories)[:, None, None] * torch.eye(num_latents).long()
    return torch.cat([torch.zeros(1, num_latents, dtype=torch.long), steps.flatten(0, 1)])


def _partial_sum(
    f: Callable[[Tensor], Tensor],
    logits: Float[Tensor, "*B D K"],
    z: Float[Tensor, "S *B D K"],
    changes: Int[Tensor, "N D"],
) -> Float[Tensor, "S *B"]:
    """Sums over N changed codes.

    The code itself, the row without a change, stands in all D local expectations, any other in
    one: its weight w is the sum of p over the latents in whose expectation it stands.
    """
    num_latents, num_categories = logits.shape[-2:]
    ones = (1,) * (z.dim() - 2)
    codes = (z.argmax(-1) + changes.view(-1, *ones, num_latents)) % num_categories
    changed = z.new_zeros(*codes.shape, num_categories).scatter_(-1, codes[..., None], 1.0)
    stands_in = (changes != 0) | (changes == 0).all(-1, keepdim=True)

    p = (changed * logits.softmax(-1)).sum(-1)
    w = (p * stands_in.view(-1, *ones, num_latents)).sum(-1)
    value = evaluate(f, changed.flatten(0, 1)).view_as(w)
    local = (w * value.detach()).sum(0)
    return (w.detach() * value).sum(0) / num_latents + (local - local.detach())
