"""What a run leaves behind: one folder, its files, and how they are found again."""

import json
import platform
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from discretevae.files import write_text

__all__ = ["Run", "RunError", "versions"]


class RunError(ValueError):
    """Raised where a folder holds no run, or one that may not be replaced."""


@dataclass(frozen=True)
class Run:
    """The folder of one training run.

    Arguments:
        folder: Where it is.

    Example:
        >>> Run(Path("runs/demo")).report.as_posix()
        'runs/demo/report.html'
    """

    folder: Path

    @property
    def config(self) -> Path:
        """The options as resolved, with seed and versions."""
        return self.folder / "config.yaml"

    @property
    def metrics(self) -> Path:
        """The final evaluation."""
        return self.folder / "metrics.json"

    @property
    def history(self) -> Path:
        """One row an epoch."""
        return self.folder / "metrics.csv"

    @property
    def model(self) -> Path:
        """The folder that `from_pretrained` loads."""
        return self.folder / "model"

    @property
    def figures(self) -> Path:
        """The folder of pictures."""
        return self.folder / "figures"

    @property
    def report(self) -> Path:
        """The page to open first."""
        return self.folder / "report.html"

    @classmethod
    def create(cls, folder: str | Path, options: Mapping[str, Any], overwrite: bool) -> "Run":
        """Makes the folder and writes the options into it.

        Raises:
            RunError: If something is there already and may not, or must not, be replaced.
        """
        run = cls(Path(folder))
        if run.folder.exists() and not run._is_empty():
            run._clear(overwrite)
        run.folder.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump({**options, "versions": versions()}, sort_keys=False)
        write_text(run.config, text)
        return run

    @classmethod
    def open(cls, folder: str | Path) -> "Run":
        """Finds a run.

        Raises:
            RunError: If the folder is missing or holds no run.
        """
        run = cls(Path(folder))
        if not run.folder.is_dir():
            raise RunError(
                f"`RUN` must be the folder of a run, got {str(folder)!r}: no such folder."
            )
        if not run.config.is_file():
            raise RunError(
                f"`RUN` must be the folder of a run, got {str(folder)!r}: it has no config.yaml."
            )
        return run

    def options(self) -> dict[str, Any]:
        """Reads the options back, without the versions.

        Raises:
            RunError: If the file cannot be read as options.
        """
        try:
            options = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            reason = str(error).splitlines()[0]
            raise RunError(f"`{self.config}` must be readable YAML, got: {reason}.") from None
        if not isinstance(options, dict):
            raise RunError(f"`{self.config}` must hold options, got {type(options).__name__}.")
        options.pop("versions", None)
        return options

    def write_metrics(self, metrics: Mapping[str, Any]) -> None:
        """Writes the evaluation as JSON, as a whole."""
        write_text(self.metrics, json.dumps(metrics, indent=2, allow_nan=True) + "\n")

    def _is_empty(self) -> bool:
        return self.folder.is_dir() and next(self.folder.iterdir(), None) is None

    def _clear(self, overwrite: bool) -> None:
        if not self.config.is_file():
            raise RunError(
                f"`--output` must be a new or empty folder, got {str(self.folder)!r}, "
                "which holds something that is no run."
            )
        if not overwrite:
            raise RunError(
                f"`--output` must be a new folder, got {str(self.folder)!r}, which holds a run: "
                "choose another, or add --overwrite to replace it."
            )
        shutil.rmtree(self.folder)


def free_folder(parent: Path, name: str) -> Path:
    """Gives `parent/name`, or the first of `name-2`, `name-3` … that is not there."""
    folder, number = parent / name, 1
    while folder.exists():
        number += 1
        folder = parent / f"{name}-{number}"
    return folder


def versions() -> dict[str, str]:
    """Names the versions and the machine that figures depend on."""
    found = {"python": platform.python_version(), "machine": platform.platform()}
    for package in ("discretevae", "torch", "lightning", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def command_line() -> str:
    """The command as typed, for the record."""
    import shlex

    return shlex.join(["discretevae", *sys.argv[1:]])
