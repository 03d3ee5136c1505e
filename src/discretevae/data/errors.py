"""The one error of this package, and the help that its messages give."""

import difflib
from collections.abc import Iterable

__all__ = ["DataError", "nearest", "unknown_name"]


class DataError(ValueError):
    """Says in one line which file or argument was wrong, what was required, what was received.

    Example:
        >>> raise DataError("`limit` must be at least 1, got 0.")
        Traceback (most recent call last):
        discretevae.data.errors.DataError: `limit` must be at least 1, got 0.
    """


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns a question that names the nearest of the known names, or nothing.

    Example:
        >>> nearest("minst", ["digits", "mnist"])
        ' Did you mean mnist?'
    """
    found = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {found[0]}?" if found else ""


def unknown_name(argument: str, name: object, known: Iterable[str]) -> DataError:
    """Returns the error for a name that is in no table.

    Example:
        >>> print(unknown_name("binarize", "fersh", ["fresh", "none"]))
        `binarize` must be one of fresh, none, got 'fersh'. Did you mean fresh?
    """
    known = list(known)
    hint = nearest(str(name), known)
    return DataError(f"`{argument}` must be one of {', '.join(known)}, got {name!r}.{hint}")
