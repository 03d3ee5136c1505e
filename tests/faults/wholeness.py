"""Whether what lies in a folder is whole: every file under its final name can be read."""

import csv
import json
from pathlib import Path

import numpy as np

from discretevae.codes.archive import Archive
from discretevae.codes.files import _CodesFile
from discretevae.experiments.folder import LEFTOVER, Run
from discretevae.models import ModelError, from_pretrained
from discretevae.training.checkpoints import CheckpointError, read_checkpoint

__all__ = ["broken", "contents", "history", "leftovers"]

APPENDED = "tensorboard"
"""A log that grows line by line, and is read by nobody here."""


def broken(folder: Path) -> str | None:
    """Names a file that has its final name and is not whole, if there is one."""
    for path in sorted(folder.rglob("*")):
        if path.is_dir() or APPENDED in path.parts or LEFTOVER.match(path.name):
            continue
        try:
            _read(path)
        except Exception as error:
            return f"{path.relative_to(folder)} is not whole: {error!r}"
    return _behind(folder)


def _read(path: Path) -> None:
    match path.suffix:
        case ".json":
            json.loads(path.read_text(encoding="utf-8"))
        case ".yaml":
            assert Run(path.parent).options()["data"]
        case ".csv":
            with path.open(newline="") as file:
                rows = list(csv.reader(file, strict=True))
            assert {len(row) for row in rows} == {len(rows[0])}
        case ".ckpt":
            read_checkpoint(path)
        case ".safetensors":
            _read_model(path.parent)
        case ".npz":
            if "codes" in np.load(path):
                found = _CodesFile(path)
                assert sum(map(len, found.batches(lambda steps, what: steps))) == found.count
        case ".npy":
            np.load(path, allow_pickle=False)
        case ".dvae":
            Archive(path)
        case ".png":
            from PIL import Image

            with Image.open(path) as image:
                image.load()
        case ".html":
            assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")
        case ".onnx" | ".pt2":
            assert path.stat().st_size > 100
        case ".md":
            assert path.read_text(encoding="utf-8").strip()
        case _:
            raise ValueError("no file that a run leaves behind")


def _read_model(folder: Path) -> None:
    """Loads a model; weights without a configuration are no model yet."""
    if (folder / "config.json").exists():
        from_pretrained(folder)
        return
    try:
        from_pretrained(folder)
    except ModelError:
        return
    raise ValueError("half a model can be loaded")


def _behind(folder: Path) -> str | None:
    """Names a figure that was reported as saved before what it is about was."""
    reported = len(history(folder))
    if reported:
        try:
            saved = len(read_checkpoint(folder / "checkpoints" / "last.ckpt")["history"])
        except CheckpointError as error:
            return f"metrics.csv tells of {reported} epochs: {error}"
        if saved < reported:
            return f"metrics.csv tells of {reported} epochs, last.ckpt holds {saved}"
    metrics = folder / "metrics.json"
    if metrics.exists():
        try:
            from_pretrained(folder / "model")
        except ModelError as error:
            return f"metrics.json is of a model that is not there: {error}"
    return None


def history(folder: Path) -> list[dict[str, float]]:
    """The epochs of a run without their seconds."""
    rows = Run(folder).read_history()
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def contents(folder: Path, *names: str) -> dict[str, bytes | None]:
    """The files of these names as they are, None where one is missing."""
    paths = {name: folder / name for name in names}
    return {name: path.read_bytes() if path.exists() else None for name, path in paths.items()}


def leftovers(folder: Path) -> list[str]:
    """Temporary files that a kill has left."""
    return [str(path.relative_to(folder)) for path in folder.rglob(".*")]
