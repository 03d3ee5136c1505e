"""Numbers that may stand for missing ones, in tables and arrays."""

import numpy as np
import pytest

from discretevae.data.errors import DataError
from discretevae.data.opening import learn_schema, open_source, read_by
from discretevae.data.reading import ReadingOptions
from discretevae.data.suspects import suspected_gaps


def test_codes_of_surveys_are_suspected_and_large_numbers_are_not() -> None:
    draws = np.random.default_rng(0)
    ages = draws.integers(18, 90, 200).astype(float)
    assert suspected_gaps(np.append(ages, [999, -9])) == ["999"]  # −9 is as near as ages spread
    assert suspected_gaps(np.append(ages, [-999, 999])) == ["-999", "999"]
    assert suspected_gaps(np.append(ages, [-200.0] * 5)) == ["-200"]
    assert suspected_gaps(ages) == []
    assert suspected_gaps(draws.lognormal(10, 1.5, 300).round()) == []
    assert suspected_gaps(np.array([0.0, 1.0] * 50)) == []


def test_an_array_is_suspected_as_a_table_is_and_the_remedy_works() -> None:
    x = np.random.default_rng(1).normal(size=(60, 3))
    x[4, 1] = -999
    said = str(learn_schema(open_source(x)))
    assert "perhaps missing: -999 in 1 (--na-values=1=-999)" in said
    reading = ReadingOptions(na_values=("1=-999",))
    schema = learn_schema(open_source(x, reading), reading=reading)
    assert "perhaps" not in str(schema)
    found = read_by(schema, x).examples.x.isnan().nonzero().tolist()
    assert found == [[4, 1]]


def test_a_mark_of_one_column_is_none_of_another() -> None:
    cells = {"age": ["31", "-1", "40", "55"] * 9, "score": ["-1", "2", "0", "1"] * 9}
    reading = ReadingOptions(na_values=("age=-1",))
    schema = learn_schema(open_source(cells, reading), reading=reading)
    found = read_by(schema, cells).examples.x.isnan().sum(0).tolist()
    assert found == [9, 0]
    with pytest.raises(DataError, match=r"`na_values` must be one of .*, got 'agee'"):
        learn_schema(open_source(cells), reading=ReadingOptions(na_values=("agee=-1",)))
