"""Numbers are what they are, however they are written."""

from decimal import Decimal

import numpy as np
import pytest

from discretevae.data.missing import Marks
from discretevae.data.numbers import NumberStyle, find_style

VALUES = np.random.default_rng(0).normal(0, 10**5, 300).round(3).tolist()
POINT_AND_COMMA = str.maketrans(",.", ".,")
WAYS = {
    "plain": lambda v: f"{v:.3f}",
    "thousands, three decimals": lambda v: f"{v:,.3f}",
    "Europe": lambda v: f"{v:,.3f}".translate(POINT_AND_COMMA),
    "Switzerland": lambda v: f"{v:,.3f}".replace(",", "’"),
    "a currency": lambda v: f"{'-' * (v < 0)}${abs(v):,.3f}",
    "a name of a currency": lambda v: f"CHF {v:.3f}",
    "bookkeeping": lambda v: f"({-v:,.3f})" if v < 0 else f"{v:,.3f}",
    "bookkeeping with a currency": lambda v: f"(€{-v:,.3f})" if v < 0 else f"€{v:,.3f}",
    "the sign last": lambda v: f"{abs(v):,.3f}{'-' * (v < 0)}".translate(POINT_AND_COMMA),
    "a true minus": lambda v: f"{v:.3f}".replace("-", "−"),
    "percent": lambda v: f"{v:.3f} %",
    "a unit": lambda v: f"{v:,.3f} km/h",
}


@pytest.mark.parametrize("way", WAYS)
def test_numbers_are_what_they_were_before_they_were_written(way: str) -> None:
    texts = [WAYS[way](value) for value in VALUES]
    style = find_style(texts)
    assert style is not None
    assert [style.number(text) for text in texts] == VALUES
    again = [style.number(style.text(value)) for value in VALUES]
    assert again == VALUES


def test_digits_are_grouped_as_in_india() -> None:
    texts = ["12,34,567.50", "1,23,456.00", "99,999.25", "7.00"]
    style = find_style(texts)
    assert style is not None
    assert [style.number(text) for text in texts] == [
        float(Decimal(text.replace(",", ""))) for text in texts
    ]


def test_one_year_is_as_much_a_number_as_two_years() -> None:
    style = find_style(["1 year", *(f"{n} years" for n in range(2, 11))])
    assert style == NumberStyle(after=" years")
    assert [style.number(text) for text in ("1 year", "2 years", "3 m", "4")] == [1, 2, None, 4]


OTHERS = (
    *("P0001;P0002", "1st;2nd", "12:30;14:00", "ABC 123;ABC 124", "(12);(13)", "5a;6b;7c"),
    *("2024-01-01", "10-20;20-30", "192.168.1.1;10.0.0.1", "$5-10"),
)


@pytest.mark.parametrize("texts", [texts.split(";") for texts in OTHERS])
def test_other_texts_are_no_numbers(texts: list[str]) -> None:
    assert find_style(texts) is None


def test_a_mark_is_known_with_another_decimal_sign() -> None:
    marks = Marks(["-200"])
    assert marks.is_mark(NumberStyle(decimal=",").number("-200,0"))
    assert not marks.is_mark(None)


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["1.2K", "950", "3M", "4.5bn"], [1200, 950, 3e6, 4.5e9]),
        (["$1.2M", "$3K", "$950"], [1.2e6, 3e3, 950]),
        (["-1.5k", "2M", "300"], [-1500, 2e6, 300]),
        (["1,2 Mio", "3 Mrd"], [1.2e6, 3e9]),
        (["300K", "310.5K"], [300, 310.5]),  # one that all have is a unit
        (["5 m", "3 m"], [5, 3]),
    ],
)
def test_multiples_are_what_they_stand_for(texts: list[str], numbers: list[float]) -> None:
    style = find_style(texts)
    assert style is not None
    assert [style.number(text) for text in texts] == pytest.approx(numbers, rel=1e-15)
    assert [style.number(style.text(number)) for number in numbers] == numbers


def test_metres_beside_plain_numbers_are_no_millions() -> None:
    assert find_style(["5m", "10"]) is None
