"""Files: whole or not there when they are written, plain and of a size when they are read."""

import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows has other locks, and can go without
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "atomic_path",
    "create_anew",
    "find_link",
    "open_plain",
    "read_text",
    "take_lock",
    "write_text",
]

MOST_TEXT = 2**24
"""Bytes of a text file that are read; what commands write is far smaller."""
NO_LINK = getattr(os, "O_NOFOLLOW", 0)
NO_WAIT = getattr(os, "O_NONBLOCK", 0)
BINARY = getattr(os, "O_BINARY", 0)
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


def open_plain(path: str | Path) -> BinaryIO:
    """Opens a file to be read: a plain one, not a pipe at whose end nobody writes.

    Raises:
        OSError: If it cannot be opened, or is no plain file.

    Example:
        >>> open_plain("no/such")
        Traceback (most recent call last):
        FileNotFoundError: [Errno 2] No such file or directory: 'no/such'
    """
    handle = os.open(path, os.O_RDONLY | NO_WAIT | BINARY)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(f"{path} must be a plain file")
    return os.fdopen(handle, "rb")


def read_text(path: str | Path, most: int = MOST_TEXT) -> str:
    """Reads a plain text file in UTF-8 of at most so many bytes.

    Raises:
        OSError: If it cannot be read, or is no plain file.
        ValueError: If it is longer, or no UTF-8.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_text(Path(folder) / "a.txt", "to be")
        ...     read_text(Path(folder) / "a.txt", most=4)
        Traceback (most recent call last):
        ValueError: a text of at most 4 bytes is read, this one is longer
    """
    with open_plain(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"a text of at most {most:,} bytes is read, this one is longer")
    return content.decode()


@contextmanager
def create_anew(path: Path) -> Iterator[BinaryIO]:
    """Opens a new file of a fixed name; what was there, a link for one, is put away first.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     kept, link = Path(folder) / "kept", Path(folder) / "part"
        ...     write_text(kept, "mine")
        ...     link.symlink_to(kept)
        ...     with create_anew(link) as file:
        ...         _ = file.write(b"other")
        ...     read_text(kept), link.is_symlink()
        ('mine', False)
    """
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | NO_LINK | BINARY, 0o666)
    with os.fdopen(handle, "w+b") as file:
        yield file


def find_link(path: Path) -> Path | None:
    """Finds a link: the path itself, or one in the folder that it is; no link is followed.

    Example:
        >>> find_link(Path("no/such")) is None
        True
    """
    if path.is_symlink():
        return path
    if not path.is_dir():
        return None
    found = (find_link(Path(entry)) for entry in sorted(path.iterdir()))
    return next((link for link in found if link is not None), None)
