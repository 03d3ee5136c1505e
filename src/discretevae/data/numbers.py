"""Numbers as people write them: decimal commas, thousands, signs of currency and percent."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

__all__ = ["COMMA", "POINT", "NumberStyle", "find_style"]

SIGNS = "$€£¥%"
GROUPED = re.compile(r"[+-]?\d{1,3}(?:[ .,'\u00a0\u202f]\d{3})+(?![\d])")


@dataclass(frozen=True)
class NumberStyle:
    """How the numbers of a column are written.

    Arguments:
        decimal: The decimal sign.
        thousands: What stands between groups of three digits, if anything.
        before: A sign before each number, as of a currency.
        after: One after it, as of percent.

    Example:
        >>> NumberStyle(thousands=",", before="$").number("$1,234.50")
        1234.5
        >>> NumberStyle(decimal=",").text(0.5)
        '0,5'
    """

    decimal: str = "."
    thousands: str = ""
    before: str = ""
    after: str = ""

    def number(self, cell: Any) -> float | None:
        """Reads a cell, if it is a number in this style; one that is typed is in any."""
        if isinstance(cell, str):
            return self._parsed(cell.strip())
        if isinstance(cell, (bool, int, float, Decimal)):
            return float(cell)
        return None

    def text(self, value: float) -> str:
        """Writes a number; with as few digits as tell it from others in float32."""
        digits = str(int(value)) if float(value).is_integer() else repr(float(value))
        return f"{self.before}{digits.replace('.', self.decimal)}{self.after}"

    def config(self) -> dict[str, str]:
        """Describes what differs from plain numbers.

        Example:
            >>> NumberStyle(decimal=",").config()
            {'decimal': ','}
        """
        return {k: v for k, v in vars(self).items() if v != vars(POINT)[k]}

    def _parsed(self, text: str) -> float | None:
        if self.before:
            text = text.replace(self.before, "", 1)
        if self.after:
            text = text.removesuffix(self.after)
        text = text.strip()
        if self.thousands and (found := GROUPED.match(text)) and self.thousands in found[0]:
            whole, rest = found[0], text[found.end() :]
            text = re.sub(r"[^\d+-]", "", whole) + rest
        if self.decimal != ".":
            if "." in text:
                return None
            text = text.replace(self.decimal, ".", 1)
        try:
            return None if "_" in text else float(text)
        except ValueError:
            return None


POINT = NumberStyle()
COMMA = NumberStyle(decimal=",")


def find_style(
    texts: Iterable[str], decimal: str | None = None, share: float = 0.9
) -> NumberStyle | None:
    """Finds the style in which at least a share of the texts are numbers.

    Arguments:
        texts: Different cells that are there.
        decimal: The sign of the whole file, which is tried first; by default the point.
        share: Of the texts.

    Example:
        >>> find_style(["1,234", "7,000,000"]), find_style(["1,5", "22,25"])
        (NumberStyle(decimal='.', thousands=',', before='', after=''), \
NumberStyle(decimal=',', thousands='', before='', after=''))
        >>> find_style(["red", "1"]) is None
        True
    """
    texts = [text.strip() for text in texts]
    if not texts:
        return None
    before, after = _sign(text[:1] for text in texts), _sign(text[-1:] for text in texts)
    best, found = share, None
    for style in _styles(decimal, before, after):
        read = sum(style.number(text) is not None for text in texts) / len(texts)
        if read >= best and (found is None or read > best):
            best, found = read, style
    return found


def _styles(decimal: str | None, before: str, after: str) -> Iterable[NumberStyle]:
    point = [(".", ""), (".", ","), (".", " "), (".", "'"), (".", "\u00a0"), (".", "\u202f")]
    comma = [(",", ""), (",", "."), (",", " "), (",", "\u00a0"), (",", "\u202f")]
    for signs in [("", "")] + ([(before, after)] if before or after else []):
        for style in [*comma, *point] if decimal == "," else [*point, *comma]:
            yield NumberStyle(*style, *signs)


def _sign(marks: Iterable[str]) -> str:
    """The sign that most texts have there, if it is one of currency or percent."""
    counts: dict[str, int] = {}
    total = 0
    for mark in marks:
        total += 1
        counts[mark] = counts.get(mark, 0) + (mark in SIGNS and mark != "")
    most = max(counts, key=counts.__getitem__, default="")
    return most if counts and counts[most] > total / 2 else ""


def is_number(text: str) -> bool:
    """Tells whether a text is a plain number."""
    value = POINT.number(text)
    return value is not None and not math.isnan(value)
