from typing import Any

import pytest

from discretevae.training import TrainingOptions


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "`epochs` must be at least 1, got 0"),
        ({"batch_size": 0}, "`batch_size` must be at least 1, got 0"),
        ({"patience": -1}, "`patience` must be at least 0, got -1"),
        ({"seed": -1}, "`seed` must be at least 0, got -1"),
        ({"seed": 2**63}, "`seed` must be less than 2^63, got 9"),
        ({"learning_rate": 0.0}, "`learning_rate` must be positive, got 0.0"),
        ({"learning_rate": float("nan")}, "`learning_rate` must be positive, got nan"),
        ({"learning_rate": float("inf")}, "`learning_rate` must be positive, got inf"),
        ({"decay": "cosin"}, "`decay` must be one of .*, got 'cosin' .did you mean 'cosine'"),
        ({"precision": "64"}, "`precision` must be one of 32-true, .*, got '64'"),
        ({"beta": "x"}, "`beta` must be a number, .*, got 'x'"),
        ({"beta": -1.0}, "`beta` must be at least 0 throughout, got -1.0"),
        ({"temperature": "1:0"}, "`temperature` must be positive throughout, got '1:0'"),
    ],
)
def test_what_is_out_of_range_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("^", r"\^")):
        TrainingOptions(**options)
