"""Memory, asked for before it is taken."""

import os
from pathlib import Path

from .errors import DataError

__all__ = ["CELL", "PICTURE", "TEXT", "free_memory", "of_values", "require_memory"]

SHARE = 0.8
"""Of the free memory that data may take."""
TEXT = 16
"""Bytes at most, as measured, that a byte of text takes while its cells or sentences are read."""
CELL = 16
"""That a cell takes beside."""
PICTURE = 5
"""Copies of the pixels of a folder, at most, while they are read and parted."""


def free_memory() -> int | None:
    """Gives the bytes that this process may still take, where the system says so.

    The least of what the machine, its container and a limit of the shell leave.
    """
    found = [value for value in (_of_machine(), _of_container(), _of_shell()) if value is not None]
    return max(0, min(found)) if found else None


def require_memory(needed: int, where: str, remedy: str = "") -> None:
    """Refuses what would not fit.

    Raises:
        DataError: Naming what is needed and what is there.

    Example:
        >>> require_memory(1, "x.npy", "; leave it on disk by --stream")
    """
    free = free_memory()
    if free is not None and needed > SHARE * free:
        raise DataError(
            f"{where} must fit into memory, got {_size(needed)} where {_size(free)} are free"
            f"{remedy}."
        )


def of_values(count: int, size: int) -> int:
    """Gives the bytes that values of some bytes each take while they are read and parted.

    Example:
        >>> of_values(10, 1), of_values(10, 8)
        (50, 240)
    """
    return count * (size + 4 * min(size, 4))  # once as they are, and as numbers for a network


def _of_machine() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvail"))
    except (OSError, StopIteration, ValueError, IndexError):
        return None


def _of_container() -> int | None:
    folder = Path("/sys/fs/cgroup")
    try:
        most = (folder / "memory.max").read_text().strip()
        used = int((folder / "memory.current").read_text())
        return None if most == "max" else int(most) - used
    except (OSError, ValueError):
        return None


def _of_shell() -> int | None:
    try:
        import resource

        most, _ = resource.getrlimit(resource.RLIMIT_AS)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (ImportError, OSError, ValueError):
        return None
    return None if most == resource.RLIM_INFINITY else most - used


def _size(count: int) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            break
        count //= 1024
    return f"{count:,} {unit}"
