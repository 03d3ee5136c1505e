"""Times are read and written as pandas reads and writes them."""

from datetime import time, timedelta

import numpy as np
import pandas
import pytest

from discretevae.data.clocks import ClockStyle, find_clock_style

SECONDS = np.random.default_rng(0).integers(-300_000, 300_000, 200)


def test_spans_are_those_of_pandas_and_come_back() -> None:
    spans = pandas.to_timedelta(SECONDS, "s")
    texts = [str(span) for span in spans]
    style = find_clock_style(texts)
    assert style == ClockStyle(seconds=True, days=True)
    hours = [style.number(text) for text in texts]
    np.testing.assert_allclose(hours, SECONDS / 3600, rtol=0, atol=1e-9)
    assert [style.text(h) for h in hours if h is not None] == texts


@pytest.mark.parametrize("pattern", ["%H:%M", "%H:%M:%S", "%I:%M %p", "%H.%M.%S"])
def test_times_of_day_are_those_of_pandas_and_come_back(pattern: str) -> None:
    moments = pandas.Timestamp("2024-01-01") + pandas.to_timedelta(SECONDS % 86400, "s")
    texts = list(moments.strftime(pattern))
    style = find_clock_style(texts)
    assert style is not None
    of_day = pandas.to_datetime(texts, format=pattern)
    expected = of_day.hour + of_day.minute / 60 + of_day.second / 3600
    hours = [style.number(text) for text in texts]
    np.testing.assert_allclose(hours, expected, rtol=0, atol=1e-9)
    assert [style.text(h) for h in hours if h is not None] == texts


def test_times_of_python_are_hours() -> None:
    style = find_clock_style([time(6, 30), timedelta(days=1)])
    assert style is not None
    assert [style.number(cell) for cell in (time(6, 30), timedelta(days=1))] == [6.5, 24.0]


@pytest.mark.parametrize("cells", [["7.30", "8.15"], ["16:9", "4:3"], ["12:75"], ["a"], [], ["1"]])
def test_other_texts_are_no_times(cells: list[str]) -> None:
    assert find_clock_style(cells) is None
