"""The space of codes: one-hot vectors, class indices, and all K^D codes in order."""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

import torch
from jaxtyping import Float, Int
from torch import Tensor

from discretevae.names import require_count

__all__ = [
    "DEFAULT_BUDGET",
    "EnumerationError",
    "code_chunks",
    "code_chunks_of",
    "codes_between",
    "counts_at_most",
    "enumerate_codes",
    "is_enumerable",
    "num_codes",
    "require_enumerable",
    "require_sizes",
    "to_codes",
    "to_one_hot",
]

DEFAULT_BUDGET = 2**16
"""The most codes that are enumerated unless a caller says otherwise."""


class EnumerationError(ValueError):
    """Raised where K^D codes exceed the budget of an enumeration."""


def require_sizes(num_latents: int, num_categories: int) -> None:
    """Refuses a D below 1 and a K below 2: they make no code.

    Raises:
        ValueError: Naming both arguments and the values received.
    """
    if num_latents < 1 or num_categories < 2:
        raise ValueError(
            "`num_latents` must be at least 1 and `num_categories` at least 2, "
            f"got {num_latents} and {num_categories}."
        )
    require_count("num_latents", num_latents)
    require_count("num_categories", num_categories)


def codes_between(code: Int[Tensor, " D"], target: Int[Tensor, " D"]) -> Int[Tensor, "N D"]:
    """Gives the way from one code to another, which changes one latent after the other.

    Both ends belong to it; the latents on which the codes agree are left out.

    Example:
        >>> codes_between(torch.tensor([1, 0, 2]), torch.tensor([1, 3, 0])).tolist()
        [[1, 0, 2], [1, 3, 2], [1, 3, 0]]
    """
    steps = [code]
    for d in (code != target).nonzero()[:, 0].tolist():
        changed = steps[-1].clone()
        changed[d] = target[d]
        steps.append(changed)
    return torch.stack(steps)


def num_codes(num_latents: int, num_categories: int) -> int:
    """Counts the codes, K^D, as an exact integer.

    Example:
        >>> num_codes(4, 8)
        4096
    """
    require_sizes(num_latents, num_categories)
    return num_categories**num_latents


def is_enumerable(num_latents: int, num_categories: int, budget: int = DEFAULT_BUDGET) -> bool:
    """Tells whether K^D is at most `budget`, without computing a huge number.

    Example:
        >>> is_enumerable(4, 16), is_enumerable(10**9, 10)
        (True, False)
    """
    require_sizes(num_latents, num_categories)
    # K^D ≥ 2^D: beyond the budget's bits there is nothing to compute.
    return num_latents <= int(budget).bit_length() and num_categories**num_latents <= budget


def require_enumerable(num_latents: int, num_categories: int, budget: int = DEFAULT_BUDGET) -> int:
    """Returns K^D, or refuses before anything is allocated.

    Raises:
        EnumerationError: If K^D is larger than `budget`; the message names both numbers.
    """
    if not is_enumerable(num_latents, num_categories, budget):
        raise EnumerationError(
            f"`budget` must be at least K^D = {num_categories}^{num_latents} = "
            f"{_in_words(num_latents, num_categories)} codes to enumerate them, got {budget}."
        )
    return num_categories**num_latents


def _in_words(num_latents: int, num_categories: int) -> str:
    magnitude = num_latents * math.log10(num_categories)
    if magnitude < 6:
        return str(num_categories**num_latents)
    return f"{10 ** (magnitude % 1):.3g}e+{int(magnitude)}"


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
    if num_latents:  # without a latent there is one code, of no classes
        require_sizes(num_latents, num_categories)
    stop = num_categories**num_latents if stop is None else stop
    if not 0 <= start <= stop:
        raise ValueError(f"`stop` must be at least `start`, and that 0, got {stop} and {start}.")
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


def counts_at_most(classes: Sequence[int], budget: int) -> bool:
    """Tells whether the product of numbers of classes is at most `budget`.

    Example:
        >>> counts_at_most([3, 2, 2], 12), counts_at_most([10] * 10**6, 2**16)
        (True, False)
    """
    count = 1
    for k in classes:
        count *= k
        if count > budget:
            return False
    return True


def code_chunks_of(
    classes: Sequence[int],
    chunk: int,
    budget: int = DEFAULT_BUDGET,
    device: torch.device | str | None = None,
) -> Iterator[Int[Tensor, "_ D"]]:
    """Yields all codes whose numbers have so many classes each, the last turning fastest.

    Raises:
        EnumerationError: If there are more than `budget`.

    Example:
        >>> [codes.tolist() for codes in code_chunks_of([2, 3], chunk=4)]
        [[[0, 0], [0, 1], [0, 2], [1, 0]], [[1, 1], [1, 2]]]
    """
    if not counts_at_most(classes, budget):
        groups = ((k, len(list(same))) for k, same in groupby(classes))
        product = " · ".join(f"{k}^{d}" for k, d in groups)
        raise EnumerationError(
            f"`budget` must be at least {product} codes to enumerate them, got {budget}."
        )
    places = [math.prod(classes[i + 1 :]) for i in range(len(classes))]
    place, base = (torch.tensor(row, device=device) for row in (places, classes))
    for number in torch.arange(math.prod(classes), device=device).split(chunk):
        yield number[:, None] // place % base


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
    require_count("num_categories", num_categories)
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
