"""Archives as CIFAR-10 is published in, of few examples."""

import io
import tarfile
from pathlib import Path

import numpy as np

FILES = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]


def random_images(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws images and labels."""
    draws = np.random.default_rng(0)
    x = draws.integers(0, 256, (count, 3, 32, 32), np.uint8)
    return x, draws.integers(0, 10, count, np.uint8)


def write_archive(path: Path, x: np.ndarray, labels: np.ndarray, rows: int) -> None:
    """Writes so many examples to each of the six files."""
    with tarfile.open(path, "w:gz") as archive:
        add(archive, "batches.meta.txt", b"airplane\n")
        for i, name in enumerate(FILES):
            part = slice(i * rows, (i + 1) * rows)
            table = np.concatenate([labels[part, None], x[part].reshape(rows, -1)], 1)
            add(archive, name, table.tobytes())


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """Writes one file."""
    about = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
    about.size = len(content)
    archive.addfile(about, io.BytesIO(content))
