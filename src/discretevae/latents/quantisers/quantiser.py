"""What is asked of a quantiser of vectors."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor, nn

__all__ = ["Quantisation", "Quantiser", "require_codes", "widened"]


class Quantisation(NamedTuple):
    """What quantisers make of vectors.

    Attributes:
        values: The vectors of the codes, with the gradient that the quantiser declares; in
            training it may say that they lie near them.
        codes: Their numbers in [0, K).
        cost: What each vector adds to what is minimised, besides what its value does.
    """

    values: Float[Tensor, "*B E"]
    codes: Int64[Tensor, "*B"]
    cost: Float[Tensor, "*B"]


class Quantiser(nn.Module, ABC):
    """Takes each vector of E numbers to one of K.

    Called with vectors (*B, E), it gives a :class:`Quantisation`. While it is in training mode
    that call may change its buffers, as batch normalisation does, so a step makes one; in
    evaluation mode, and in `nearest` and `lookup`, nothing is changed. All is computed in float32
    at least, also under autocast, and comes out so: half precision would mistake the nearest.

    Attributes:
        num_codes: K.
        dim: E.
    """

    kind: ClassVar[str]
    whitened: ClassVar[bool] = False
    """Whether it uses all codes only where vectors spread over all directions alike, as
    :class:`~discretevae.latents.quantisers.Whitening` gives them."""
    of_training: ClassVar[tuple[str, ...]] = ()
    """What of its state only training needs."""
    num_codes: int
    dim: int

    @abstractmethod
    def forward(self, z: Float[Tensor, "*B E"]) -> Quantisation:
        """Quantises vectors with a gradient, and says what that costs."""

    @abstractmethod
    def nearest(self, z: Float[Tensor, "*B E"]) -> Int64[Tensor, "*B"]:
        """Gives the code of each vector."""

    @abstractmethod
    def lookup(self, codes: Int[Tensor, "*B"]) -> Float[Tensor, "*B E"]:
        """Gives the vector of each code.

        Raises:
            ValueError: If a code lies outside [0, K).
        """

    def weigh(self, nats: float) -> None:
        """Suits what its codes' entropy weighs to data of at most so many nats a code."""
        return

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Describes in plain types all that rebuilds the quantiser around its weights."""


def widened(z: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Gives numbers in float32 at least.

    Example:
        >>> widened(torch.ones(1, dtype=torch.bfloat16)).dtype
        torch.float32
    """
    return z.to(torch.promote_types(z.dtype, torch.float32))


def require_codes(codes: Int[Tensor, "..."], num_codes: int) -> None:
    """Refuses codes outside [0, K); in a captured graph nothing is looked at.

    Raises:
        ValueError: Naming the first such code.

    Example:
        >>> require_codes(torch.tensor([0, 8, 3]), num_codes=8)
        Traceback (most recent call last):
        ValueError: `codes` must lie in [0, 8), got 8.
    """
    if torch.compiler.is_compiling():
        return
    outside = codes[(codes < 0) | (codes >= num_codes)]
    if outside.numel():
        raise ValueError(f"`codes` must lie in [0, {num_codes}), got {int(outside[0])}.")
