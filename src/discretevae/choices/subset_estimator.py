"""What the estimators share that draw k of n items."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.choices.conditional_poisson import require_chosen
from discretevae.names import require_count

__all__ = ["SubsetEstimator"]


@dataclass(frozen=True)
class SubsetEstimator(ABC):
    """Draws k of n items as k ones among n numbers, with a gradient for their logits.

    What depends on the set differentiably, f(z), then has a gradient for the logits, **biased** but
    where the class says otherwise. Every class declares

    - `relaxed`: f sees numbers between the ones and zeros and must accept them;
    - `distribution`: of which distribution of sets the draws are, or, relaxed, what they become at
      a low temperature.
    """

    relaxed: ClassVar[bool] = False
    distribution: ClassVar[str]

    @abstractmethod
    def point(
        self,
        logits: Float[Tensor, "*B N"],
        num_chosen: int,
        samples: int,
        generator: torch.Generator | None,
    ) -> Float[Tensor, "S *B N"]:
        """Gives S choices for each example, of logits that are float32 at least."""

    def draw(
        self,
        logits: Float[Tensor, "*B N"],
        num_chosen: int,
        samples: int = 1,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "S *B N"]:
        """Draws S choices for each example, with the estimator's gradient for `logits`.

        They have the type of `logits`; what lies between is in float32 at least, also under
        autocast.

        Raises:
            ValueError: If n is below 2, k outside [1, n], or `samples` below 1.
        """
        require_chosen(logits.shape[-1], num_chosen)
        require_count("samples", samples)
        with torch.autocast(logits.device.type, enabled=False):
            wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
            return self.point(wide, num_chosen, samples, generator).to(logits.dtype)

    @property
    def tempered(self) -> bool:
        """Whether it has a temperature that can be changed while training."""
        return "temperature" in getattr(self, "__dataclass_fields__", ())

    def at_temperature(self, temperature: float) -> Any:
        """Gives the same estimator at another temperature; itself where it has none."""
        tempered: Any = self
        return replace(tempered, temperature=temperature) if self.tempered else self
