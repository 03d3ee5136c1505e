"""Checkpoints that are whole or not there at all."""

import os
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor

from discretevae.files import atomic_path, open_plain

__all__ = ["AtomicCheckpointIO", "BestAndLast", "CheckpointError", "read_checkpoint"]

NEEDED = {"epoch", "step", "seconds"}
"""Of every row of a history."""


class CheckpointError(ValueError):
    """Raised where a checkpoint is missing, cut short or of another kind."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the final name, then renames: a kill leaves the old file or the new one.

    Arguments:
        folder: The only one in which a checkpoint is ever removed; nowhere if None.
    """

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__()
        self.folder = folder

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            torch.save(checkpoint, file)  # to a path, it would not say that the disk is full

    def remove_checkpoint(self, path: str | Path) -> None:
        """Removes nothing but a plain file that lies directly in the folder."""
        path = Path(path)
        if path.parent == self.folder and path.is_file() and not path.is_symlink():
            path.unlink()


class BestAndLast(ModelCheckpoint):
    """Keeps `last.ckpt` and, where something is monitored, `best.ckpt`."""

    def __init__(self, folder: Path, monitor: str | None) -> None:
        super().__init__(
            dirpath=folder,
            filename="best" if monitor else "only",
            monitor=monitor,
            mode="max",
            save_top_k=1 if monitor else 0,
            save_last=True,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves the last one whenever it is measured, not only where it is the best so far."""
        if not pl_module.measured:
            return
        super().on_train_epoch_end(trainer, pl_module)
        if self._last_global_step_saved != trainer.global_step:
            self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on with the best value so far; paths are those of this run, whatever the file has.

        Raises:
            CheckpointError: If the value is none.
        """
        score = state_dict["best_model_score"]
        if not (score is None or (isinstance(score, Tensor) and score.numel() == 1)):
            raise CheckpointError("`best_model_score` of a checkpoint must be one number.")
        best, last = (os.path.join(str(self.dirpath), name) for name in ("best.ckpt", "last.ckpt"))
        known = self.monitor is not None and score is not None
        super().load_state_dict(
            {
                "dirpath": self.dirpath,
                "best_model_score": score,
                "best_model_path": best if known else "",
                "best_k_models": {best: score} if known else {},
                "kth_best_model_path": best if known else "",
                "kth_value": score if known else self.kth_value,
                "last_model_path": last,
            }
        )


def _require_whole(path: Path) -> None:
    """Compares the checksums of all parts of a checkpoint, which torch does not when it loads."""
    with open_plain(path) as file, zipfile.ZipFile(file) as archive:
        for part in archive.infolist():
            if part.compress_type != zipfile.ZIP_STORED:  # as torch never writes them
                raise ValueError(f"{part.filename} is compressed.")
        if (damaged := archive.testzip()) is not None:
            raise ValueError(f"{damaged} does not have its checksum.")


def _is_checkpoint(found: Any) -> bool:
    """Whether weights and a history are where a run has them."""
    if not isinstance(found, dict) or not {"state_dict", "history"} <= found.keys():
        return False
    weights, history = found["state_dict"], found["history"]
    return (
        isinstance(weights, dict)
        and all(isinstance(value, Tensor) for value in weights.values())
        and isinstance(history, list)
        and all(isinstance(row, dict) and row.keys() >= NEEDED for row in history)
        and all(isinstance(value, int | float) for row in history for value in row.values())
    )


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Loads a checkpoint without running code from it.

    Raises:
        CheckpointError: If the file is missing, cut short or no checkpoint of a run.
    """
    try:
        _require_whole(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a file that is refused in a moment
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"`{path}` must exist to go on from it.") from None
    except Exception as error:  # torch raises many kinds for a damaged file
        reason = str(error).strip().splitlines()[0][:120] if str(error).strip() else "no reason"
        raise CheckpointError(f"`{path}` must be a whole checkpoint, got: {reason}") from None
    if not _is_checkpoint(checkpoint):
        raise CheckpointError(f"`{path}` must be the checkpoint of a run, got something else.")
    return checkpoint
