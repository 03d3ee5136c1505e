"""What a model asks of a prior over codes."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

__all__ = ["Prior"]


class Prior(nn.Module, ABC):
    """A distribution p(z) over codes of D latents with K classes."""

    kind: ClassVar[str]

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """The sizes (D, K) of a code."""

    @abstractmethod
    def log_prob(self, z: Float[Tensor, "*B D K"]) -> Float[Tensor, "*B"]:
        """Gives log p(z) in nats of one-hot codes."""

    @abstractmethod
    def log_prob_of_codes(self, codes: Int[Tensor, "*B D"]) -> Float[Tensor, "*B"]:
        """Gives log p(z) in nats of class indices."""

    @abstractmethod
    def kl(self, logits: Float[Tensor, "*B D K"]) -> Float[Tensor, "*B D"]:
        """Gives KL(q ‖ p) of each latent in nats, q being the product with these logits."""

    @abstractmethod
    def sample(
        self, count: int, generator: torch.Generator | None = None
    ) -> Int[Tensor, "count D"]:
        """Draws codes as class indices."""
