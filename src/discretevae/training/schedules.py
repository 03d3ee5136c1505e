"""Numbers that change while training, as functions of the global step alone."""

import math
from collections.abc import Callable

__all__ = ["DECAYS", "Schedule", "constant", "cosine", "linear", "parse_schedule"]

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


def parse_schedule(argument: str, value: str | float, steps: int) -> Schedule:
    """Reads a number, "START:END" (linear over the whole run) or "START:END:STEPS".

    Raises:
        ValueError: Naming the argument and what it should look like.

    Example:
        >>> parse_schedule("beta", "0:1:100", steps=1000)(50)
        0.5
    """
    try:
        parts = [float(part) for part in str(value).split(":")]
        if not all(math.isfinite(part) for part in parts):
            raise ValueError
        if len(parts) == 1:
            return constant(parts[0])
        start, end, *rest = parts
        (over,) = rest or [float(steps)]
    except ValueError:
        raise ValueError(
            f"`{argument}` must be a number, START:END or START:END:STEPS, got {value!r}."
        ) from None
    return linear(start, end, int(over))


DECAYS: dict[str, Callable[[float, int], Schedule]] = {
    "constant": lambda start, steps: constant(start),
    "linear": lambda start, steps: linear(start, 0.0, steps),
    "cosine": lambda start, steps: cosine(start, 0.0, steps),
}
"""Name → how the learning rate falls, as a function of its start and the steps of the run."""
