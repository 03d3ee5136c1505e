import math

import pytest

from discretevae.training.schedules import (
    DECAYS,
    constant,
    cosine,
    linear,
    parse_schedule,
    require_range,
)

STEPS = 40


def test_linear_goes_straight_and_stays() -> None:
    schedule = linear(2.0, 1.0, 10)
    assert [schedule(step) for step in (0, 1, 5, 10, 1000)] == [2.0, 1.9, 1.5, 1.0, 1.0]


def test_cosine_is_half_a_cosine() -> None:
    schedule = cosine(3.0, 1.0, STEPS)
    for step in range(STEPS + 1):
        assert schedule(step) == pytest.approx(2 + math.cos(math.pi * step / STEPS))
    assert schedule(10 * STEPS) == pytest.approx(1.0)


@pytest.mark.parametrize("name", DECAYS)
def test_every_decay_starts_at_the_learning_rate(name: str) -> None:
    schedule = DECAYS[name](0.5, STEPS)
    assert schedule(0) == 0.5
    assert schedule(STEPS) == pytest.approx(0.5 if name == "constant" else 0.0)


def test_schedules_have_no_state() -> None:
    schedule = parse_schedule("beta", "0:1:10", STEPS)
    forwards = [schedule(step) for step in range(STEPS)]
    assert [schedule(step) for step in reversed(range(STEPS))] == forwards[::-1]
    assert constant(0.3)(7) == 0.3


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.5", [0.5, 0.5, 0.5]),
        (0.5, [0.5, 0.5, 0.5]),
        ("1e-1", [0.1, 0.1, 0.1]),
        ("0:1", [0.0, 0.5, 1.0]),
        ("0:1:20", [0.0, 1.0, 1.0]),
        ("1:0.5:80", [1.0, 0.875, 0.75]),
    ],
)
def test_notation(text: str | float, values: list[float]) -> None:
    schedule = parse_schedule("beta", text, STEPS)
    assert [schedule(step) for step in (0, STEPS // 2, STEPS)] == pytest.approx(values)


@pytest.mark.parametrize(
    "text", ["", "a", "1:", ":1", "1:2:3:4", "1:2:0", "1:2:-3", "1:2:x", "nan", "inf", "1:inf"]
)
def test_what_is_no_schedule_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"`beta` must be a number, START:END .*got '"):
        parse_schedule("beta", text, STEPS)


def test_ranges() -> None:
    require_range("beta", "0:1", positive=False)
    require_range("temperature", "1:0.1:5", positive=True)
    for text in ("-1", "-1:1", "1:-1:5"):
        with pytest.raises(ValueError, match="`beta` must be at least 0 throughout, got"):
            require_range("beta", text, positive=False)
    for text in ("0", "1:0", "-1:1"):
        with pytest.raises(ValueError, match="`temperature` must be positive throughout, got"):
            require_range("temperature", text, positive=True)
