"""Exact joint enumeration."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from discretevae.estimators.estimator import Estimator, evaluate
from discretevae.estimators.functions import CodeFunction, as_code_function
from discretevae.latents import (
    DEFAULT_BUDGET,
    categorical,
    code_chunks,
    num_codes,
    require_sizes,
)

__all__ = ["Exact"]

ROWS = 2**14
"""Rows of `f` in one chunk; bounds the memory of an enumeration."""


@dataclass(frozen=True)
class Exact(Estimator):
    r"""Sums over all K^D codes: no variance, no bias.

    .. math:: \mathbb{E}_q[f(z)] = \sum_z q(z) f(z)

    The codes are taken in chunks; where there are several, each is computed again in the backward
    pass, so that memory does not grow with K^D. `f` need not be differentiable in `z`.

    Arguments:
        budget: The most codes that are enumerated.

    Raises:
        EnumerationError: If K^D exceeds `budget`; a ValueError that names both numbers.

    Example:
        >>> logits = torch.zeros(5, 2, 3)
        >>> Exact()(lambda z: (z[..., 0, 0] * z[..., 1, 0]), logits)  # 1/3 · 1/3
        tensor([0.1111, 0.1111, 0.1111, 0.1111, 0.1111])
    """

    budget: int = DEFAULT_BUDGET

    unbiased: ClassVar[bool] = True

    def __call__(
        self,
        f: Callable[[Tensor], Tensor],
        logits: Float[Tensor, "*B D K"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*B"]:
        *batch, num_latents, num_categories = logits.shape
        require_sizes(num_latents, num_categories)
        f = as_code_function(f)
        rows_per_code = 1 if f.shared else max(1, logits[..., 0, 0].numel())
        chunk = max(1, ROWS // rows_per_code)
        chunks = list(code_chunks(num_latents, num_categories, chunk, self.budget, logits.device))
        if len(chunks) == 1:
            return _partial_expectation(f, logits, chunks[0])
        total = logits.new_zeros(batch)
        for codes in chunks:
            total = total + checkpoint(_partial_expectation, f, logits, codes, use_reentrant=False)
        return total

    @torch.no_grad()
    def average(
        self,
        f: Callable[[Tensor], Tensor],
        logits: Float[Tensor, "*B D K"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "..."]:
        total: Tensor | float = 0.0
        *batch, num_latents, num_categories = logits.shape
        chunk = max(1, ROWS // max(1, logits[..., 0, 0].numel()))
        for codes in code_chunks(num_latents, num_categories, chunk, self.budget, logits.device):
            z = torch.nn.functional.one_hot(codes, num_categories).to(logits.dtype)
            z = z.view(-1, *[1] * len(batch), num_latents, num_categories)
            value = f(z.expand(len(codes), *logits.shape))
            q = categorical.log_prob_of_codes(codes, logits).exp()
            total = total + (q.view(*q.shape, *[1] * (value.ndim - q.ndim)) * value).sum(0)
        assert isinstance(total, Tensor)
        return total

    def evaluations(self, num_latents: int, num_categories: int) -> int:
        return num_codes(num_latents, num_categories)


def _partial_expectation(
    f: CodeFunction, logits: Float[Tensor, "*B D K"], codes: Int[Tensor, "S D"]
) -> Float[Tensor, "*B"]:
    q = categorical.log_prob_of_codes(codes, logits).exp()
    return (q * values_at_codes(f, codes, logits)).sum(0)


def values_at_codes(
    f: Callable[[Tensor], Tensor], codes: Int[Tensor, "S D"], logits: Float[Tensor, "*B D K"]
) -> Float[Tensor, "S *B"]:
    """Evaluates `f` at codes shared by the batch, each code once where `f` offers it."""
    *batch, num_latents, num_categories = logits.shape
    z = torch.nn.functional.one_hot(codes, num_categories).to(logits.dtype)
    f = as_code_function(f)
    if f.shared:
        return f.at_codes(z)
    ones = (1,) * len(batch)
    shape = (len(codes), *batch, num_latents, num_categories)
    return evaluate(f, z.view(-1, *ones, num_latents, num_categories).expand(shape))
