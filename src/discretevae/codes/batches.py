"""What goes through a model together, and which models and data go together."""

import math
from collections.abc import Callable, Iterable
from typing import Any

from discretevae.codes.errors import CodesError
from discretevae.data.blocks import Blocks
from discretevae.models import VAE

__all__ = ["Progress", "batch_size", "require_codes_say_all", "require_fit", "sizes_of"]

Progress = Callable[[Iterable[Any], str], Iterable[Any]]
"""Passes steps on, and shows how many are done."""

VALUES = 2**20
"""Numbers of a batch of large observations."""
EXAMPLES = 500
"""Examples of a batch of small ones."""


def batch_size(model: VAE) -> int:
    """Gives how many observations go through the networks together.

    Example:
        >>> from discretevae.models import DiscreteVAE
        >>> batch_size(DiscreteVAE((28, 28))), batch_size(DiscreteVAE((64, 64)))
        (500, 256)
    """
    values = max(math.prod(model.shape), sum(model.chain.classes or [1]))
    return max(1, min(EXAMPLES, VALUES // values))


def sizes_of(model: VAE) -> tuple[int, int]:
    """Gives D and K of a code of class indices alone.

    Example:
        >>> from discretevae.models import DiscreteVAE
        >>> sizes_of(DiscreteVAE((3,), 2, 5))
        (2, 5)
    """
    classes = model.chain.classes or [1]
    return len(classes), classes[0]


def require_fit(model: VAE, blocks: Blocks) -> None:
    """Refuses a model whose codes do not say all, or data of another shape.

    Raises:
        CodesError: If the model is another, or the shapes differ.
    """
    require_codes_say_all(model)
    if blocks.shape != model.shape:
        raise CodesError(f"`data` must have shape {model.shape}, got {blocks.shape}.")


def require_codes_say_all(model: VAE) -> None:
    """Refuses a model whose decoder sees more than class indices.

    Raises:
        CodesError: If the model has a condition, or more than one discrete variable.

    Example:
        >>> from discretevae.models import DiscreteVAE
        >>> require_codes_say_all(DiscreteVAE((3,)))
    """
    if not model.codes_say_all:
        raise CodesError(f"`model` must have codes that are classes alone, got a {model.kind}.")
    if model.context_shape is not None:
        raise CodesError(
            "`model` must have no condition, without which its codes mean nothing, "
            f"got one of shape {model.context_shape}."
        )
