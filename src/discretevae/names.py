"""Names become objects through tables; numbers are refused where they are out of range."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, fields
from difflib import get_close_matches
from importlib import import_module
from typing import Any, TypeVar

__all__ = [
    "UnknownNameError",
    "named",
    "names_of",
    "one_of",
    "require_count",
    "require_names",
    "require_seed",
    "resolve",
    "shorten",
]

T = TypeVar("T")

MOST = 2**31 - 1
"""No dimension of a tensor is larger in earnest."""

LETTERS = 200
"""Of a value that an error repeats."""


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
    near = get_close_matches(value[:LETTERS], table, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    got = shorten(repr(value))
    raise UnknownNameError(f"`{argument}` must be one of {', '.join(table)}, got {got}{hint}.")


def shorten(text: str, most: int = LETTERS) -> str:
    """Leaves the middle out of a long text.

    Example:
        >>> shorten("abcdefghij", most=7)
        'abc … hij'
    """
    half = most // 2
    return text if len(text) <= most else f"{text[:half]} … {text[len(text) - half :]}"


def named(default: str | None, *tables: str, names: Iterable[str]) -> Any:
    """Makes the field of a dataclass whose value is a name in one of some tables.

    Arguments:
        default: None where it may be left out.
        tables: "module:TABLE" below `discretevae`, looked up only when a value is checked, so that
            the dataclass itself loads nothing.
        names: Those of the tables, for a help that loads nothing either.
    """
    return field(default=default, metadata={"tables": tables, "names": tuple(names)})


def one_of(default: str | None, *names: str) -> Any:
    """Makes the field of a dataclass whose value is one of these names, checked where it is used.

    Arguments:
        default: None where it may be left out.
        names: For the help.
    """
    return field(default=default, metadata={"names": names})


def require_names(options: Any) -> None:
    """Refuses names that are not in the tables of their fields.

    Raises:
        UnknownNameError: Naming the field, the nearest known name and all of them.
    """
    for one in fields(options):
        value = getattr(options, one.name)
        if value is not None and (tables := one.metadata.get("tables")):
            resolve(one.name, value, dict.fromkeys(names_of(*tables)))


def names_of(*tables: str) -> Iterator[str]:
    """Looks up the names in some tables, given as "module:TABLE"."""
    for table in tables:
        module, name = table.split(":")
        yield from getattr(import_module(f"discretevae.{module}"), name)


def require_count(argument: str, value: int, least: int = 1, why: str = "") -> None:
    """Refuses a number of things below `least`, or beyond what a tensor can hold.

    Raises:
        ValueError: Naming the argument.

    Example:
        >>> require_count("samples", 0)
        Traceback (most recent call last):
        ValueError: `samples` must be at least 1, got 0.
    """
    if not value >= least:
        raise ValueError(f"`{argument}` must be at least {least}{why}, got {value}.")
    if value > MOST:
        raise ValueError(f"`{argument}` must be at most {MOST}, got {value}.")


def require_seed(seed: int) -> None:
    """Refuses what no generator takes.

    Raises:
        ValueError: If it is below 0 or not below 2^63.

    Example:
        >>> require_seed(-1)
        Traceback (most recent call last):
        ValueError: `seed` must be at least 0, got -1.
    """
    if seed < 0:
        raise ValueError(f"`seed` must be at least 0, got {seed}.")
    if seed >= 2**63:
        raise ValueError(f"`seed` must be less than 2^63, got {seed}.")
