"""The command that lays out a project with parts of one's own."""

import shutil
import tempfile
from importlib.resources import files
from pathlib import Path

from discretevae.texts import note, say

__all__ = ["new"]

PROJECT = ("config.yaml", "network.py", "estimator.py", "train.py", "test_parts.py")


def new(name: str) -> None:
    """Lay out a project: a configuration, a network and an estimator of one's own, their test.

    It runs as it is, so that there is something right to start from.

    Args:
        name: Folder of the project, which must be new.

    Examples:
        discretevae new my-project
        discretevae new work/first-try --quiet
    """
    folder = Path(name)
    if folder.exists() or folder.is_symlink():
        raise ValueError(f"`name` must be a new folder, got {name!r}, which is there.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
    try:
        written = beside / "project"  # made anew, for the permissions that folders have here
        written.mkdir()
        for file in PROJECT:
            text = files("discretevae.cli") / "project" / f"{file}.txt"
            (written / file).write_text(text.read_text("utf-8"), "utf-8")
        written.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    for file in PROJECT:
        say(folder / file)
    note(f"to train: python {folder / 'train.py'}; to test: python -m pytest {folder}")
