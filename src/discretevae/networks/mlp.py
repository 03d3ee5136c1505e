"""Fully connected networks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from torch import nn

from discretevae.networks.base import Flatten, Network, Unflatten, require_widths

__all__ = ["MLP", "perceptron"]


def perceptron(sizes: Sequence[int]) -> list[nn.Module]:
    """Lists linear layers of these sizes with ReLU between them.

    Example:
        >>> perceptron([4, 3, 2])
        [Linear(in_features=4, out_features=3, bias=True), ReLU(), \
Linear(in_features=3, out_features=2, bias=True)]
    """
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    return layers[:-1]


@dataclass(frozen=True)
class MLP(Network):
    """Linear layers with ReLU, mirrored in the decoder; for data of any shape.

    Arguments:
        widths: Units of the hidden layers, from the data inwards.

    Raises:
        ValueError: If a width is below 1.

    Example:
        >>> MLP((512, 256)).encoder((784,), 32)[1]
        Linear(in_features=784, out_features=512, bias=True)
    """

    widths: tuple[int, ...] = (512, 256)

    kind: ClassVar[str] = "mlp"

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(int(width) for width in self.widths))
        require_widths("widths", self.widths)

    def encoder(self, shape: tuple[int, ...], features: int) -> nn.Sequential:
        return nn.Sequential(
            Flatten(shape), *perceptron([math.prod(shape), *self.widths, features])
        )

    def decoder(self, features: int, shape: tuple[int, ...]) -> nn.Sequential:
        return nn.Sequential(
            *perceptron([features, *reversed(self.widths), math.prod(shape)]), Unflatten(shape)
        )
