"""What a run leaves behind: one folder, its files, and how they are found again."""

import csv
import io
import json
import os
import platform
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from discretevae.data.schema import Schema, schema_from_config
from discretevae.experiments.yaml_files import as_yaml, read_yaml
from discretevae.files import (
    NO_LINK,
    NO_WAIT,
    find_link,
    open_plain,
    read_text,
    take_lock,
    write_text,
)
from discretevae.names import shorten

__all__ = [
    "Run",
    "RunError",
    "command_line",
    "free_folder",
    "held",
    "require_no_links",
    "versions",
]


ENTRIES = (
    "checkpoints",
    "codes.npz",
    "compressed.dvae",
    "decoded.npy",
    "decompressed.npy",
    "demo",
    "export",
    "figures",
    "gaussian",
    "gradients",
    "imputed.csv",
    "metrics.csv",
    "metrics.json",
    "model",
    "reconstructions.csv",
    "reconstructions.png",
    "report.html",
    "samples.csv",
    "samples.png",
    "schema.json",
    "scores.csv",
    "tensorboard",
    "config.yaml",
)
"""What a run may leave in its folder; nothing else is ever removed."""
LEFTOVER = re.compile(
    r"\..+-\w{8}\.(ckpt|csv|dvae|html|json|md|npy|npz|onnx|png|pt2|safetensors|yaml)$"
    r"|\.tmp\w{6}$"  # of safetensors
    r"|\.lock$"
)
LOCK = ".lock"
"""Held while a command writes; in it is nothing."""
WRITERS = 0o222
"""Who may write may lock, and nobody else."""


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
    def schema(self) -> Path:
        """What the data mean, as they were read; runs of version 0.1.0 have none."""
        return self.folder / "schema.json"

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

    @property
    def resume_command(self) -> str:
        """What to type to go on with it."""
        return shlex.join(["discretevae", "train", "--resume", str(self.folder)])

    @classmethod
    def create(cls, folder: str | Path, options: Mapping[str, Any], overwrite: bool) -> "Run":
        """Makes the folder and writes the options into it.

        Raises:
            RunError: If something is there already and may not, or must not, be replaced.
        """
        run = cls(Path(folder))
        if run.folder.exists() and not run._is_empty():
            run.require_own_parts()
            run._clear(overwrite)
        run.folder.mkdir(parents=True, exist_ok=True)
        run.remove_leftovers()
        run.write_options(options)
        return run

    @classmethod
    def open(cls, folder: str | Path) -> "Run":
        """Finds a run.

        Raises:
            RunError: If the folder is missing, holds no run, or one with a link for a part.
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
        run.require_own_parts()
        return run

    def write_schema(self, schema: Schema | None) -> None:
        """Writes what the data mean; of a named set there is nothing to say."""
        if schema is not None:
            write_text(self.schema, json.dumps(schema.config(), indent=1) + "\n")

    def read_schema(self) -> Schema | None:
        """Reads what the data mean; none where nothing was written.

        Raises:
            RunError: If the file cannot be read as a schema.
        """
        if not self.schema.exists():
            return None
        try:
            return schema_from_config(json.loads(self.schema.read_text(encoding="utf-8")))
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            raise RunError(
                f"`{self.schema}` must hold a schema, got: {_in_short(error)}."
            ) from None

    def require_own_parts(self) -> None:
        """Refuses a run a part of which is a link: what it points to is somebody else's.

        Raises:
            RunError: Naming the link.
        """
        require_no_links("RUN", *(self.folder / name for name in ENTRIES))

    def write_options(self, options: Mapping[str, Any]) -> None:
        """Writes the options as resolved, with the versions; a schema has a file of its own."""
        kept = {name: value for name, value in options.items() if name != "schema"}
        write_text(self.config, as_yaml({**kept, "versions": versions()}))

    def options(self) -> dict[str, Any]:
        """Reads the options back, without the versions.

        Raises:
            RunError: If the file cannot be read as options.
        """
        options = self._read_config()
        options.pop("versions", None)
        return options

    def _read_config(self) -> dict[str, Any]:
        try:
            return read_yaml(self.config)
        except ValueError as error:
            raise RunError(str(error)) from None

    def read_history(self, *columns: str) -> list[dict[str, float]]:
        """Reads one row an epoch; none where the run has not come so far.

        Arguments:
            columns: What the caller needs of every row.

        Raises:
            RunError: If the file holds something else, or columns that are needed are not there.
        """
        if not self.history.exists() and not columns:
            return []
        try:
            reader = csv.DictReader(io.StringIO(read_text(self.history)), strict=True)
            rows = [{name: float(value) for name, value in row.items()} for row in reader]
            if not rows:
                raise ValueError("no row")
            if missing := [name for name in columns if name not in rows[0]]:
                raise ValueError(f"no column {missing[0]}")
        except (OSError, TypeError, ValueError, csv.Error) as error:
            raise RunError(
                f"`{self.history}` must hold one row of numbers an epoch, got: {_in_short(error)}."
            ) from None
        return rows

    def write_metrics(self, metrics: Mapping[str, Any]) -> None:
        """Writes the evaluation as JSON, as a whole."""
        write_text(self.metrics, json.dumps(metrics, indent=2, allow_nan=True) + "\n")

    def read_metrics(self, *needed: tuple[str, str]) -> dict[str, dict[str, Any]]:
        """Reads the evaluation: part of the data → name → figure.

        Arguments:
            needed: Parts and names of what the caller needs.

        Raises:
            RunError: If the file cannot be read, or holds something else.
        """
        try:
            found: dict[str, dict[str, Any]] = json.loads(read_text(self.metrics))
            figures = [figure for part in found.values() for figure in part.values()]
            for figure in (*figures, *(found[part][name] for part, name in needed)):
                if not isinstance(figure["value"], (int, float, list)):
                    raise TypeError(f"a figure of {figure['value']!r}")
        except (
            OSError,
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
            RecursionError,
        ) as error:
            raise RunError(
                f"`{self.metrics}` must hold the evaluation of a run, got: {_in_short(error)}."
            ) from None
        return found

    def _is_empty(self) -> bool:
        """Whether nothing is there but what a kill has left of a first file."""
        return self.folder.is_dir() and all(LEFTOVER.match(p.name) for p in self.folder.iterdir())

    def _clear(self, overwrite: bool) -> None:
        if not self._is_run():
            raise RunError(
                f"`--output` must be a new or empty folder, got {str(self.folder)!r}, "
                "which holds something that is no run."
            )
        if not overwrite:
            raise RunError(
                f"`--output` must be a new folder, got {str(self.folder)!r}, which holds a run: "
                "choose another, or add --overwrite to replace it."
            )
        for name in ENTRIES:  # the mark of a run stays until the new one replaces it
            if name != self.config.name:
                _remove(self.folder / name)

    def _is_run(self) -> bool:
        try:
            versions = self._read_config().get("versions")
        except RunError:
            return False
        return isinstance(versions, dict) and "discretevae" in versions

    def remove_leftovers(self) -> None:
        """Removes the temporary files of commands that were killed while they wrote."""
        for path in self.folder.rglob(".*"):
            if path.name != LOCK and LEFTOVER.match(path.name) and not _is_locked(path):
                path.unlink(missing_ok=True)


def _in_short(error: Exception) -> str:
    """What an error says, in its first line; a key alone says nothing."""
    if isinstance(error, KeyError):
        return shorten(f"nothing named {error}")
    return shorten((str(error).splitlines() or [type(error).__name__])[0])


def require_no_links(argument: str, *paths: Path) -> None:
    """Refuses links among paths, and in the folders that they are.

    Raises:
        RunError: Naming the first.
    """
    for path in paths:
        if (link := find_link(path)) is not None:
            raise RunError(
                f"`{argument}` must be of files and folders of its own, got the link {str(link)!r}."
            )


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def held(folder: str | Path) -> Iterator[None]:
    """Keeps other commands from writing into the folder of a run while this one does.

    The folder is made if need be.

    Raises:
        RunError: If another command is writing there.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / LOCK
    handle = _locked(lock)
    if handle is None:
        raise RunError(
            f"`--output` must be a folder that no other command is writing to, "
            f"got {str(folder)!r}: wait until that one is done."
        )
    try:
        yield
    finally:
        with suppress(PermissionError):  # Windows removes no open file
            lock.unlink(missing_ok=True)
        os.close(handle)


def _locked(path: Path) -> int | None:
    """Locks a file that only who may write there can open; None where another command has it."""
    handle = os.open(path, os.O_CREAT | os.O_WRONLY | NO_LINK | NO_WAIT, WRITERS)
    if take_lock(handle) and _is_at(handle, path):
        return handle
    os.close(handle)
    return None


def _is_at(handle: int, path: Path) -> bool:
    """Whether an open file is still the one of this name: its command may just have ended."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _is_locked(path: Path) -> bool:
    """Whether a process that is alive is writing a temporary file."""
    try:
        with open_plain(path) as file:
            return not take_lock(file.fileno())
    except (FileNotFoundError, PermissionError):
        return True
    except OSError:  # a pipe for one, which no command writes
        return False


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
