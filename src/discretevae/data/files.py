"""The user's own files."""

import os
from collections.abc import Callable
from pathlib import Path

from .arrays import Contents
from .errors import DataError, nearest
from .formats.images import read_images
from .formats.numpy_files import read_npy, read_npz
from .tables import read_csv, read_parquet

__all__ = ["READERS", "read_file"]

READERS: dict[str, Callable[[Path], Contents]] = {
    ".npy": read_npy,
    ".npz": read_npz,
    ".csv": read_csv,
    ".parquet": read_parquet,
}


def read_file(path: str | os.PathLike[str]) -> Contents:
    """Returns the examples in a file or a folder of images, and the names of its classes.

    Arguments:
        path: A file with an ending in `READERS`, or a folder.

    Raises:
        DataError: If it is missing, empty, truncated, of another kind, or holds what
            `examples_from_arrays` refuses.

    Example:
        >>> read_file("no/such.npy")
        Traceback (most recent call last):
        discretevae.data.errors.DataError: no/such.npy does not exist: there is no folder no.
    """
    path = Path(os.path.expanduser(path))
    if os.path.isdir(path):
        return _guarded(read_images, path)
    _check_file(path)
    return _guarded(READERS[path.suffix.lower()], path)


def _check_file(path: Path) -> None:
    if not os.path.exists(path):
        raise DataError(f"{path} does not exist{_whereabouts(path)}")
    if not os.path.isfile(path):
        raise DataError(f"{path} must be a file or a folder of images.")
    if path.suffix.lower() not in READERS:
        raise DataError(
            f"{path} must end in {', '.join(READERS)} or be a folder of images, "
            f"got {path.suffix or 'no ending'}."
        )
    if path.stat().st_size == 0:
        raise DataError(f"{path} must hold data, got an empty file.")


def _whereabouts(path: Path) -> str:
    if not os.path.isdir(path.parent):
        return f": there is no folder {path.parent}."
    return "." + nearest(path.name, (p.name for p in path.parent.iterdir()))


def _guarded(read: Callable[[Path], Contents], path: Path) -> Contents:
    try:
        return read(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
