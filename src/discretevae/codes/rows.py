"""Arrays on disk that are written a block at a time."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from discretevae.files import atomic_path

__all__ = ["header_of", "save_rows"]


def header_of(count: int, row_shape: tuple[int, ...], dtype: np.dtype) -> dict[str, object]:
    """Gives what a `.npy` file says of its array."""
    descr = np.lib.format.dtype_to_descr(dtype)
    return {"descr": descr, "fortran_order": False, "shape": (count, *row_shape)}


def save_rows(
    path: str | Path,
    count: int,
    row_shape: tuple[int, ...],
    dtype: np.dtype,
    blocks: Iterable[np.ndarray],
) -> None:
    """Writes a `.npy` file of blocks of rows, as a whole or not at all.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "x.npy"
        ...     save_rows(path, 3, (2,), np.dtype("f4"), iter([np.zeros((2, 2)), np.ones((1, 2))]))
        ...     np.load(path).tolist()
        [[0.0, 0.0], [0.0, 0.0], [1.0, 1.0]]
    """
    # Written, not mapped: on a full disk, a mapped file kills the process.
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header_of(count, row_shape, dtype))
        for block in blocks:
            file.write(block.astype(dtype).tobytes())
