"""Dates as people write them, as days since 1970."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy.stats import chi2

__all__ = ["EPOCH", "ISO", "PARTS", "DateStyle", "calendar_parts", "find_date_style"]

EPOCH = datetime(1970, 1, 1)
DAY = timedelta(days=1)
TIMES = ("", " %H:%M:%S", " %H:%M", "T%H:%M:%S", "T%H:%M", " %I:%M %p", " %I:%M:%S %p")
DAYS = (
    *("%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y.%m.%d"),
    *("%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%d/%m/%y", "%m/%d/%y"),
    *("%d.%m.%y", "%d-%b-%y", "%Y-%m"),
)
EVEN = 1e-3
"""The chance below which a part of the calendar is not spread evenly by accident."""


@dataclass(frozen=True)
class DateStyle:
    """How the dates of a column are written: "iso", or a pattern of `strptime`.

    Example:
        >>> DateStyle("%d.%m.%Y").days("02.01.1970"), DateStyle("iso").text(1.5)
        (1.0, '1970-01-02T12:00:00')
    """

    pattern: str = "iso"

    def days(self, cell: Any) -> float | None:
        """Reads a cell as days since 1970, if it is a date."""
        if isinstance(cell, str):
            cell = self._parsed(cell.strip())
        if isinstance(cell, datetime):
            utc = cell.astimezone(timezone.utc).replace(tzinfo=None) if cell.tzinfo else cell
            return (utc - EPOCH) / DAY
        return float((cell - EPOCH.date()).days) if isinstance(cell, date) else None

    def text(self, days: float) -> str:
        """Writes a date, to the second."""
        moment = EPOCH + timedelta(seconds=round(days * 86400))
        if self.pattern != ISO.pattern:
            return moment.strftime(self.pattern)
        return moment.isoformat() if moment.time() != EPOCH.time() else moment.date().isoformat()

    def _parsed(self, text: str) -> datetime | None:
        try:
            if self.pattern != ISO.pattern:
                return datetime.strptime(text, self.pattern)
            return datetime.fromisoformat(text.replace("Z", "+00:00")) if len(text) > 7 else None
        except ValueError:
            return None


ISO = DateStyle()
"""As ISO 8601 has them."""


def find_date_style(cells: Sequence[Any], share: float = 0.9) -> DateStyle | None:
    """Finds how at least a share of different cells are written, if they are dates.

    Where day and month cannot be told apart the day comes first.

    Example:
        >>> find_date_style(["01/31/2020", "02/01/2020"])
        DateStyle(pattern='%m/%d/%Y')
        >>> find_date_style(["P0001", "P0002"]) is None
        True
    """
    texts = [cell.strip() for cell in cells if isinstance(cell, str)]
    if not texts:
        dates = [isinstance(cell, date) for cell in cells]
        return DateStyle() if dates and all(dates) else None
    digits = [any(c.isdigit() for c in text) and not _is_plain(text) for text in texts[:100]]
    if sum(digits) < share * len(digits):
        return None
    for pattern in ("iso", *(day + time for day in DAYS for time in TIMES)):
        style = DateStyle(pattern)
        if style.days(texts[0]) is None and style.days(texts[-1]) is None:
            continue
        if sum(style.days(text) is not None for text in texts) >= share * len(texts):
            return style
    return None


def _is_plain(text: str) -> bool:
    return text.lstrip("+-").isdigit()


@dataclass(frozen=True)
class CalendarPart:
    """One part of the calendar: its values, and how to find them in days since 1970."""

    values: tuple[str, ...]
    of: Callable[[np.ndarray], np.ndarray]
    span: float
    """Days that the dates must span for it to tell anything."""


def _month(days: np.ndarray) -> np.ndarray:
    return np.floor(days).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12


PARTS: dict[str, CalendarPart] = {
    "month": CalendarPart(tuple(map(str, range(1, 13))), _month, 365),
    "weekday": CalendarPart(
        ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
        lambda days: (np.floor(days).astype(np.int64) + 3) % 7,  # 1970 began on a Thursday
        14,
    ),
    "hour": CalendarPart(
        tuple(map(str, range(24))), lambda days: np.floor(days % 1 * 24 + 1e-6).astype(int) % 24, 2
    ),
}
"""Name → a part of the calendar."""


def calendar_parts(days: Float64[np.ndarray, " n"]) -> tuple[str, ...]:
    """Names the parts of the calendar over which dates are not spread evenly.

    A part that is spread evenly, by a χ² test at 0.1 %, says nothing beside the date itself.

    Example:
        >>> days = np.arange(0.0, 700.0)
        >>> calendar_parts(days), calendar_parts(days[days % 7 < 5])
        ((), ('weekday',))
    """
    return tuple(
        name
        for name, part in PARTS.items()
        if len(days) and np.ptp(days) >= part.span and _uneven(part.of(days), len(part.values))
    )


def _uneven(values: np.ndarray, kinds: int) -> bool:
    counts = np.bincount(values, minlength=kinds)
    expected = len(values) / kinds
    if (counts > 0).sum() < 2 or expected < 5:
        return False
    distance = ((counts - expected) ** 2 / expected).sum()
    return bool(chi2.sf(distance, kinds - 1) < EVEN)
