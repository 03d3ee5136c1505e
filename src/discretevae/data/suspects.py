"""Numbers that may stand for missing ones, as in surveys."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float64

from .formats.raw import Note
from .schema import listed

__all__ = ["note_of_suspects", "suspected_gaps"]

CODES = (-9, -8, -7, *(sign * number for number in (99, 999, 9999, 99999) for sign in (1, -1)))
"""Numbers by which surveys and sensors say that there is none."""
RECUR = 3
"""Times that another number must be there to be taken for such a code."""


def suspected_gaps(numbers: Float64[np.ndarray, " n"]) -> list[str]:
    """Finds numbers at either end that may stand for missing ones.

    They lie farther from all others than these span, and are usual codes or recur.

    Example:
        >>> suspected_gaps(np.array([1.0, 4.0, 5.0, 2.0, 99.0, -9.0]))
        ['-9', '99']
        >>> suspected_gaps(np.array([1.0, 4.0, 5.0, 2.0, 98.0]))
        []
    """
    values, counts = np.unique(numbers[np.isfinite(numbers)], return_counts=True)
    often = dict(zip(values.tolist(), counts.tolist(), strict=True))
    found: list[float] = []
    while len(values) > 3:
        gaps = {-1: values[-1] - values[-2], 0: values[1] - values[0]}
        end = max(gaps, key=lambda end: gaps[end])
        rest = np.delete(values, end)
        number = float(values[end])
        coded = number in CODES or (often[number] >= RECUR and number % 1 == 0)
        inner = np.delete(rest, -1 if end == 0 else 0)
        if not coded or gaps[end] <= min(np.ptp(rest), 2 * np.ptp(inner)):
            break
        found.append(number)
        values = rest
    return [f"{number:g}" for number in sorted(found)]


def note_of_suspects(columns: Iterable[tuple[str, Float64[np.ndarray, " n"]]]) -> list[Note]:
    """Names the numbers that may stand for missing ones, with the option that takes them so.

    Example:
        >>> print(*note_of_suspects([("age", np.array([30.0, 40, 35, 41, -999]))]))
        far from all others, perhaps missing: -999 in age (--na-values=age=-999)
    """
    found = [(mark, name) for name, numbers in columns for mark in suspected_gaps(numbers)]
    if not found:
        return []
    said = listed([f"{mark} in {name}" for mark, name in found], 4)
    short = len(found) <= 4 and not any(set(name) & set(" ,=\"'") for _, name in found)
    marks = [f"{name}={mark}" for mark, name in found] if short else [mark for mark, _ in found]
    option = f"--na-values={','.join(dict.fromkeys(marks))}"
    return [Note(f"far from all others, perhaps missing: {said}", option)]
