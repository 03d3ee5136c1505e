"""Dates as people write them, as days since 1970."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy.stats import chi2

from .months import ENGLISH, in_english, in_language, language_of

__all__ = [
    "EPOCH",
    "ISO",
    "PARTS",
    "DateStyle",
    "calendar_parts",
    "find_compact_style",
    "find_date_style",
    "moment_of",
]

EPOCH = datetime(1970, 1, 1)
DAY = timedelta(days=1)
EARLIEST, LATEST = ((d - EPOCH) / DAY for d in (datetime(1, 1, 2), datetime(9999, 12, 30)))
TIMES = ("", " %H:%M:%S", " %H:%M", "T%H:%M:%S", "T%H:%M", " %I:%M %p", " %I:%M:%S %p")
DAYS = (
    *("%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y.%m.%d"),
    *("%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%d/%m/%y", "%m/%d/%y"),
    *("%d.%m.%y", "%d-%b-%y", "%d/%b/%Y", "%b %d %Y", "%B %d %Y"),
    *("%d. %B %Y", "%d. %b %Y", "%d de %B de %Y", "%d de %b de %Y", "%d. %B %y", "%d. %b %y"),
)
MONTHS = (
    *(
        "%Y-%m",
        "%Y/%m",
        "%m/%Y",
        "%m-%Y",
        "%m.%Y",
        "%b-%y",
        "%b %y",
        "%b-%Y",
        "%b %Y",
        "%B %Y",
        "%B de %Y",
    ),
    *("%YQ%q", "%Y-Q%q", "%Y Q%q", "Q%q %Y", "Q%q-%Y", "%YM%m"),
)
STAMPS = (
    *("%a %b %d %H:%M:%S %z %Y", "%a %b %d %H:%M:%S %Y", "%a, %d %b %Y %H:%M:%S %z"),
    *("%a, %d %b %Y %H:%M:%S GMT", "%d/%b/%Y:%H:%M:%S %z"),
)
"""Moments as mail, servers and programs write them."""
COMPACT = "%Y%m%d"
SURE = 10
"""Different whole numbers that must all be days, such as 20240131, to be taken for such."""
LOOKS = {
    "%Y": r"\d{4}",
    "%q": "[1-4]",
    "%z": r"(?:[+-]\d\d:?\d\d|Z)",
    **dict.fromkeys(("%m", "%d", "%H", "%I", "%M", "%S", "%y"), r"\d\d?"),
    **dict.fromkeys(("%a", "%b", "%B", "%p"), r"[^\W\d_]+"),
}
FRACTION = re.compile(r"(:\d\d)[.,]\d+")
QUARTER = re.compile(r"Q([1-4])")
EVEN = 1e-3
"""The chance below which a part of the calendar is not spread evenly by accident."""


@dataclass(frozen=True)
class DateStyle:
    """How the dates of a column are written: "iso", or a pattern of `strptime`.

    Arguments:
        pattern: "iso", or one of `strptime`.
        language: Of the names of months.

    After "iso" stand what is between day and time, T or a blank, and Z where zones are named;
    moments with a zone are written in UTC. In a pattern, %q is the quarter.

    Example:
        >>> DateStyle("%d.%m.%Y").days("02.01.1970"), DateStyle("iso").text(1.5)
        (1.0, '1970-01-02T12:00:00')
        >>> DateStyle("iso Z").text(1.0), DateStyle("Q%q %Y").text(100.0)
        ('1970-01-02 00:00:00+00:00', 'Q2 1970')
        >>> DateStyle("%d. %B %Y", "de").text(60.0)
        '02. März 1970'
    """

    pattern: str = "iso"
    language: str = ENGLISH

    def days(self, cell: Any) -> float | None:
        """Reads a cell as days since 1970, if it is a date."""
        if self.pattern == COMPACT and isinstance(cell, (int, float)):
            cell = str(int(cell)) if cell == cell and abs(cell) < 1e8 else ""
        if isinstance(cell, str):
            cell = self._parsed(cell.strip())
        if isinstance(cell, datetime):
            utc = cell.astimezone(timezone.utc).replace(tzinfo=None) if cell.tzinfo else cell
            return (utc - EPOCH) / DAY
        return float((cell - EPOCH.date()).days) if isinstance(cell, date) else None

    def text(self, days: float) -> str:
        """Writes a date, to the second."""
        moment = moment_of(days)
        if not self.is_iso:
            zoned = moment.replace(tzinfo=timezone.utc)
            quarter = str((moment.month + 2) // 3)
            text = zoned.strftime(self.pattern.replace("%q", quarter))
            return text if self.language == ENGLISH else in_language(text, self.language)
        if self.pattern == "iso" and moment.time() == EPOCH.time():
            return moment.date().isoformat()
        zone = "+00:00" if self.pattern.endswith("Z") else ""
        return moment.isoformat(" " if " " in self.pattern else "T") + zone

    @property
    def is_iso(self) -> bool:
        """Whether dates are as ISO 8601 has them."""
        return self.pattern.startswith("iso")

    def config(self) -> str | dict[str, str]:
        """Describes the style in plain types: its pattern, where months are in English."""
        return self.pattern if self.language == ENGLISH else dict(vars(self))

    @classmethod
    def from_config(cls, config: str | Mapping[str, str]) -> "DateStyle":
        """Rebuilds what `config` gave."""
        return cls(config) if isinstance(config, str) else cls(**config)

    def _parsed(self, text: str) -> datetime | None:
        if self.language != ENGLISH:
            text = in_english(text, self.language)
        try:
            if self.is_iso:
                whole = text[:-1] + "+00:00" if text.endswith("Z") else text
                return datetime.fromisoformat(whole) if len(text) > 7 else None
            if not _looks(self.pattern).fullmatch(text):  # strptime is slow to say no
                return None
            if "%q" in self.pattern:
                pattern, text = self.pattern.replace("Q%q", "%m"), QUARTER.sub(_first_month, text)
                return datetime.strptime(text, pattern)
            return datetime.strptime(FRACTION.sub(r"\1", text), self.pattern)
        except ValueError:
            return None

    def as_written(self, texts: Sequence[str]) -> "DateStyle":
        """Adds what stands between day and time, and whether zones are named, where it is iso."""
        timed = [text for text in texts if len(text) > 10]
        if not self.is_iso or not timed:
            return self
        zoned = any(t[-1] == "Z" or "+" in t[10:] or "-" in t[10:] for t in timed)
        return DateStyle(f"iso{' ' if timed[0][10] == ' ' else 'T'}{'Z' * zoned}")


def moment_of(days: float) -> datetime:
    """Gives the moment so many days after 1970 began, to the second, within what has a date.

    Example:
        >>> moment_of(0.5), moment_of(1e9).year
        (datetime.datetime(1970, 1, 1, 12, 0), 9999)
    """
    return EPOCH + timedelta(seconds=round(min(max(days, EARLIEST), LATEST) * 86400))


@cache
def _looks(pattern: str) -> re.Pattern[str]:
    """About what a text in a pattern of `strptime` looks like."""
    parts = re.split(r"(%.)", pattern)
    found = "".join(LOOKS.get(part, re.escape(part)) for part in parts)
    return re.compile(rf"{found}(?:(?<=:\d\d)[.,]\d+)?", re.IGNORECASE)


def _first_month(quarter: re.Match[str]) -> str:
    return f"{3 * int(quarter[1]) - 2:02}"


ISO = DateStyle()
"""As ISO 8601 has them."""


def find_date_style(cells: Sequence[Any], share: float = 0.9) -> DateStyle | None:
    """Finds how at least a share of different cells are written, if they are dates.

    Where day and month cannot be told apart the day comes first.

    Example:
        >>> find_date_style(["01/31/2020", "02/01/2020"])
        DateStyle(pattern='%m/%d/%Y', language='en')
        >>> find_date_style(["1. Mai 2024", "3. März 2024"])
        DateStyle(pattern='%d. %B %Y', language='de')
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
    for pattern in ("iso", *(day + time for day in DAYS for time in TIMES), *MONTHS, *STAMPS):
        style = DateStyle(pattern)
        if style.days(texts[0]) is None and style.days(texts[-1]) is None:
            continue
        if sum(style.days(text) is not None for text in texts) >= share * len(texts):
            return style.as_written([text for text in texts if style.days(text) is not None])
    if (language := language_of(texts, share)) is None:
        return None
    found = find_date_style([in_english(text, language) for text in texts], share)
    return None if found is None else replace(found, language=language)


def find_compact_style(cells: Sequence[Any], least: int = SURE) -> DateStyle | None:
    """Finds whether whole numbers are days, such as 20240131: all are, and at least so many.

    Example:
        >>> find_compact_style([20240131, "20240201"], least=2)
        DateStyle(pattern='%Y%m%d', language='en')
        >>> find_compact_style([20240131, 20240132], least=2) is None
        True
    """
    style = DateStyle(COMPACT)
    if any(isinstance(cell, date) or style.days(cell) is None for cell in cells[:2]):
        return None
    texts = [str(int(c)) if isinstance(c, float) and c == c // 1 else str(c).strip() for c in cells]
    days = [style.days(text) if len(text) == 8 and _is_plain(text) else None for text in texts]
    known = [day for day in days if day is not None and abs(day) < 200 * 365.25]
    return style if least <= len(known) == len(texts) else None


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
