"""Names become objects through tables; an unknown name gets the nearest known one."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TypeVar

__all__ = ["UnknownNameError", "resolve"]

T = TypeVar("T")


class UnknownNameError(ValueError):
    """Raised where a name is not in its table."""


def resolve(argument: str, value: str | T, table: Mapping[str, T]) -> T:
    """Looks a name up in a table; an object that is no name passes through.

    Raises:
        UnknownNameError: Naming the argument, the nearest known name and all of them.

    Example:
        >>> resolve("network", "tutorail", {"tutorial": 1, "mlp": 2})
        Traceback (most recent call last):
        discretevae.names.UnknownNameError: `network` must be one of tutorial, mlp, got \
'tutorail' (did you mean 'tutorial'?).
    """
    if not isinstance(value, str):
        return value
    if value in table:
        return table[value]
    near = get_close_matches(value, table, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise UnknownNameError(f"`{argument}` must be one of {', '.join(table)}, got {value!r}{hint}.")
