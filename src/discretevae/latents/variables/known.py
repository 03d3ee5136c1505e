"""What is known when a latent variable is inferred, observed, or drawn from its prior."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Known", "beside"]


@dataclass(frozen=True)
class Known:
    """The data as a model's networks see them, the condition, and the variables so far.

    Attributes:
        features: What the encoder says of x; of whatever kind the posteriors take.
        context: Features of the condition, (*B, C); none where there is none.
        values: Variable → its value, (*SB, …), in the order in which they became known.
    """

    features: Any = None
    context: Float[Tensor, "*B C"] | None = None
    values: Mapping[str, Tensor] = field(default_factory=dict)

    def plus(self, name: str, value: Tensor) -> "Known":
        """Adds the value of one more variable.

        Example:
            >>> list(Known().plus("z", torch.zeros(3)).values)
            ['z']
        """
        return replace(self, values={**self.values, name: value})

    def still(self) -> "Known":
        """Gives the same numbers without a gradient for the variables."""
        return replace(self, values={name: value.detach() for name, value in self.values.items()})


def beside(*parts: Float[Tensor, "..."]) -> Float[Tensor, "*SB F"]:
    """Puts vectors side by side, each repeated for the samples that it lacks.

    Example:
        >>> beside(torch.zeros(5, 3), torch.ones(2, 5, 1)).shape
        torch.Size([2, 5, 4])
    """
    if len(parts) == 1:
        return parts[0]
    batch = torch.broadcast_shapes(*(part.shape[:-1] for part in parts))
    return torch.cat([part.expand(*batch, -1) for part in parts], -1)
