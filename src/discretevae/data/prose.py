"""Texts that are sentences."""

from collections.abc import Sequence

__all__ = ["is_prose"]

WORDS = 4
"""Words that a sentence has on average."""


def is_prose(texts: Sequence[str]) -> bool:
    """Tells whether texts have as many words as sentences, on average.

    Example:
        >>> is_prose(["the cat sat on it", "it slept there"]), is_prose(["red wine"])
        (True, False)
    """
    return sum(len(text.split()) for text in texts) >= WORDS * len(texts) > 0
