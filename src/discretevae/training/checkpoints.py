"""Checkpoints that are whole or not there at all."""

import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from discretevae.files import atomic_path

__all__ = ["AtomicCheckpointIO", "BestAndLast", "CheckpointError", "read_checkpoint"]


class CheckpointError(ValueError):
    """Raised where a checkpoint is missing, cut short or of another kind."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the final name, then renames: a kill leaves the old file or the new one."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            torch.save(checkpoint, file)  # to a path, it would not say that the disk is full


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
        """Saves the last one after every epoch, not only after those that were the best so far."""
        super().on_train_epoch_end(trainer, pl_module)
        if self._last_global_step_saved != trainer.global_step:
            self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on with the best value so far, also where the run has been moved."""
        super().load_state_dict(_moved(state_dict, state_dict["dirpath"], str(self.dirpath)))


def _moved(value: Any, old: str, new: str) -> Any:
    """Replaces one folder by another in all paths of a callback's state."""
    if isinstance(value, dict):
        return {_moved(k, old, new): _moved(v, old, new) for k, v in value.items()}
    if isinstance(value, str) and value.startswith(old):
        return new + value.removeprefix(old)
    return value


def _require_whole(path: Path) -> None:
    """Compares the checksums of all parts of a checkpoint, which torch does not when it loads."""
    with zipfile.ZipFile(path) as archive:
        if (damaged := archive.testzip()) is not None:
            raise ValueError(f"{damaged} does not have its checksum.")


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
    if not isinstance(checkpoint, dict) or not {"state_dict", "history"} <= checkpoint.keys():
        raise CheckpointError(f"`{path}` must be the checkpoint of a run, got something else.")
    return checkpoint
