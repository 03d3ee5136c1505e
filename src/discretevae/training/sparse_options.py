"""How to train a sparse autoencoder."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from discretevae.names import require_count, require_seed

__all__ = ["SparseBudget", "SparseLoop", "SparseOptions", "sparse_budget"]

BATCH = 4096
FEWEST_BATCHES = 4
"""Of a pass, where few rows make the batch smaller."""
STEPS = 3000
RATE, OF_WIDTH = 2e-4, 2**14
"""The learning rate is 2e-4 √(2¹⁴ / m)."""
MEASUREMENTS = 20
DEAD_AFTER, DEAD_SHARE = 10_000_000, 0.02
"""Activations without activity, and part of a run, of which the less makes a latent dead."""


@dataclass(frozen=True)
class SparseLoop:
    """Steps, batches and the machine; what is left out follows from the data.

    Arguments:
        steps: Of the optimiser.
        batch_size: Activations a step; by default 4096, fewer where a pass had not four such.
        learning_rate: Of Adam; by default 2e-4 √(2^14 / width).
        dead_after: Activations without activity after which a latent is dead and revived; by
            default 10 million, or a fiftieth of what the run sees; after twice as many it begins
            anew.
        seed: Of everything random.
        accelerator: auto, cpu, gpu, …, as Lightning has it.

    Raises:
        ValueError: If a number is out of range.
    """

    steps: int = STEPS
    batch_size: int | None = None
    learning_rate: float | None = None
    dead_after: int | None = None
    seed: int = 0
    accelerator: str = "auto"

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "dead_after"):
            value = getattr(self, name)
            if value is not None:
                require_count(name, value)
        require_seed(self.seed)
        rate = self.learning_rate
        if rate is not None and not (math.isfinite(rate) and rate > 0):
            raise ValueError(f"`learning_rate` must be positive, got {rate}.")


@dataclass(frozen=True)
class SparseOptions(SparseLoop):
    """The options of :class:`SparseLoop`, and a progress bar.

    Arguments:
        progress_bar: Whether to show one.

    Raises:
        ValueError: If a number is out of range.

    Example:
        >>> SparseOptions(steps=0)
        Traceback (most recent call last):
        ValueError: `steps` must be at least 1, got 0.
    """

    progress_bar: bool = True


class SparseBudget(NamedTuple):
    """What options leave open, named."""

    batch_size: int
    learning_rate: float
    dead_after: int
    measured_every: int


def sparse_budget(options: SparseLoop, rows: int, width: int) -> SparseBudget:
    """Follows the rule for so many rows to train on, and latents.

    Raises:
        ValueError: If there are fewer rows than a batch has.

    Example:
        >>> sparse_budget(SparseOptions(), rows=1_000_000, width=2**14)
        SparseBudget(batch_size=4096, learning_rate=0.0002, dead_after=245760, measured_every=150)
    """
    size = options.batch_size or max(1, min(BATCH, rows // FEWEST_BATCHES))
    if size > rows:
        raise ValueError(f"`batch_size` must be at most the {rows:,} rows to train on, got {size}.")
    rate = options.learning_rate or RATE * math.sqrt(OF_WIDTH / width)
    seen = options.steps * size
    after = options.dead_after or max(1, min(DEAD_AFTER, int(DEAD_SHARE * seen)))
    return SparseBudget(size, rate, after, max(1, options.steps // MEASUREMENTS))
