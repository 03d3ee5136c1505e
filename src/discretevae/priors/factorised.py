"""Priors under which the latents are independent; their KL is in closed form."""

import math
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from discretevae import categorical
from discretevae.latents import require_sizes
from discretevae.priors.base import Prior

__all__ = ["CategoricalPrior", "UniformPrior"]


class CategoricalPrior(Prior):
    r"""A product of D fixed categoricals, :math:`p(z) = \prod_d \mathrm{Cat}(z_d; \pi_d)`.

    Arguments:
        logits: Unnormalised log π, shape (D, K), finite.

    Raises:
        ValueError: If `logits` has another shape or a value that is not finite.

    Example:
        >>> prior = CategoricalPrior(torch.tensor([[0.0, 1.0, 2.0]]))
        >>> prior.kl(torch.tensor([[0.0, 1.0, 2.0]])).abs() < 1e-6
        tensor([True])
    """

    kind: ClassVar[str] = "categorical"

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        if logits.ndim != 2 or logits.shape[0] < 1 or logits.shape[1] < 2:
            raise ValueError(
                f"`logits` must have shape (D, K), D ≥ 1, K ≥ 2, got {tuple(logits.shape)}."
            )
        if not logits.is_meta and not logits.isfinite().all():
            raise ValueError("`logits` must be finite, got infinite or NaN values.")
        self.logits: Tensor
        self.register_buffer("logits", logits.detach().clone())

    @property
    def shape(self) -> tuple[int, int]:
        return self.logits.shape[0], self.logits.shape[1]

    def log_prob(self, z: Float[Tensor, "*B D K"]) -> Float[Tensor, "*B"]:
        return (z * self.logits.log_softmax(-1)).sum((-2, -1))

    def log_prob_of_codes(self, codes: Int[Tensor, "*B D"]) -> Float[Tensor, "*B"]:
        log_p = self.logits.log_softmax(-1).expand(*codes.shape, -1)
        return log_p.gather(-1, codes.unsqueeze(-1)).squeeze(-1).sum(-1)

    def kl(self, logits: Float[Tensor, "*B D K"]) -> Float[Tensor, "*B D"]:
        return categorical.kl_divergence(logits, self.logits)

    def sample(
        self, count: int, generator: torch.Generator | None = None
    ) -> Int[Tensor, "count D"]:
        return categorical.sample(self.logits, count, generator).argmax(-1)


class UniformPrior(CategoricalPrior):
    """All K^D codes are equally probable: log p(z) = −D log K, KL = log K − entropy.

    Example:
        >>> UniformPrior(4, 8).log_prob_of_codes(torch.tensor([0, 1, 2, 3]))
        tensor(-8.3178)
    """

    kind: ClassVar[str] = "uniform"

    def __init__(self, num_latents: int, num_categories: int) -> None:
        require_sizes(num_latents, num_categories)
        super().__init__(torch.zeros(num_latents, num_categories))

    def kl(self, logits: Float[Tensor, "*B D K"]) -> Float[Tensor, "*B D"]:
        return math.log(logits.shape[-1]) - categorical.entropy(logits)
