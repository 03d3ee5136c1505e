"""Latent codes: the space of codes, the product of categoricals, random numbers."""

from discretevae.latents.codes import (
    DEFAULT_BUDGET,
    EnumerationError,
    code_chunks,
    codes_between,
    enumerate_codes,
    is_enumerable,
    num_codes,
    require_enumerable,
    require_sizes,
    to_codes,
    to_one_hot,
)

__all__ = [
    "DEFAULT_BUDGET",
    "EnumerationError",
    "code_chunks",
    "codes_between",
    "enumerate_codes",
    "is_enumerable",
    "num_codes",
    "require_enumerable",
    "require_sizes",
    "to_codes",
    "to_one_hot",
]
