"""Numbers that change while training, as functions of the global step alone."""

import math
import sys
from collections.abc import Callable

__all__ = [
    "DECAYS",
    "Schedule",
    "constant",
    "cosine",
    "linear",
    "parse_schedule",
    "require_range",
    "warmed_up",
]

Schedule = Callable[[int], float]
"""Global step → value; without state, so a resumed run is where it was."""


def constant(value: float) -> Schedule:
    """Stays at `value`."""
    return lambda step: value


def linear(start: float, end: float, steps: int) -> Schedule:
    """Goes in a straight line from `start` to `end` over `steps`, then stays.

    Example:
        >>> [linear(1.0, 0.5, 10)(step) for step in (0, 5, 10, 99)]
        [1.0, 0.75, 0.5, 0.5]
    """
    return lambda step: start + (end - start) * min(1.0, step / max(1, steps))


def cosine(start: float, end: float, steps: int) -> Schedule:
    """Goes from `start` to `end` along half a cosine over `steps`, then stays.

    Reference: Loshchilov & Hutter, SGDR, 2017, eq. 5.

    Example:
        >>> [round(cosine(1.0, 0.0, 10)(step), 3) for step in (0, 5, 10)]
        [1.0, 0.5, 0.0]
    """
    return lambda step: (
        end + (start - end) * (0.5 + 0.5 * math.cos(math.pi * min(1.0, step / max(1, steps))))
    )


def warmed_up(value: float, steps: int, rising: float = 0.02, falling: float = 0.2) -> Schedule:
    """Rises in a straight line to `value`, stays, and falls in one to 0 at the end.

    Example:
        >>> [round(warmed_up(1.0, 100)(step), 2) for step in (0, 1, 50, 90)]
        [0.5, 1.0, 1.0, 0.5]
    """
    first, last = max(1, round(rising * steps)), max(1, round(falling * steps))
    return lambda step: value * min(1.0, (step + 1) / first, max(0, steps - step) / last)


def parse_schedule(argument: str, value: str | float, steps: int) -> Schedule:
    """Reads a number, "START:END" (linear over the whole run) or "START:END:STEPS".

    Raises:
        ValueError: Naming the argument and what it should look like.

    Example:
        >>> parse_schedule("beta", "0:1:100", steps=1000)(50)
        0.5
    """
    try:
        start, end, over = _parts(str(value), steps)
    except ValueError:
        raise ValueError(
            f"`{argument}` must be a number, START:END or START:END:STEPS, got {value!r}."
        ) from None
    return linear(start, end, over)


def require_range(argument: str, value: str | float, positive: bool) -> None:
    """Refuses a schedule that does not stay above zero, or leaves what is at least zero.

    Raises:
        ValueError: Naming the argument, the requirement and the value.
    """
    schedule = parse_schedule(argument, value, steps=1)
    least = min(schedule(0), schedule(sys.maxsize))
    if least < 0 or (positive and least == 0):
        wanted = "positive" if positive else "at least 0"
        raise ValueError(f"`{argument}` must be {wanted} throughout, got {value!r}.")


def _parts(text: str, steps: int) -> tuple[float, float, int]:
    start, *rest = text.split(":")
    end = rest[0] if rest else start
    over = rest[1] if len(rest) > 1 else steps
    parts = float(start), float(end), int(over)
    if len(rest) > 2 or not all(map(math.isfinite, parts)) or parts[2] < 1:
        raise ValueError(text)
    return parts


DECAYS: dict[str, Callable[[float, int], Schedule]] = {
    "constant": lambda start, steps: constant(start),
    "linear": lambda start, steps: linear(start, 0.0, steps),
    "cosine": lambda start, steps: cosine(start, 0.0, steps),
}
"""Name → how the learning rate falls, as a function of its start and the steps of the run."""
