"""How much every command says: `--quiet` and `--verbose`, anywhere on the command line."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from discretevae.texts import LOUDNESS

__all__ = ["FLAGS", "loudness", "without_flags"]

FLAGS = {
    "--quiet": "Say nothing but results and errors.",
    "--verbose": "Say all that is measured, a line each time, and of an error where it arose.",
}


def without_flags(words: list[str]) -> tuple[str, list[str]]:
    """Parts how much is to be said from the rest of a command line.

    Raises:
        ValueError: If both are asked for.

    Example:
        >>> without_flags(["train", "--quiet", "digits"])
        ('quiet', ['train', 'digits'])
    """
    asked = [flag for flag in FLAGS if flag in words]
    if len(asked) > 1:
        raise ValueError("`--quiet` must not go with --verbose, got both.")
    level = asked[0].removeprefix("--") if asked else "normal"
    return level, [word for word in words if word not in FLAGS]


@contextmanager
def loudness(level: str) -> Iterator[None]:
    """Says as much as is asked for, while it lasts; an error passes through."""
    before = LOUDNESS.set(level)
    try:
        yield
    except BaseException:
        if level == "verbose":
            traceback.print_exc()
        raise
    finally:
        LOUDNESS.reset(before)
