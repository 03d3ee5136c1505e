"""A model's codes, to be changed by hand: what is seen, from what, and what comes near."""

from discretevae.pages.explorer.display import Pictures, Texts, display_of
from discretevae.pages.explorer.precomputed import precompute
from discretevae.pages.explorer.subject import (
    ExplorerError,
    Neighbours,
    Subject,
    nearest_codes,
    require_explorable,
)

__all__ = [
    "ExplorerError",
    "Neighbours",
    "Pictures",
    "Subject",
    "Texts",
    "display_of",
    "nearest_codes",
    "precompute",
    "require_explorable",
]
