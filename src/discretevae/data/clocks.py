"""Times of day and spans of time, as hours."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

__all__ = ["ClockStyle", "find_clock_style"]

CLOCK = re.compile(
    r"(?P<sign>-?)(?:(?P<days>\d+) days?,?\s+)?"
    r"\+?(?P<hours>\d{1,4})(?P<mark>[:.h])(?P<minutes>[0-5]\d)"
    r"(?:(?P=mark)(?P<seconds>[0-5]\d(?:[.,]\d+)?))?\s?(?P<half>[AaPp]\.?[Mm]\.?)?"
)
BARE_DAYS = re.compile(r"(-?\d+) days?")


@dataclass(frozen=True)
class ClockStyle:
    """How the times of a column are written.

    Arguments:
        mark: Between hours and minutes: a colon, a point or an h.
        seconds: Whether seconds are written.
        half: Whether the day has two halves, AM and PM.
        days: Whether whole days are counted before the hours, as pandas and Python do.

    Example:
        >>> ClockStyle().number("14:30"), ClockStyle(half=True).number("2:30 PM")
        (14.5, 14.5)
        >>> ClockStyle(days=True, seconds=True).text(26.0)
        '1 days 02:00:00'
        >>> [ClockStyle(days=True).number(text) for text in ("-1 days +23:00:00", "2 days")]
        [-1.0, 48.0]
    """

    mark: str = ":"
    seconds: bool = False
    half: bool = False
    days: bool = False

    def number(self, cell: Any) -> float | None:
        """Reads a cell as hours, if it is a time."""
        if isinstance(cell, timedelta):
            return cell / timedelta(hours=1)
        if isinstance(cell, time):
            return cell.hour + cell.minute / 60 + (cell.second + cell.microsecond / 1e6) / 3600
        return _hours(cell.strip(), self.mark) if isinstance(cell, str) else None

    def text(self, hours: float) -> str:
        """Writes a time, to the second or the minute."""
        unit = 3600 if self.seconds else 60
        total, day, sign = round(hours * unit) * (3600 // unit), "", ""
        if self.days:  # below zero as pandas has it: -1 days +23:00:00
            whole, total = divmod(total, 86400)
            day = f"{whole} days {'+' * (whole < 0)}"
        elif total < 0:
            total, sign = -total, "-"
        hour, minute, second = total // 3600, total // 60 % 60, total % 60
        late = ""
        if self.half:
            hour, late = (hour % 24 + 11) % 12 + 1, " PM" if hour % 24 >= 12 else " AM"
        tail = f"{self.mark}{second:02}" if self.seconds else ""
        return f"{sign}{day}{hour:02}{self.mark}{minute:02}{tail}{late}"

    def config(self) -> dict[str, Any]:
        """Describes the style in plain types."""
        return dict(vars(self))


def find_clock_style(cells: Sequence[Any], share: float = 0.9) -> ClockStyle | None:
    """Finds how at least a share of different cells are written, if they are times.

    Example:
        >>> find_clock_style(["08:15", "23:59"])
        ClockStyle(mark=':', seconds=False, half=False, days=False)
        >>> find_clock_style(["a", "b"]) is None
        True
    """
    texts = [cell.strip() for cell in cells if isinstance(cell, str)]
    if not texts:
        typed = [isinstance(c, (timedelta, time)) and not isinstance(c, datetime) for c in cells]
        return ClockStyle(seconds=True) if typed and all(typed) else None
    found = [match for text in texts if (match := CLOCK.fullmatch(text))]
    if not found:
        return None
    mark = found[0]["mark"]
    seconds = any(match["seconds"] for match in found)
    if mark == "." and not seconds:  # 7.30 is a number
        return None
    if sum(_hours(text, mark) is not None for text in texts) < share * len(texts):
        return None
    half, days = (any(match[part] for match in found) for part in ("half", "days"))
    return ClockStyle(mark, seconds, half, days)


def _hours(text: str, mark: str) -> float | None:
    if bare := BARE_DAYS.fullmatch(text):
        return 24.0 * int(bare[1])
    found = CLOCK.fullmatch(text)
    if found is None or found["mark"] != mark:
        return None
    hours = float(found["hours"])
    if found["half"]:
        if not 1 <= hours <= 12:
            return None
        hours = hours % 12 + 12 * (found["half"][0] in "Pp")
    seconds = float((found["seconds"] or "0").replace(",", "."))
    rest = hours + int(found["minutes"]) / 60 + seconds / 3600
    below = -1 if found["sign"] else 1
    # Of -1 days +23:00:00 only the days are below zero.
    return below * rest if found["days"] is None else below * 24.0 * int(found["days"]) + rest
