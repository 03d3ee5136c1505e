"""What a model asks of an architecture."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from functools import partial
from typing import Any, ClassVar

from torch import Tensor, nn

__all__ = ["ACTIVATIONS", "Flatten", "Network", "Unflatten"]

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky-relu": partial(nn.LeakyReLU, 0.2),
}
"""Name → what stands between two layers."""


class Network(ABC):
    """An architecture: builds an encoder and a decoder for data of one shape.

    The networks map (*B, *shape) to (*B, features) and back, for any number of leading dimensions.
    """

    kind: ClassVar[str]
    takes_gaps: ClassVar[bool] = False
    """Whether numbers of an observation may be missing: NaN."""
    once: ClassVar[dict[str, Any]] = {}
    """Options that are not in what was saved before there were any, and what they were."""

    @abstractmethod
    def encoder(self, shape: tuple[int, ...], features: int) -> nn.Module:
        """Builds the network from an observation to `features` numbers."""

    @abstractmethod
    def decoder(self, features: int, shape: tuple[int, ...]) -> nn.Module:
        """Builds the network from `features` numbers to the parameters of an observation."""

    def last_bias(self, decoder: nn.Module) -> nn.Parameter | None:
        """Finds what a decoder of this network adds at the very end: a number for each that it
        gives, or for each channel; None where it is not known."""
        return None

    @property
    def of_contexts(self) -> "Network":
        """What makes further encoders beside that of the data."""
        return self

    def grid(self, shape: tuple[int, ...]) -> tuple[int, int] | None:
        """Gives rows and columns of the grid whose positions its features describe in turn."""
        return None

    def config(self) -> dict[str, Any]:
        """Describes the architecture in plain types.

        Raises:
            ValueError: If the class is no dataclass and does not say otherwise.
        """
        if not is_dataclass(self):
            raise ValueError(
                f"`network` must be a dataclass or describe itself by `config`, "
                f"got {type(self).__name__}: a saved model holds what its network is."
            )
        return {"kind": self.kind} | {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }

    def describe(self) -> str:
        """Names the kind and its first sizes; of the data nothing."""
        _, *options = self.config().values()
        first = options[0] if options else ""
        sizes = "-".join(map(str, first)) if isinstance(first, list) else str(first)
        return f"{self.kind.upper()} {sizes}".rstrip()


def require_widths(name: str, widths: tuple[int, ...]) -> None:
    """Refuses a layer without units."""
    if any(width < 1 for width in widths):
        raise ValueError(f"`{name}` must be positive, got {list(widths)}.")


class Flatten(nn.Module):
    """Makes vectors of the last dimensions: (*B, *shape) → (*B, features)."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = tuple(shape)

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(-len(self.shape))


class Unflatten(nn.Module):
    """Makes observations of vectors: (*B, features) → (*B, *shape)."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = tuple(shape)

    def forward(self, h: Tensor) -> Tensor:
        return h.unflatten(-1, self.shape)
