"""What a model asks of whatever estimates its gradient."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["GradientEstimator"]


class GradientEstimator(ABC):
    """An estimator of either family: of an expectation, or of the bound of several samples.

    Attributes:
        multi_sample: Whether the KL is part of what it is given, as a log-weight.
    """

    multi_sample: ClassVar[bool]

    @abstractmethod
    def __call__(
        self,
        f: Callable[[Tensor], Tensor],
        logits: Float[Tensor, "*B D K"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*B"]:
        """Estimates what the family is for, with a gradient for `logits`."""

    @abstractmethod
    def evaluations(self, num_latents: int, num_categories: int) -> int:
        """Counts the rows of f that one estimate evaluates for one element of the batch."""

    @property
    def learns(self) -> bool:
        """Whether it has parameters of its own, which it trains on whole batches."""
        return isinstance(self, nn.Module)

    @property
    def tempered(self) -> bool:
        """Whether it has a temperature that can be changed while training."""
        return "temperature" in getattr(self, "__dataclass_fields__", ())

    def at_temperature(self, temperature: float) -> Any:
        """Gives the same estimator at another temperature; itself where it has none."""
        tempered: Any = self
        return replace(tempered, temperature=temperature) if self.tempered else self

    def prepare(self, num_latents: int, num_categories: int) -> None:  # noqa: B027
        """Makes what depends on these sizes; a model calls it, or else the first estimate."""
