"""Dates are read as pandas reads them, and written as they came."""

import numpy as np
import pandas
import pytest

from discretevae.data.dates import DateStyle, find_compact_style, find_date_style

MOMENTS = pandas.Timestamp("2001-03-04 05:06:07") + pandas.to_timedelta(
    np.random.default_rng(0).integers(0, 7 * 10**8, 200), "s"
)
PATTERNS = (
    *("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%d.%m.%Y", "%m/%d/%Y %H:%M"),
    *("%b-%y", "%B %Y", "%m/%Y", "%d/%b/%Y:%H:%M:%S +0000", "%a, %d %b %Y %H:%M:%S GMT"),
    *("%a %b %d %H:%M:%S +0000 %Y", "%Y-%m-%d %H:%M:%S+00:00", "%Y-%m-%dT%H:%M:%S+00:00"),
)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_days_are_those_of_pandas_and_come_back(pattern: str) -> None:
    texts = list(MOMENTS.strftime(pattern))
    style = find_date_style(texts)
    assert style is not None
    known = pandas.to_datetime(texts, format=pattern, utc=True).tz_localize(None)
    days = [style.days(text) for text in texts]
    expected = (known - pandas.Timestamp(0)) / pandas.Timedelta(days=1)
    np.testing.assert_allclose(days, expected, rtol=0, atol=1e-9)
    assert [style.text(day) for day in days if day is not None] == texts


def test_quarters_are_those_of_pandas_and_come_back() -> None:
    texts = [str(period) for period in MOMENTS.to_period("Q")]
    style = find_date_style(texts)
    assert style == DateStyle("%YQ%q")
    days = [style.days(text) for text in texts]
    starts = MOMENTS.to_period("Q").start_time
    expected = (starts - pandas.Timestamp(0)) / pandas.Timedelta(days=1)
    np.testing.assert_allclose(days, expected, rtol=0, atol=1e-9)
    assert [style.text(day) for day in days if day is not None] == texts


def test_a_moment_with_a_zone_is_written_as_the_same_moment() -> None:
    texts = [f"2024-03-{day:02} 23:30:00+02:00" for day in range(1, 29)]
    style = find_date_style(texts)
    assert style == DateStyle("iso Z")
    days = style.days(texts[0])
    assert days is not None
    assert style.text(days) == "2024-03-01 21:30:00+00:00"


def test_whole_numbers_are_days_where_all_are_and_no_other() -> None:
    days = MOMENTS.strftime("%Y%m%d").astype(int).tolist()
    assert find_compact_style(days) == DateStyle("%Y%m%d")
    assert find_compact_style([*days, 20241301]) is None
    # Of ten random numbers of eight digits less than one in 10¹⁵ are all days of 1770 … 2170.
    assert find_compact_style(np.random.default_rng(0).integers(10**7, 10**8, 200).tolist()) is None


def test_what_lies_beyond_the_calendar_is_its_last_day() -> None:
    assert DateStyle().text(1e12) == "9999-12-30"
    assert DateStyle().text(-1e12) == "0001-01-02"
