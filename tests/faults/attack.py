"""What a stranger may send: the stage on which it is opened, and what must hold afterwards."""

import hashlib
import resource
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from children import Outcome, command
from scenes import Scene

__all__ = ["Attack", "Stage", "attempt"]

SECONDS = 10
"""Of a processor, after which an attack has had its way with somebody's time."""
PATIENCE = 60.0
"""Seconds on the clock, where others use the processors too."""
MEMORY = 2 * 2**30
"""Bytes that it may have."""


@dataclass(frozen=True)
class Stage:
    """A folder of its own: a stranger's run, somebody's files beside it, a place for outputs.

    Arguments:
        folder: Where.
        scene: Where finished runs are.
    """

    folder: Path
    scene: Scene

    @property
    def run(self) -> Path:
        """The stranger's run."""
        return self.folder / "run"

    @property
    def victim(self) -> Path:
        """Somebody's folder, which nothing may touch."""
        return self.folder / "victim"

    @property
    def out(self) -> Path:
        """Where a command is told to write."""
        return self.folder / "out"

    def sample(self) -> list[str]:
        """A command that reads the options and the model of the run."""
        return ["sample", str(self.run), "--count", "1", "--output", str(self.out / "s.npy")]


@dataclass(frozen=True)
class Attack:
    """One thing that a stranger sends.

    Arguments:
        kind: What it is sent as.
        name: What is wrong with it.
        prepare: Plants it, and gives the command line that opens it.
        refused: Whether it must be refused, or must not; either will do if None.
        check: What else must hold; says what does not.
    """

    kind: str
    name: str
    prepare: Callable[[Stage], list[str]]
    refused: bool | None = True
    check: Callable[[Stage, Outcome], str | None] = lambda stage, outcome: None


def attempt(scene: Scene, attack: Attack) -> tuple[str | None, bool]:
    """Opens what was sent; tells what is wrong with that, and whether it was refused."""
    folder = scene.fresh(None)
    stage = Stage(folder, scene)
    shutil.copytree(scene.runs["whole"], stage.run)
    stage.victim.mkdir()
    stage.out.mkdir()
    (stage.victim / "thesis.txt").write_text("five years of work\n")
    (stage.victim / "last.ckpt").write_bytes(b"mine")
    arguments = attack.prepare(stage)
    before = _contents(stage)
    outcome = command(arguments, before=lambda: _guard(stage), limit=PATIENCE)
    fault = outcome.fault(attack.refused, begun=True) or attack.check(stage, outcome)
    if (asked := folder / "asked").exists():
        fault = f"asked the network: {asked.read_text()}"
        asked.unlink()
    after = _contents(stage)
    if touched := sorted({*before.items()} ^ {*after.items()}):
        fault = f"{touched[0][0]}, outside the run, was touched"
    if len(outcome.err) > 4000:
        fault = fault or f"said {len(outcome.err)} characters"
    if any(sign in outcome.err + outcome.out for sign in "\x1b\x07\x9b\u202e"):
        fault = fault or "an escape code came through"
    if fault is None:
        shutil.rmtree(folder, ignore_errors=True)
    return (None if fault is None else f"{fault} ({folder})"), outcome.status == 2


def _contents(stage: Stage) -> dict[str, str]:
    """All that is outside the run and the place for outputs."""
    inside = (stage.run, stage.out)
    found = {}
    for path in sorted(stage.folder.rglob("*")):
        if any(path.is_relative_to(place) for place in inside) or path.name == "asked":
            continue
        plain = path.is_file() and not path.is_symlink() and path.stat().st_size < 2**24
        content = path.read_bytes() if plain else b""
        found[str(path.relative_to(stage.folder))] = hashlib.sha256(content).hexdigest()
    return found


def _guard(stage: Stage) -> None:
    """Blocks the network, and tells who asks; takes memory away."""

    def asked(*words: Any, **_: Any) -> NoReturn:
        (stage.folder / "asked").write_text(repr(words[-1:]))
        raise OSError("the network is blocked")

    for name in ("connect", "connect_ex", "sendto"):
        setattr(socket.socket, name, asked)
    socket.getaddrinfo = asked
    socket.create_connection = asked
    resource.setrlimit(resource.RLIMIT_CPU, (_spent() + SECONDS, resource.RLIM_INFINITY))
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    born = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (min(soft, born + MEMORY), resource.RLIM_INFINITY))


def _spent() -> int:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return int(used.ru_utime + used.ru_stime) + 1
