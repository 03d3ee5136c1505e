"""Fully connected networks."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

from torch import nn

from discretevae.names import resolve
from discretevae.networks.network import ACTIVATIONS, Flatten, Network, Unflatten, require_widths

__all__ = ["MLP", "perceptron"]


def perceptron(
    sizes: Sequence[int], activation: Callable[[], nn.Module] = nn.ReLU
) -> list[nn.Module]:
    """Lists linear layers of these sizes with an activation between them.

    Example:
        >>> perceptron([4, 3, 2])
        [Linear(in_features=4, out_features=3, bias=True), ReLU(), \
Linear(in_features=3, out_features=2, bias=True)]
    """
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out), activation()]
    return layers[:-1]


@dataclass(frozen=True)
class MLP(Network):
    """Linear layers and activations, mirrored in the decoder; for data of any shape.

    Arguments:
        widths: Units of the hidden layers, from the data inwards.
        activation: A name in `ACTIVATIONS`.

    Raises:
        ValueError: If a width is below 1, or the activation is unknown.

    Example:
        >>> MLP((512, 256)).encoder((784,), 32)[1]
        Linear(in_features=784, out_features=512, bias=True)
    """

    widths: tuple[int, ...] = (512, 256)
    activation: str = "relu"

    kind: ClassVar[str] = "mlp"

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(int(width) for width in self.widths))
        require_widths("widths", self.widths)
        resolve("activation", self.activation, ACTIVATIONS)

    def encoder(self, shape: tuple[int, ...], features: int) -> nn.Sequential:
        sizes = [math.prod(shape), *self.widths, features]
        return nn.Sequential(Flatten(shape), *perceptron(sizes, ACTIVATIONS[self.activation]))

    def decoder(self, features: int, shape: tuple[int, ...]) -> nn.Sequential:
        sizes = [features, *reversed(self.widths), math.prod(shape)]
        return nn.Sequential(*perceptron(sizes, ACTIVATIONS[self.activation]), Unflatten(shape))

    def last_bias(self, decoder: Any) -> nn.Parameter:
        return decoder[-2].bias  # the last layer, before the shape
