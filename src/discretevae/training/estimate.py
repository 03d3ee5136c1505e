"""What a run will take, said once it can be known."""

import sys
import time
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from discretevae.texts import LOUDNESS

__all__ = ["Estimate", "in_words"]

STEPS, SECONDS = 20, 20.0
"""Steps, or seconds where they are slow, from which the time of a step is known."""
LONG, LARGE = 60.0, 2**30
"""Seconds that are long, and bytes that are large: of less nothing is said."""


class Estimate(Callback):
    """Says after the first steps how long training takes, and how much memory, if it is much."""

    def __init__(self, what: str = "training") -> None:
        self.what = what
        self.began: tuple[int, float] | None = None
        self.said = False

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if self.said:
            return
        now = trainer.global_step, time.perf_counter()
        if self.began is None:  # the first step warms up
            self.began = now
            return
        steps, seconds = now[0] - self.began[0], now[1] - self.began[1]
        if steps < STEPS and seconds < SECONDS:
            return
        self.said = True
        left = int(trainer.max_epochs or 0) * int(trainer.num_training_batches) - now[0]
        memory = peak_memory()
        if LOUDNESS.get() != "quiet" and (left * seconds / steps >= LONG or memory >= LARGE):
            said = in_words(left, seconds / steps, memory, self.what)
            pl_module.print(said, file=sys.stderr)


def in_words(steps: int, each: float, memory: int, what: str = "training") -> str:
    """Says what is left of a run, or of one of its phases.

    Example:
        >>> in_words(2_000, 0.12, 310 * 2**20)
        'training takes at most about 4 min: 2,000 steps of 0.12 s; 310 MiB of memory'
    """
    seconds = steps * each
    unit, size = next(
        (unit, size)
        for unit, size in (("h", 3600), ("min", 60), ("s", 1))
        if seconds >= 1.5 * size or size == 1
    )
    left = f"{seconds / size:.1f}" if unit == "h" else f"{seconds / size:,.0f}"
    held = f"; {memory >> 20:,} MiB of memory" if memory else ""
    return f"{what} takes at most about {left} {unit}: {steps:,} steps of {each:.2g} s{held}"


def peak_memory() -> int:
    """Gives the most bytes that this process had in memory so far; 0 where the system is silent."""
    try:
        import resource
    except ImportError:
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most
