"""What the bench starts from: finished runs, and what each command makes of them."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from children import command

__all__ = ["SMALL", "TRAINING", "Job", "Scene"]

SMALL = (
    *("--limit", "60", "--batch-size", "20", "--network", "mlp", "--widths", "16"),
    *("--num-latents", "2", "--num-categories", "3", "--importance-samples", "8"),
    *("--accelerator", "cpu"),
)
"""Options under which a run takes a second."""
TRAINING = (
    *SMALL,
    *("--epochs", "3", "--estimator", "reinforce", "--beta", "0:1", "--learning-rate", "0.01"),
)
"""A run in which everything that has a state has one: baseline, schedules, best weights."""
OTHER = (*SMALL, "--epochs", "2", "--seed", "7")
"""A run that is to be replaced."""


@dataclass(frozen=True)
class Job:
    """A command that writes, what is there before, and what it leaves.

    Arguments:
        name: What to call it.
        start: Which finished run lies in the folder before: a name in `Scene.runs`, or none.
        arguments: The command line, given the folder.
        recovery: The one that mends what a fault has left, given the folder.
        made: Files that are the same however often the command was disturbed.
        kept: Files that it must not touch.
        replaces: Whether it removes what was there, as was asked for.
    """

    name: str
    start: str | None
    arguments: Callable[[Path], list[str]]
    recovery: Callable[[Path], list[str]]
    made: tuple[str, ...]
    kept: tuple[str, ...] = ()
    replaces: bool = False


SAVED = ("config.yaml", "model/config.json", "model/model.safetensors", "checkpoints/last.ckpt")
TRAINED = ("model/config.json", "model/model.safetensors", "metrics.json")


def _train(folder: Path) -> list[str]:
    return ["train", "digits", *TRAINING, "--output", str(folder)]


def _resume(folder: Path) -> list[str]:
    if (folder / "config.yaml").exists():
        return ["train", "--resume", str(folder)]
    return _train(folder)


def _replace(folder: Path) -> list[str]:
    return [*_train(folder), "--overwrite"]


def _evaluate(folder: Path) -> list[str]:
    return ["evaluate", str(folder), "--importance-samples", "16", "--seed", "5"]


def _prior(folder: Path) -> list[str]:
    arguments = ["prior", str(folder), "--epochs", "2", "--output", str(folder / "fitted")]
    return (
        [*arguments, "--overwrite"] if (folder / "fitted" / "config.yaml").exists() else arguments
    )


def _simple(name: str, *rest: str) -> Callable[[Path], list[str]]:
    return lambda folder: [name, str(folder), *(word.format(folder=folder) for word in rest)]


def _writer(name: str, made: str, *rest: str) -> Job:
    run = _simple(name, *rest)
    kept = (*SAVED, "metrics.json", "metrics.csv")
    return Job(" ".join((name, *rest[:1])) if rest[:1] == ("--lossy",) else name, "whole", run, run,
               (made,), kept)  # fmt: skip


JOBS = (
    Job("train", None, _train, _resume, TRAINED),
    Job("train --overwrite", "other", _replace, _replace, TRAINED, replaces=True),
    Job("evaluate", "whole", _evaluate, _evaluate, ("metrics.json",), (*SAVED, "metrics.csv")),
    _writer("encode", "codes.npz"),
    _writer("decode", "decoded.npy", "{folder}/given.npz"),
    _writer("compress", "compressed.dvae"),
    _writer("compress", "lossy.dvae", "--lossy", "--output", "{folder}/lossy.dvae"),
    _writer("decompress", "decompressed.npy", "{folder}/given.dvae"),
    _writer("sample", "samples.npy", "--output", "{folder}/samples.npy"),
    _writer("reconstruct", "reconstructions.png"),
    Job("prior", "whole", _prior, _prior,
        tuple(f"fitted/{name}" for name in TRAINED), (*SAVED, "metrics.json", "metrics.csv")),
    Job("export", "whole", _simple("export"), _simple("export"),
        ("export/export.json",), (*SAVED, "metrics.json", "metrics.csv")),
)  # fmt: skip


class Scene:
    """Finished runs in a folder of the bench, and what each job leaves undisturbed.

    Arguments:
        folder: Where everything is done.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = {"whole": folder / "whole", "other": folder / "other"}
        self.jobs = {job.name: job for job in JOBS}
        self._made: dict[str, dict[str, bytes]] = {}
        self._seconds: dict[str, float] = {}
        self._number = 0
        self.do(["train", "digits", *TRAINING, "--output", str(self.runs["whole"])])
        self.do(["train", "digits", *OTHER, "--output", str(self.runs["other"])])
        run = str(self.runs["whole"])
        for name, made in (("encode", "given.npz"), ("compress", "given.dvae")):
            self.do([name, run, "--output", f"{run}/{made}"])

    def do(self, arguments: list[str]) -> float:
        """Runs a command that must succeed; gives its seconds."""
        outcome = command(arguments)
        if outcome.status:
            raise RuntimeError(f"{' '.join(arguments)}: {outcome}")
        return outcome.seconds

    def fresh(self, start: str | None, parent: Path | None = None) -> Path:
        """Makes a folder for one case: a copy of a run, or none yet."""
        self._number += 1
        folder = (parent or self.folder) / f"case-{self._number}"
        if start is not None:
            shutil.copytree(self.runs[start], folder)
        return folder

    def made(self, job: Job) -> dict[str, bytes]:
        """What a job leaves undisturbed."""
        if job.name not in self._made:
            folder = self.fresh(job.start)
            self._seconds[job.name] = self.do(job.arguments(folder))
            self._made[job.name] = {name: (folder / name).read_bytes() for name in job.made}
            shutil.rmtree(folder)
        return self._made[job.name]

    def seconds(self, job: Job) -> float:
        """How long a job takes."""
        self.made(job)
        return self._seconds[job.name]
