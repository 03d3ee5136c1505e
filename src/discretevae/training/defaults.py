"""What training does where it is not told: one rule for all data and all ways to train."""

from dataclasses import replace
from math import ceil
from typing import NamedTuple, TypeVar

from discretevae.training.options import Loop

__all__ = ["Budget", "budget", "by_rule"]

OPTIMIZER = "muon"
RATES = {"adam": 1e-3, "radam": 1e-3, "muon": 1e-2}
"""Optimiser → its learning rate."""
FEW_STEPS, MANY_STEPS = 2_000, 20_000
"""What a small set needs, and the most that a large one is given."""
FEW_EPOCHS, MANY_EPOCHS = 30, 500
"""A few rows seen more often than that would be learned by heart."""
FEW, MANY = 100, 200
"""Rows a step."""
MANY_ROWS = 10_000
PATIENCE, SHORT = 0.25, 10
"""The part of the budget without a better validation ELBO after which training stops; no budget of
so few epochs is cut short."""
MEASURED_EVERY, MEASUREMENTS = 50, 20
"""Steps between two measurements of a small set, which are as many as that at least."""

L = TypeVar("L", bound=Loop)


class Budget(NamedTuple):
    """What the options of training leave open, named; each as :class:`Loop` has it."""

    batch_size: int
    epochs: int
    optimizer: str
    learning_rate: float
    patience: int
    measured_every: int


def budget(options: Loop, rows: int) -> Budget:
    """Follows the rule for so many rows to train on; what is given stays.

    The budget is one of steps: 2,000, but from 30 to 500 passes over the rows, and at most 20,000
    steps, or one pass where that is more. Batches have 100 rows, of 10,000 rows and more 200.

    Example:
        >>> found = budget(Loop(), rows=1_437)
        >>> found.batch_size, found.epochs, found.patience, found.measured_every
        (100, 134, 34, 3)
        >>> found.optimizer, found.learning_rate, budget(Loop(optimizer="adam"), 90).learning_rate
        ('muon', 0.01, 0.001)
    """
    size = _given(options.batch_size, max(MANY if rows >= MANY_ROWS else FEW, options.processes))
    steps = max(1, ceil(rows / size))
    epochs = _given(options.epochs, passes(steps))
    patience = _given(options.patience, max(SHORT, ceil(PATIENCE * epochs)))
    apart = max(1, min(MEASURED_EVERY // steps, epochs // MEASUREMENTS, patience or epochs))
    optimizer = _given(options.optimizer, OPTIMIZER)
    rate = _given(options.learning_rate, RATES.get(optimizer, RATES["adam"]))
    return Budget(size, epochs, optimizer, rate, patience, _given(options.measured_every, apart))


def by_rule(options: L, rows: int) -> L:
    """Gives the options with everything named."""
    return replace(options, **budget(options, rows)._asdict())


def passes(steps: int) -> int:
    """Gives the epochs of so many steps each that make the budget.

    Example:
        >>> [passes(steps) for steps in (1, 14, 45, 270, 5_000, 50_000)]
        [500, 143, 45, 30, 4, 1]
    """
    wanted = min(MANY_EPOCHS, max(FEW_EPOCHS, ceil(FEW_STEPS / steps)))
    return max(1, min(wanted, MANY_STEPS // steps))


T = TypeVar("T")


def _given(value: T | None, usual: T) -> T:
    return usual if value is None else value
