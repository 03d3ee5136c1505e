"""Writing files so that nothing half-written is ever left under a final name."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has other locks, and can go without
    fcntl = None  # type: ignore[assignment]

__all__ = ["atomic_path", "take_lock", "write_text"]

OS_ERROR = re.compile(r"\(os error (\d+)\)")


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Gives a temporary path beside `path`, renamed to it once the block ends without error.

    The temporary file is locked, see :func:`take_lock`: one that is not was left by a kill.

    Raises:
        OSError: If the disk is full or may not be written to, whatever the block made of that.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with atomic_path(Path(folder) / "a.txt") as temporary:
        ...         _ = temporary.write_text("whole")
        ...     (Path(folder) / "a.txt").read_text()
        'whole'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    temporary = Path(name)
    try:
        take_lock(handle)
        if fcntl is None:  # Windows renames no open file
            os.close(handle)
        with _plain_errors(path):
            yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
        if fcntl is not None:
            os.close(handle)


def take_lock(handle: int) -> bool:
    """Locks an open file or folder until it is closed or the process ends, however.

    Returns:
        False if another process has locked it. Where a file system has no locks, True.

    Example:
        >>> with tempfile.TemporaryFile() as file:
        ...     take_lock(file.fileno())
        True
    """
    try:
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


@contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    """Tells what a disk refuses as an OSError, which libraries hide in errors of their own."""
    try:
        yield
    except (OSError, ValueError):
        raise
    except Exception as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        if found := OS_ERROR.search(str(error)):
            number = int(found[1])
            raise OSError(number, os.strerror(number), str(path)) from None
        raise


def write_text(path: str | Path, text: str) -> None:
    """Writes a text file as a whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
