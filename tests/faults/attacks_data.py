"""A stranger's data: small files that unpack to large ones, and cells that fill an error."""

import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from attack import Attack, Stage
from scenes import SMALL

__all__ = ["DATA"]

Make = Callable[[Path], Any]


def _train(name: str, make: Make, *options: str) -> Callable[[Stage], list[str]]:
    """Trains on a file; a run that begins is one that has its data in memory."""

    def prepare(stage: Stage) -> list[str]:
        path = stage.folder / name
        make(path)
        words = [word for word in SMALL if word not in ("--network", "mlp", "--widths", "16")]
        output = ("--output", str(stage.out / "run"))
        return ["train", str(path), *words, "--epochs", "1", *options, *output]

    return prepare


def _encode(name: str, make: Make) -> Callable[[Stage], list[str]]:
    def prepare(stage: Stage) -> list[str]:
        path = stage.folder / name
        make(path)
        return ["encode", str(stage.run), str(path), "--output", str(stage.out / "c.npz")]

    return prepare


def _npz(count: int, method: int = zipfile.ZIP_DEFLATED) -> Make:
    """An archive of zeros, a megabyte of which takes a kilobyte."""

    def make(path: Path) -> None:
        with (
            zipfile.ZipFile(path, "w", method, compresslevel=1) as archive,
            archive.open("x.npy", "w", force_zip64=True) as file,
        ):
            header = {"descr": "|u1", "fortran_order": False, "shape": (count // 64, 64)}
            np.lib.format.write_array_header_1_0(file, header)
            for _ in range(count // 2**20):
                file.write(bytes(2**20))

    return make


def _claim(shape: tuple[int, ...], descr: str = "<f4") -> bytes:
    text = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    text = text.ljust(200) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(480)


def _npy(shape: tuple[int, ...], descr: str = "<f4") -> Make:
    return lambda path: path.write_bytes(_claim(shape, descr))


def _npz_claiming(shape: tuple[int, ...], descr: str = "<f4") -> Make:
    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", _claim(shape, descr))

    return make


def _parquet(rows: int, columns: int = 1) -> Make:
    def make(path: Path) -> None:
        import pyarrow
        import pyarrow.parquet

        zeros = np.zeros(rows, np.uint8)
        table = pyarrow.table({f"c{i}": zeros for i in range(columns)})
        pyarrow.parquet.write_table(table, path, row_group_size=rows)

    return make


def _parquet_text(letters: int, rows: int) -> Make:
    """One long text, once on disk and in every row."""

    def make(path: Path) -> None:
        import pyarrow
        import pyarrow.parquet

        texts = pyarrow.DictionaryArray.from_arrays(
            pyarrow.array(np.zeros(rows, np.int32)), pyarrow.array(["x" * letters])
        )
        pyarrow.parquet.write_table(pyarrow.table({"text": texts}), path)

    return make


def _images(side: int, count: int, frames: int = 1) -> Make:
    def make(path: Path) -> None:
        from PIL import Image

        path.mkdir()
        image = Image.new("L", (side, side))
        name = "0.gif" if frames > 1 else "0.png"
        if frames > 1:
            others = [Image.new("L", (side, side), i % 256) for i in range(1, frames)]
            image.save(path / name, save_all=True, append_images=others)
        else:
            image.save(path / name)
        for i in range(1, count):
            (path / f"{i}.png").hardlink_to(path / name)

    return make


def _text(content: str) -> Make:
    return lambda path: path.write_text(content, encoding="utf-8")


ROW = "1,0,1\n0,1,0\n"
COLUMNS = ("--likelihood", "columns")
CASES: dict[str, Callable[[Stage], list[str]]] = {
    "an archive that claims petabytes": _train("x.npz", _npz_claiming((2**45, 64))),
    "an archive of a gigabyte of zeros": _train("x.npz", _npz(2**30)),
    "an archive packed by bzip2": _train("x.npz", _npz(2**29, zipfile.ZIP_BZIP2)),
    "an archive of a gigabyte, encoded": _encode("x.npz", _npz(2**30)),
    "an archive that claims gigabytes": _train("x.npz", _npz_claiming((2**25, 64))),
    "an archive of Python objects": _train("x.npz", _npz_claiming((6, 2), "|O")),
    "an array that claims petabytes": _train("x.npy", _npy((2**45, 64))),
    "an array that claims gigabytes": _train("x.npy", _npy((2**25, 64))),
    "an array that claims less than nothing": _train("x.npy", _npy((-1, 64))),
    "an array of Python objects": _train("x.npy", _npy((6, 2), "|O")),
    "an array of raw memory": _train("x.npy", _npy((6, 2), "|V1000000000")),
    "an array that claims gigabytes, encoded": _encode("x.npy", _npy((2**25, 64))),
    "a context that claims gigabytes": lambda stage: _context(stage),
    "a table of a hundred million rows": _train("x.parquet", _parquet(10**8)),
    "a table of a hundred million rows, encoded": _encode("x.parquet", _parquet(10**8)),
    "a table of a hundred million rows, by columns": _train("x.parquet", _parquet(10**8), *COLUMNS),
    "a text of a megabyte in ten thousand rows": _train(
        "x.parquet", _parquet_text(10**6, 10**4), "--likelihood", "tokens"
    ),
    "such a text, by columns": _train("x.parquet", _parquet_text(10**6, 10**4), *COLUMNS),
    "an image of 10^8 pixels": _train("images", _images(16_000, 1)),
    "a thousand names of one large image": _train("images", _images(4_000, 1_000)),
    "an image of two thousand frames": _train("images", _images(8, 1, 2_000)),
    "one sentence of a million letters": _train(
        "x.txt", _text("a\n" * 30 + "b" * 10**6 + "\n"), "--strict"
    ),
    "sentences of a hundred thousand letters": _train("x.txt", _text(("ab" * 10**5 + "\n") * 6)),
    "a cell of 100 kB": _train("x.csv", _text("a,b,c\n" + ROW * 9 + f"1,{'x' * 10**5},0\n")),
    "a cell of 5 MB": _train("x.csv", _text("a,b,c\n" + ROW * 9 + f"1,{'x' * 5 * 10**6},0\n")),
    "a cell of 100 kB, by columns": _train(
        "x.csv", _text("a,b,c\n" + ROW * 9 + f"1,{'x' * 10**5},0\n"), *COLUMNS
    ),
    "a name of 100 kB": _train("x.csv", _text(f"a,{'b' * 10**5},\n" + ROW * 9)),
    "a hundred thousand columns": _train(
        "x.csv", _text(",".join(f"c{i}" for i in range(10**5)) + "\n" + ROW)
    ),
    "escape codes in a cell": _train("x.csv", _text("a,b,c\n" + ROW * 9 + "1,\x1b[2J\x07,0\n")),
    "a cell that turns the line round": _train(
        "x.csv", _text("a,b,c\n" + ROW * 9 + "1,\u202etxt,0\n")
    ),
}


TAKEN = (
    *("a cell of 100 kB", "a cell of 5 MB", "a cell of 100 kB, by columns", "a name of 100 kB"),
    *("escape codes in a cell", "a cell that turns the line round"),
)
"""One strange cell stops nothing."""


def _context(stage: Stage) -> list[str]:
    path = stage.folder / "context.npy"
    path.write_bytes(_claim((2**28, 64)))
    return [*stage.sample(), "--context", str(path)]


DATA = tuple(Attack("data", name, prepare, name not in TAKEN) for name, prepare in CASES.items())
