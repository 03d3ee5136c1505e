"""The space of codes: one-hot vectors, class indices, and all K^D codes in order."""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = [
    "DEFAULT_BUDGET",
    "EnumerationError",
    "code_chunks",
    "enumerate_codes",
    "num_codes",
    "require_enumerable",
    "to_codes",
    "to_one_hot",
]

DEFAULT_BUDGET = 2**16
"""The most codes that are enumerated unless a caller says otherwise."""


class EnumerationError(ValueError):
    """Raised where K^D codes exceed the budget of an enumeration."""


def num_codes(num_latents: int, num_categories: int) -> int:
    """Counts the codes, K^D, as an exact integer.

    Example:
        >>> num_codes(4, 8)
        4096
    """
    if num_latents < 1 or num_categories < 2:
        raise ValueError(
            "`num_latents` must be at least 1 and `num_categories` at least 2, "
            f"got {num_latents} and {num_categories}."
        )
    return num_categories**num_latents


def require_enumerable(num_latents: int, num_categories: int, budget: int = DEFAULT_BUDGET) -> int:
    """Returns K^D, or refuses before anything is allocated.

    Raises:
        EnumerationError: If K^D is larger than `budget`; the message names both numbers.
    """
    size = num_codes(num_latents, num_categories)
    if size > budget:
        raise EnumerationError(
            f"`budget` must be at least K^D = {num_categories}^{num_latents} = {size:.4g} codes "
            f"to enumerate them, got {budget}."
        )
    return size


def enumerate_codes(
    num_latents: int,
    num_categories: int,
    start: int = 0,
    stop: int | None = None,
    device: torch.device | str | None = None,
) -> Int[Tensor, "S D"]:
    """Lists the codes numbered `start` to `stop` − 1, the last latent turning fastest.

    Example:
        >>> enumerate_codes(2, 3, stop=4).tolist()
        [[0, 0], [0, 1], [0, 2], [1, 0]]
    """
    stop = num_codes(num_latents, num_categories) if stop is None else stop
    number = torch.arange(start, stop, device=device)
    place = num_categories ** torch.arange(num_latents - 1, -1, -1, device=device)
    return number[:, None] // place % num_categories


def code_chunks(
    num_latents: int,
    num_categories: int,
    chunk: int,
    budget: int = DEFAULT_BUDGET,
    device: torch.device | str | None = None,
) -> Iterator[Int[Tensor, "_ D"]]:
    """Yields all K^D codes, at most `chunk` at a time.

    Raises:
        EnumerationError: If K^D is larger than `budget`.

    Example:
        >>> [len(codes) for codes in code_chunks(2, 3, chunk=4)]
        [4, 4, 1]
    """
    if chunk < 1:
        raise ValueError(f"`chunk` must be at least 1, got {chunk}.")
    size = require_enumerable(num_latents, num_categories, budget)
    for start in range(0, size, chunk):
        stop = min(start + chunk, size)
        yield enumerate_codes(num_latents, num_categories, start, stop, device)


def to_one_hot(
    codes: Int[Tensor, "*B D"], num_categories: int, dtype: torch.dtype | None = None
) -> Float[Tensor, "*B D K"]:
    """Turns class indices in [0, K) into one-hot vectors.

    Raises:
        ValueError: If an index lies outside [0, K).

    Example:
        >>> to_one_hot(torch.tensor([2, 0]), 3)
        tensor([[0., 0., 1.],
                [1., 0., 0.]])
    """
    if codes.numel() and not (int(codes.min()) >= 0 and int(codes.max()) < num_categories):
        raise ValueError(
            f"`codes` must lie in [0, {num_categories}), "
            f"got values from {int(codes.min())} to {int(codes.max())}."
        )
    return torch.nn.functional.one_hot(codes.long(), num_categories).to(
        dtype or torch.get_default_dtype()
    )


def to_codes(z: Float[Tensor, "*B D K"]) -> Int[Tensor, "*B D"]:
    """Turns one-hot vectors (or probabilities) into the index of their largest entry.

    Example:
        >>> to_codes(torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]))
        tensor([2, 0])
    """
    return z.argmax(-1)
