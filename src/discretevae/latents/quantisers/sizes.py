"""Quantisers by name, for a size of codebook that is asked for."""

import inspect
import math

from discretevae.latents.quantisers.quantiser import Quantiser
from discretevae.latents.quantisers.table import QUANTISERS
from discretevae.names import require_count, resolve

__all__ = ["LEVELS", "quantiser_for", "size_of_group"]

LEVELS: dict[int, tuple[int, ...]] = {
    2**4: (4, 4),
    2**6: (4, 4, 4),
    2**8: (8, 6, 5),
    2**9: (8, 8, 8),
    2**10: (8, 5, 5, 5),
    2**12: (7, 5, 5, 5, 5),
    2**14: (8, 8, 8, 6, 5),
    2**16: (8, 8, 8, 5, 5, 5),
}
"""About how many codes → levels of finite scalar quantisation; from 2^8 on, but for 2^9, those of
Mentzer et al., 2023, table 1."""


def quantiser_for(name: str, num_codes: int, dim: int, groups: int = 1) -> Quantiser:
    """Makes a quantiser with so many codes, or about as many.

    One with a codebook has K = `num_codes` vectors of E/G numbers. What it has no table for
    follows from K alone: binary ones have E = log₂ K signs, a finite scalar one the levels in
    `LEVELS` whose product is nearest to K.

    Arguments:
        name: In `QUANTISERS`.
        num_codes: K ≥ 2.
        dim: E, where that is free.
        groups: G, of which each has such a quantiser.

    Raises:
        ValueError: If the name is unknown, K no size that it can have, or G does not divide E.

    Example:
        >>> quantiser_for("vq", 512, 64).num_codes, quantiser_for("fsq", 512, 64).levels
        (512, [8, 8, 8])
    """
    kind = resolve("quantiser", name, QUANTISERS)
    require_count("num_codes", num_codes, 2)
    takes = inspect.signature(kind).parameters
    if "num_codes" in takes:
        return kind(num_codes=num_codes, dim=size_of_group(dim, groups))
    if "levels" in takes:
        nearest = min(LEVELS, key=lambda size: abs(math.log(size / num_codes)))
        return kind(levels=list(LEVELS[nearest]))
    bits = num_codes.bit_length() - 1
    if 2**bits != num_codes:
        raise ValueError(f"`num_codes` must be a power of 2 for {name}, got {num_codes}.")
    return kind(dim=bits)


def size_of_group(dim: int, groups: int) -> int:
    """Gives E/G, the numbers of each of G groups.

    Raises:
        ValueError: If a size is below 1, or G does not divide E.

    Example:
        >>> size_of_group(64, 3)
        Traceback (most recent call last):
        ValueError: `groups` must divide E = 64, got 3.
    """
    require_count("dim", dim)
    require_count("groups", groups)
    if dim % groups:
        raise ValueError(f"`groups` must divide E = {dim}, got {groups}.")
    return dim // groups
