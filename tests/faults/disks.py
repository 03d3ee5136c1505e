"""Full disks, quotas and folders that may not be written to."""

import contextlib
import ctypes
import os
import random
import resource
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from children import Outcome, command
from scenes import Job, Scene
from tally import Tally
from wholeness import broken, contents

__all__ = ["fill", "forbid"]

CAPABILITIES = 0x20080522
"""The version of the kernel's interface."""
DISK = 32 * 2**20
"""Bytes of the small disk."""
MOST = 2**18
"""Bytes, about, that a command writes here."""


def fill(scene: Scene, jobs: dict[str, int], seed: int) -> Tally:
    """Runs commands where space ends: on a small disk of memory, and under a quota of each file.

    Arguments:
        scene: Where.
        jobs: Name → how many times for either.
        seed: Of the sizes.
    """
    tally, dice = Tally("full disks and quotas"), random.Random(seed)
    with _small_disk(scene.folder / "disk") as disk:
        if disk is None:
            tally.notes.append("no small disk could be mounted (that needs root): quotas alone")
        for name, count in jobs.items():
            job = scene.jobs[name]
            for number in range(count):
                free = int(2 ** dice.uniform(8, 17.5))
                if disk is not None:
                    _full(tally, scene, job, disk, free if number else 0)
                _quota(tally, scene, job, free)
    return tally.done()


def forbid(scene: Scene, jobs: dict[str, int], seed: int) -> Tally:
    """Runs commands on folders that may not be written to; root gives up what lets it."""
    tally = Tally("read-only folders")
    for name in jobs:
        job = scene.jobs[name]
        folder = scene.fresh(job.start)
        if job.start is None:
            folder.mkdir()
        for part in (folder, *(p for p in folder.rglob("*") if p.is_dir())):
            part.chmod(0o555)
        target = folder / "run" if job.start is None else folder
        kept = contents(folder, *job.kept)
        outcome = command(job.arguments(target), _without_privileges)
        fault = outcome.fault(refused=True, begun=True) or _touched(folder, job, kept)
        tally.count(f"{name}: permissions", fault, str(folder), refused=outcome.status == 2)
    with _small_disk(scene.folder / "disk") as disk:
        if disk is None:
            tally.notes.append("no disk could be mounted read-only (that needs root)")
            return tally.done()
        for name in jobs:
            job = scene.jobs[name]
            folder = scene.fresh(job.start, disk)
            kept = contents(folder, *job.kept)
            _mount("-o", "remount,ro", str(disk))
            outcome = command(job.arguments(folder))
            fault = outcome.fault(refused=True, begun=True)
            if folder.exists():
                fault = fault or _touched(folder, job, kept)
            tally.count(f"{name}: disk", fault, str(folder), refused=outcome.status == 2)
            _mount("-o", "remount,rw", str(disk))
            shutil.rmtree(folder, ignore_errors=True)
    return tally.done()


def _full(tally: Tally, scene: Scene, job: Job, disk: Path, free: int) -> None:
    folder = scene.fresh(job.start, disk)
    kept = contents(folder, *job.kept)
    ballast = disk / "ballast"
    there = os.statvfs(disk)
    with ballast.open("wb") as file:
        file.write(b"\0" * max(0, there.f_bavail * there.f_frsize - free))
    outcome = command(job.arguments(folder))
    ballast.unlink()
    _check(tally, scene, job, folder, kept, outcome, f"{job.name}: disk", f"{free} bytes free")


def _quota(tally: Tally, scene: Scene, job: Job, most: int) -> None:
    folder = scene.fresh(job.start)
    kept = contents(folder, *job.kept)

    def before() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    outcome = command(job.arguments(folder), before)
    _check(tally, scene, job, folder, kept, outcome, f"{job.name}: quota", f"{most} bytes a file")


def _check(
    tally: Tally,
    scene: Scene,
    job: Job,
    folder: Path,
    kept: dict[str, bytes | None],
    outcome: Outcome,
    kind: str,
    what: str,
) -> None:
    fault = outcome.fault(begun=True) or _touched(folder, job, kept)
    if fault is None:
        again = command(job.recovery(folder))
        if again.status:
            fault = f"not mended with space: {again.err[-400:]}"
        for name, made in scene.made(job).items():
            if fault is None and contents(folder, name)[name] != made:
                fault = f"{name} is not what it would be with space from the start"
    tally.count(kind, fault, f"{what}, {folder}", refused=outcome.status == 2)
    if fault is None:
        shutil.rmtree(folder, ignore_errors=True)


def _touched(folder: Path, job: Job, kept: dict[str, bytes | None]) -> str | None:
    if not folder.exists():
        return None
    for name, now in contents(folder, *job.kept).items():
        if now != kept[name]:
            return f"{name} was touched"
    fault = broken(folder)
    return None if fault and job.replaces and "last.ckpt" in fault else fault


def _without_privileges() -> None:
    """Root may write everywhere, as long as it has the capability: give all of them up."""
    if os.getuid() == 0:
        header = (ctypes.c_uint32 * 2)(CAPABILITIES, 0)
        none = (ctypes.c_uint32 * 6)()
        if ctypes.CDLL(None).capset(header, none):
            raise RuntimeError("root keeps its privileges")


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[Path | None]:
    folder.mkdir(exist_ok=True)
    if os.getuid() != 0 or not _mount("-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)):
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False, capture_output=True)


def _mount(*arguments: str) -> bool:
    try:
        return (
            subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0
        )
    except FileNotFoundError:
        return False
