"""A model's codes, to be changed by hand: what is seen, from what, and what comes near."""

from discretevae.pages.explorer.display import Pictures, Texts, display_of
from discretevae.pages.explorer.inline import Explorer, explore
from discretevae.pages.explorer.precomputed import precompute
from discretevae.pages.explorer.subject import (
    ExplorerError,
    Neighbours,
    Subject,
    nearest_codes,
    require_explorable,
)

__all__ = [
    "Explorer",
    "ExplorerError",
    "Neighbours",
    "Pictures",
    "Subject",
    "Texts",
    "display_of",
    "explore",
    "nearest_codes",
    "precompute",
    "require_explorable",
]
