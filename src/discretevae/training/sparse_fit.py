"""The training of a sparse autoencoder: Lightning around it, its activations and options."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from discretevae.data.activations import Activations, load_activations
from discretevae.sparse import SparseAutoencoder
from discretevae.training.checkpoints import (
    AtomicCheckpointIO,
    BestAndLast,
    CheckpointError,
    read_checkpoint,
)
from discretevae.training.estimate import Estimate
from discretevae.training.fit import (
    MetricsCSV,
    Stepped,
    TrainingError,
    interruptible,
    quiet,
    restoring,
    write_history,
)
from discretevae.training.progress import Lines, ProgressBar, is_redrawn
from discretevae.training.sparse_module import SparseModule
from discretevae.training.sparse_options import SparseOptions

__all__ = ["SparsePrepared", "SparseResult", "prepare_sparse", "train_sparse"]

CLIP = 1.0
"""The norm above which the gradient of the loss per dimension is cut."""


@dataclass(frozen=True)
class SparseResult:
    """What training gives.

    Attributes:
        model: For activations as they are.
        history: One row a round.
    """

    model: SparseAutoencoder
    history: list[dict[str, float]]


@dataclass(frozen=True)
class SparsePrepared:
    """A training that has been found right and has not begun; nothing is written yet."""

    module: SparseModule
    trainer: Trainer
    folder: Path
    start: Path | None
    begun: Stepped
    kept: bool

    def fit(self) -> SparseResult:
        """Trains what is left."""
        try:
            if self.start is None:
                self.module.start()
            with quiet(), interruptible(), restoring(self.start, self.begun):
                self.trainer.fit(self.module, ckpt_path=self.start, weights_only=True)
            write_history(self.folder / "metrics.csv", self.module.history)
            return SparseResult(self.module.finished(), self.module.history)
        finally:
            if not self.kept:
                shutil.rmtree(self.folder, ignore_errors=True)


def train_sparse(
    model: SparseAutoencoder,
    x: Any,
    y: Any = None,
    options: SparseOptions | None = None,
    folder: str | Path | None = None,
    resume: bool = False,
) -> SparseResult:
    """Trains a sparse autoencoder on activations, or a transcoder on pairs.

    Arguments:
        model: As it is made; it stays in the units of training, the result is in those of x.
        x: As for :func:`~discretevae.data.activations.load_activations`; or what that has given.
        y: What a transcoder takes them to.
        options: How to train.
        folder: Where `metrics.csv` and `checkpoints/` go; nowhere if None.
        resume: Go on from `checkpoints/last.ckpt`, where there is one.

    Returns:
        The model, with the averaged weights, and one row a round.

    Raises:
        ValueError: If the activations do not suit the model, or a checkpoint is damaged.

    Example:
        >>> import torch
        >>> from discretevae.sparse import TopKAutoencoder
        >>> x = torch.randn(400, 8)
        >>> options = SparseOptions(steps=20, accelerator="cpu", progress_bar=False)
        >>> found = train_sparse(TopKAutoencoder(dim=8, width=32, k=4), x, options=options)
        >>> found.model(x).shape
        torch.Size([400, 8])
    """
    options = options or SparseOptions()
    if isinstance(x, Activations) and y is not None:
        raise TrainingError("`y` must be left out where `x` has both, as `load_activations` gives.")
    data = x if isinstance(x, Activations) else load_activations(x, y, seed=options.seed)
    return prepare_sparse(model, data, options, folder, resume).fit()


def prepare_sparse(
    model: SparseAutoencoder,
    data: Activations,
    options: SparseOptions,
    folder: str | Path | None = None,
    resume: bool = False,
) -> SparsePrepared:
    """Refuses what does not go together, before anything is written.

    Raises:
        ValueError: Saying what does not fit.
    """
    found, asked = (data.dim, data.dim_out), (model.dim, model.dim_out)
    if found != asked:
        raise TrainingError(f"`x` must have widths {asked} to suit the model, got {found}.")
    place = Path(folder or Path(tempfile.gettempdir()) / f"discretevae-{uuid4().hex}")
    module, begun = SparseModule(model, data, options), Stepped()
    callbacks: list[Callback] = [
        begun,
        MetricsCSV(place / "metrics.csv"),
        BestAndLast(place / "checkpoints", None),
    ]
    if options.progress_bar:
        callbacks += [ProgressBar(refresh_rate=10) if is_redrawn() else Lines(as_line), Estimate()]
    start = _start(module, place) if resume else None
    trainer = _trainer(module, options, place, callbacks)
    return SparsePrepared(module, trainer, place, start, begun, folder is not None)


def as_line(row: dict[str, float], rounds: int, every_figure: bool = False) -> str:
    """Writes one row of the history: the variance that is left, and the latents that are dead.

    Example:
        >>> row = {"epoch": 2, "seconds": 3.4, "train_fvu": 0.25, "test_fvu": 0.3, "dead": 7}
        >>> as_line(row, rounds=20)
        'round 2/20: FVU 0.250 train, 0.300 held out; 7 dead; 3 s'
    """
    fvu = f"FVU {row['train_fvu']:.3f} train, {row['test_fvu']:.3f} held out"
    line = (
        f"round {row['epoch']:.0f}/{rounds}: {fvu}; {row['dead']:.0f} dead; {row['seconds']:.0f} s"
    )
    said = ("epoch", "seconds", "train_fvu", "test_fvu", "dead")
    figures = [f"{name} {value:.6g}" for name, value in row.items() if name not in said]
    return "; ".join([line, *figures]) if every_figure else line


def _trainer(
    module: SparseModule, options: SparseOptions, folder: Path, callbacks: list[Callback]
) -> Trainer:
    try:
        with quiet():
            return Trainer(
                max_epochs=module.rounds,
                accelerator=options.accelerator,
                devices=1,
                logger=False,
                callbacks=callbacks,
                plugins=[AtomicCheckpointIO(folder / "checkpoints")],
                gradient_clip_val=CLIP,
                enable_progress_bar=options.progress_bar and is_redrawn(),
                enable_model_summary=False,
                reload_dataloaders_every_n_epochs=1,
                log_every_n_steps=10**9,
                num_sanity_val_steps=0,
            )
    except (MisconfigurationException, TypeError, ValueError) as error:
        raise TrainingError(
            f"`accelerator` must be one that works here, got {options.accelerator!r}: {error}"
        ) from None


def _start(module: SparseModule, folder: Path) -> Path | None:
    path = folder / "checkpoints" / "last.ckpt"
    if not path.exists():
        return None
    checkpoint = read_checkpoint(path)
    expected = {name: value.shape for name, value in module.state_dict().items()}
    if {name: value.shape for name, value in checkpoint["state_dict"].items()} != expected:
        raise CheckpointError(f"`{path}` must hold weights that fit this model, got others.")
    return path
