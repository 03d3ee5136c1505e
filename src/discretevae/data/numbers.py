"""Numbers as people write them: decimal commas, thousands, currencies, percent and units."""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

__all__ = ["COMMA", "POINT", "NumberStyle", "find_style", "is_number"]

CURRENCIES = (
    *("USD", "EUR", "GBP", "CHF", "JPY", "CNY", "INR", "CAD", "AUD", "NZD", "BRL", "MXN", "PLN"),
    *("SEK", "NOK", "DKK", "CZK", "HUF", "RUB", "TRY", "ZAR", "KRW", "SGD", "HKD", "ILS", "AED"),
    *("Rs", "Rs.", "kr", "kr.", "zł", "Kč", "Ft", "lei", "Fr", "Fr.", "S/", "RM", "Rp"),
)
"""What may stand before a number, beside signs of currency."""
UNIT = 12
"""Letters that what stands after each number has at most: %, kg, €, km/h."""
MULTIPLES = {
    **dict.fromkeys(("k", "K"), 1e3),
    **dict.fromkeys(("m", "M", "mn", "Mio", "Mio."), 1e6),
    **dict.fromkeys(("b", "B", "bn", "Bn", "Mrd", "Mrd."), 1e9),
}
"""What may stand after some numbers of a column → what it stands for."""
ALSO_UNITS = {"m", "b", "B"}
"""Those that are no multiple where they stand alone: metres, bytes."""
MULTIPLE = re.compile(r"(?<=[\d.,])\s?(k|K|[mM]n?|Mio\.?|[bB]n?|Mrd\.?)$")
FIRST = 50
"""Texts by which a style is dismissed."""
MINUS = str.maketrans({"\u2212": "-", "\u2013": "-"})
SEPARATORS = " '\u2019\u00a0\u202f\u2009"


def _grouped(sign: str, least: int) -> re.Pattern[str]:
    mark = re.escape(sign)
    return re.compile(rf"[+-]?\d{{1,3}}(?:{mark}\d{{{least},3}})*{mark}\d{{3}}(?!\d)")


GROUPS = {",": _grouped(",", 2), **{sign: _grouped(sign, 3) for sign in f".{SEPARATORS}"}}
"""Sign between groups of digits → a whole number with it; with commas also as India counts."""
WORD = re.compile(r"[^\W\d_]{3,}$")
AROUND = re.compile(
    r"[(+-]*(?P<before>[^\d+(-]*?)[+-]?[.,]?\d(?:.*\d)?[.,]?(?P<after>\D*)", re.DOTALL
)


@dataclass(frozen=True)
class NumberStyle:
    """How the numbers of a column are written.

    Arguments:
        decimal: The decimal sign.
        thousands: What stands between groups of three digits, if anything.
        before: What stands before each number: a sign of currency.
        after: What stands after it: percent, a unit.
        negative: "()" where numbers below zero stand in parentheses, "-" where their sign comes
            last, as bookkeepers write them.
        multiples: Whether some are in thousands, millions or more: 1.2K, 3M, 4.5bn.

    Example:
        >>> NumberStyle(thousands=",", before="$").number("$1,234.50")
        1234.5
        >>> NumberStyle(decimal=",").text(0.5)
        '0,5'
        >>> NumberStyle(negative="()", before="$").number("($5.20)")
        -5.2
        >>> [NumberStyle(multiples=True).number(text) for text in ("1.2K", "4.5bn", "950")]
        [1200.0, 4500000000.0, 950.0]
    """

    decimal: str = "."
    thousands: str = ""
    before: str = ""
    after: str = ""
    negative: str = ""
    multiples: bool = False

    def number(self, cell: Any) -> float | None:
        """Reads a cell, if it is a number in this style; one that is typed is in any."""
        if isinstance(cell, str):
            return self._parsed(cell.strip())
        if isinstance(cell, (bool, int, float, Decimal)):
            return float(cell)
        return None

    def text(self, value: float) -> str:
        """Writes a number; with as few digits as tell it from others in float32."""
        size = abs(float(value))
        digits = str(int(size)) if size.is_integer() else repr(size)
        text = f"{self.before}{digits.replace('.', self.decimal)}{self.after}"
        if math.copysign(1, value) > 0 or value == 0:
            return text
        return {"()": f"({text})", "-": f"{text}-"}.get(self.negative, f"-{text}")

    @property
    def is_plain(self) -> bool:
        """Whether numbers are written as programs write them."""
        signs = self.thousands or self.before or self.after or self.negative or self.multiples
        return self.decimal == "." and not signs

    def config(self) -> dict[str, Any]:
        """Describes what differs from plain numbers.

        Example:
            >>> NumberStyle(decimal=",").config()
            {'decimal': ','}
        """
        return {k: v for k, v in vars(self).items() if v != vars(POINT)[k]}

    def _parsed(self, text: str) -> float | None:
        if self.is_plain and (number := _plain(text)) is not None:
            return number
        text, sign = text.translate(MINUS), 1.0
        if self.multiples and (found := MULTIPLE.search(text)):
            text, sign = text[: found.start()], MULTIPLES[found[1]]
        if self.negative == "()" and text.startswith("(") and text.endswith(")"):
            text, sign = text[1:-1], -sign
        elif self.negative == "-" and text.endswith("-") and not text.startswith("-"):
            text, sign = text[:-1], -sign
        if self.before:
            text = text.replace(self.before.strip(), "", 1)
        if self.after:
            text = _without(text, self.after.strip())
        text = text.strip()
        if text[:1] in ("+", "-"):
            text = text[:1] + text[1:].lstrip()
        if self.thousands and (found := GROUPS[self.thousands].match(text)):
            text = found[0].replace(self.thousands, "") + text[found.end() :]
        if self.decimal != ".":
            if "." in text:
                return None
            text = text.replace(self.decimal, ".", 1)
        number = _plain(text)
        return None if number is None else sign * number


def _without(text: str, unit: str) -> str:
    """A text without the unit after it: of years also year, and of Jahr also Jahre."""
    if (found := WORD.search(text)) and unit.isalpha() and found[0] != unit:
        short, long = sorted((found[0], unit), key=len)
        if long.startswith(short) and len(long) <= len(short) + 2:
            return text[: found.start()]
    return text.removesuffix(unit)


def _plain(text: str) -> float | None:
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
        >>> [find_style(texts).config() for texts in (["1,234", "7,000,000"], ["1,5", "22,25"])]
        [{'thousands': ','}, {'decimal': ','}]
        >>> find_style(["red", "1"]) is None
        True
    """
    texts = [text.strip() for text in texts]
    if not texts:
        return None
    best, found = share, None
    multiples = _has_multiples(texts)
    around = _around([MULTIPLE.sub("", text) for text in texts] if multiples else texts)
    for style in _styles(decimal, *around, _negative(texts)):
        style = replace(style, multiples=multiples)
        if found is not None and best == 1:
            break
        if _share(style, texts[:FIRST]) < share / 2:
            continue
        read = _share(style, texts)
        if read >= best and (found is None or read > best):
            best, found = read, style
    return found


def _share(style: NumberStyle, texts: Sequence[str]) -> float:
    return sum(style.number(text) is not None for text in texts) / len(texts)


def _styles(decimal: str | None, before: str, after: str, negative: str) -> Iterable[NumberStyle]:
    point = [(".", sign) for sign in ("", ",", *SEPARATORS)]
    comma = [(",", sign) for sign in ("", ".", *SEPARATORS)]
    around = [("", ""), (before, after)] if before or after else [("", "")]
    for below in ("", negative) if negative else ("",):
        for signs in around:
            for style in [*comma, *point] if decimal == "," else [*point, *comma]:
                yield NumberStyle(*style, *signs, below)


def _around(texts: Sequence[str]) -> tuple[str, str]:
    """What stands before and after the digits of most texts, if it is a currency and a unit."""
    before: Counter[str] = Counter()
    after: Counter[str] = Counter()
    for text in texts:
        if found := AROUND.fullmatch(text.translate(MINUS).strip("()")):
            before[found["before"]] += 1
            after[found["after"].rstrip("-")] += 1
    first, last = (_most(counts, len(texts)) for counts in (before, after))
    return first if _is_currency(first) else "", last if len(last) <= UNIT else ""


def _most(counts: Counter[str], total: int) -> str:
    found = [text for text, count in counts.most_common(1) if count > total / 2]
    return found[0] if found else ""


def _has_multiples(texts: Sequence[str]) -> bool:
    """Whether numbers are in several multiples: 950, 1.2K, 3M; one that all have is a unit."""
    found = {match[1] for text in texts if (match := MULTIPLE.search(text))}
    plain = any(text[-1:].isdigit() for text in texts)
    several = len({MULTIPLES[mark] for mark in found}) > 1
    return several or (plain and bool(found - ALSO_UNITS))


def _is_currency(text: str) -> bool:
    return any(unicodedata.category(c) == "Sc" for c in text) or text.strip() in CURRENCIES


def _negative(texts: Sequence[str]) -> str:
    """How numbers below zero are marked, where some are so and others are not."""
    for mark in ("()", "-"):
        marked = [t.endswith(mark[-1]) and (mark == "-" or t.startswith("(")) for t in texts]
        if any(marked) and not all(marked):
            return mark
    return ""


def is_number(text: str) -> bool:
    """Tells whether a text is a plain number."""
    value = POINT.number(text)
    return value is not None and not math.isnan(value)
