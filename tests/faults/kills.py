"""Kills, at random moments, at each operation on a file and in the middle of writing one."""

import os
import random
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from children import Outcome, command
from scenes import Job, Scene
from tally import Tally
from wholeness import broken, contents, history, leftovers

__all__ = ["kill"]

OPERATIONS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate")
"""What Python says that it is about to do to a file."""
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
AGAIN = 0.25
"""How often what goes on after a kill is killed as well."""
ATTEMPTS = 3
"""For each kill that is asked for: some commands end before it comes."""


def kill(scene: Scene, plan: dict[str, dict[str, int]], seed: int) -> Tally:
    """Kills commands and mends what they leave; nothing saved may be lost.

    Arguments:
        scene: Where.
        plan: Job → flavour → how many: `moment`, `operation`, `byte`; fewer where a job has fewer
            operations, or writes no file so large.
        seed: Of the moments.
    """
    tally, dice = Tally("kills"), random.Random(seed)
    for name, flavours in plan.items():
        job = scene.jobs[name]
        if "operation" in flavours:
            operations = _operations(scene, job)
            tally.notes.append(f"{name}: {operations} operations on files")
        for flavour, count in flavours.items():
            done = 0
            for number in range(ATTEMPTS * count):
                if done == count:
                    break
                kill_after, before = None, _nothing
                if flavour == "moment":
                    kill_after = dice.uniform(0.02, 1.05 * scene.seconds(job))
                    how = f"after {kill_after:.3f} s"
                elif flavour == "operation":
                    n = 1 + (number * operations // count if count < operations else number)
                    if n > operations:
                        break
                    how = f"before operation {n}"
                else:
                    n = dice.randrange(max(map(len, scene.made(job).values())))
                    before, how = _killed_at_byte(n), f"at byte {n}"
                folder = scene.fresh(job.start)
                if flavour == "operation":
                    before = _killed_at_operation(folder, n)
                kept = contents(folder, *job.kept)
                outcome = command(job.arguments(folder), before, kill_after)
                killed = outcome.status in (-signal.SIGKILL, -signal.SIGXFSZ)
                fault = None if killed or outcome.status == 0 else str(outcome)
                fault = fault or _lost(folder, job, kept, outcome, scene)
                if killed:
                    done += 1
                    tally.count(f"{name}: {flavour}", fault, f"{how}, {folder}")
                elif fault:
                    tally.failures.append(f"{name}: not killed: {fault}")
                while fault is None and dice.random() < AGAIN:
                    outcome = command(
                        job.recovery(folder), kill_after=dice.uniform(0.02, scene.seconds(job))
                    )
                    fault = _lost(folder, job, kept, outcome, scene)
                    if outcome.status < 0:
                        tally.count(f"{name}: again", fault, f"{how}, and again, {folder}")
                if fault is None:
                    fault = _unmended(folder, job, kept, scene)
                    if fault:
                        tally.count(f"{name}: mended", fault, f"{how}, {folder}")
                if fault is None:
                    shutil.rmtree(folder, ignore_errors=True)
    return tally.done()


def _lost(
    folder: Path, job: Job, kept: dict[str, bytes | None], outcome: Outcome, scene: Scene
) -> str | None:
    """Says what is lost or half-written, if anything is."""
    if not folder.exists():
        return None
    found = contents(folder, *job.kept)
    for name, before in kept.items():
        if found[name] != before:
            return f"{name} was touched"
    if (fault := broken(folder)) and not (job.replaces and "last.ckpt" in fault):
        return fault
    if outcome.status == 0 or "report:" in outcome.out:
        for name, made in scene.made(job).items():
            if contents(folder, name)[name] != made:
                return f"{name} was reported as written, and is not as it should be"
    return None


def _unmended(folder: Path, job: Job, kept: dict[str, bytes | None], scene: Scene) -> str | None:
    """Says what the same command, said again, does not put right."""
    outcome = command(job.recovery(folder))
    if outcome.status:
        return f"not mended: {outcome.err[-500:]}"
    for name, made in scene.made(job).items():
        if contents(folder, name)[name] != made:
            return f"{name} is not what it would be without the kill"
    if job.name == "train" and history(folder) != history(scene.runs["whole"]):
        return "metrics.csv is not what it would be without the kill"
    if job.name.startswith("train") and (left := leftovers(folder)):
        return f"left behind: {left}"
    return _lost(folder, job, kept, outcome, scene)


def _nothing() -> None:
    pass


def _on_operation(folder: Path, act: Callable[[], None]) -> Callable[[], None]:
    """What a child does first so that it acts before each operation on files of a folder."""
    prefix = str(folder)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in OPERATIONS or not arguments:
            return
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & WRITING):
            return
        if isinstance(arguments[0], (str, os.PathLike)) and str(arguments[0]).startswith(prefix):
            act()

    return lambda: sys.addaudithook(hook)


def _operations(scene: Scene, job: Job) -> int:
    """Counts the operations of a job on files of its folder."""
    folder = scene.fresh(job.start)
    with tempfile.TemporaryFile() as marks:
        count = _on_operation(folder, lambda: os.write(marks.fileno(), b"."))
        assert command(job.arguments(folder), count).status == 0
        shutil.rmtree(folder)
        return os.fstat(marks.fileno()).st_size


def _killed_at_operation(folder: Path, n: int) -> Callable[[], None]:
    done = 0

    def act() -> None:
        nonlocal done
        done += 1
        if done == n:
            os.kill(os.getpid(), signal.SIGKILL)

    return _on_operation(folder, act)


def _killed_at_byte(n: int) -> Callable[[], None]:
    """The kernel ends the child as a file is about to have more than n bytes, in mid-write."""

    def before() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (n, n))

    return before
