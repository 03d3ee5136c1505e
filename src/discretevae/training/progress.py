"""What is seen of a training run while it goes on, always on the error stream."""

import sys
from collections.abc import Callable
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, TQDMProgressBar
from lightning.pytorch.callbacks.progress.tqdm_progress import Tqdm

from discretevae.texts import LOUDNESS, note
from discretevae.training.history import best_row

__all__ = ["Lines", "ProgressBar", "as_line", "is_redrawn"]

ELBOS = ("train", "validation", "test")
LINES, SILENCE = 5, 300.0
"""Lines of a log after its first, of one training; more where so many seconds have passed."""


def is_redrawn() -> bool:
    """Whether a line that is written again and again is seen as one: in a terminal or a notebook.

    A log keeps all of them, and so does whoever asked for all that is measured.
    """
    drawn = sys.stderr.isatty() or "ipykernel.kernelapp" in sys.modules
    return drawn and LOUDNESS.get() == "normal"


def as_line(row: dict[str, float], epochs: int, every_figure: bool = False) -> str:
    """Writes one row of the history, in nats per example.

    Example:
        >>> row = {"epoch": 3, "seconds": 1.2, "train_elbo": -20.456, "validation_elbo": -21.0}
        >>> as_line(row, epochs=60)
        'epoch 3/60: ELBO -20.46 train, -21.00 validation; 1 s'
        >>> as_line({**row, "beta": 0.05}, epochs=60, every_figure=True)
        'epoch 3/60: ELBO -20.46 train, -21.00 validation; 1 s; beta 0.05'
    """
    elbos = ", ".join(
        f"{row[f'{part}_elbo']:.2f} {part}" for part in ELBOS if f"{part}_elbo" in row
    )
    phase = f"phase {row['phase']:.0f}, " if "phase" in row else ""
    line = f"{phase}epoch {row['epoch']:.0f}/{epochs}: ELBO {elbos}; {row['seconds']:.0f} s"
    if not every_figure:
        return line
    said = ("phase", "epoch", "seconds", *(f"{part}_elbo" for part in ELBOS))
    rest = (f"{name} {value:.6g}" for name, value in row.items() if name not in said)
    return "; ".join([line, *rest])


class Lines(Callback):
    """Writes the first measurement, one in each fifth of the training, and the last.

    A measurement is there one epoch later. Verbose has a line for each.

    Arguments:
        line: (row, epochs, whether to say every figure) → what is written of it.
    """

    def __init__(self, line: Callable[[dict[str, float], int, bool], str] = as_line) -> None:
        self.line = line
        self.seen = 0
        self.said: dict[str, float] = {"epoch": 0, "seconds": 0.0}

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Passes over what a resumed run has said before."""
        self.seen = len(pl_module.history)
        if self.seen:
            self.said = pl_module.history[-1]

    def on_train_epoch_start(self, trainer: Trainer, pl_module: Any) -> None:
        if trainer.is_global_zero:
            epochs = _epochs(trainer, pl_module)
            for row in pl_module.history[self.seen :]:
                if LOUDNESS.get() == "verbose" or self._due(row, epochs):
                    self._say(row, epochs)
        self.seen = len(pl_module.history)

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Writes the last measurement, and which one's weights are kept."""
        self.on_train_epoch_start(trainer, pl_module)
        if not pl_module.history or not trainer.is_global_zero:
            return
        last, best = pl_module.history[-1], best_row(pl_module.history)
        if last["epoch"] != self.said["epoch"]:
            self._say(last, _epochs(trainer, pl_module))
        if best is not last:
            note(f"kept: the weights of epoch {best['epoch']:.0f}, best on validation")

    def _due(self, row: dict[str, float], epochs: int) -> bool:
        now, before = (each["epoch"] * LINES // epochs for each in (row, self.said))
        late = row["seconds"] >= self.said["seconds"] + SILENCE
        return now > before or late or not self.said["epoch"]

    def _say(self, row: dict[str, float], epochs: int) -> None:
        note(self.line(row, epochs, LOUDNESS.get() == "verbose"))
        self.said = row


def _epochs(trainer: Trainer, module: Any) -> int:
    """Epochs of the training so far as it is known: those of earlier phases, and of this one."""
    return int(module.earlier("epoch")) + (trainer.max_epochs or 0)


class ProgressBar(TQDMProgressBar):
    """Shows the true ELBOs, in nats per example."""

    def init_train_tqdm(self) -> Tqdm:
        return Tqdm(
            desc=self.train_description,
            disable=self.is_disabled,
            dynamic_ncols=True,
            file=sys.stderr,
            bar_format=self.BAR_FORMAT,
        )

    def on_train_epoch_start(self, trainer: Trainer, *_: Any) -> None:
        self.train_progress_bar.reset(self.total_train_batches)
        epoch = f"Epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        self.train_progress_bar.set_description(epoch)

    def on_exception(self, *_: Any) -> None:
        """Leaves the line to the error."""
        if self._train_progress_bar is not None:
            self._train_progress_bar.close()

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        metrics = super().get_metrics(trainer, pl_module)
        return {name: f"{metrics[name]:.2f}" for name in metrics if name.endswith("_elbo")}
