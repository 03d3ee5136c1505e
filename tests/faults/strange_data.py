"""Data that are well-formed and strange."""

import struct
import zipfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
from children import Outcome, each, said
from scenes import SMALL, Scene
from tally import Tally

__all__ = ["puzzle"]

CLASSES = 1_000_000


def puzzle(scene: Scene, short: bool) -> Tally:
    """Trains on, and encodes, data with NaN, constants, one row, duplicates, a million classes …"""
    tally = Tally("strange data")
    folder = scene.folder / "strange"
    folder.mkdir()
    run = _run_of_rows(scene, folder)
    makers = dict(islice(MAKERS.items(), 0, None, 6)) if short else {**MAKERS, **LARGE}
    paths = {name: make(folder) for name, make in makers.items()}
    for name, path in paths.items():
        options = [*SMALL, "--epochs", "1", *_likelihood(name)]
        lines = {
            "train": ["train", str(path), *options, "--output", str(folder / "run"), "--overwrite"],
            "encode": ["encode", str(run), str(path), "--output", str(folder / "c.npz")],
            "reconstruct": ["reconstruct", str(run), str(path), "--output", str(folder / "r.npy")],
            "columns": ["train", str(path), *_columns(options),
                        "--output", str(folder / "table"), "--overwrite"],
        }  # fmt: skip
        cases = [_case(words) for words in lines.values()]
        for command, outcome in zip(lines, each(cases, limit=120), strict=True):
            must = True if name in REFUSED and command == "train" else None
            fault = outcome.fault(refused=must, begun=True)
            tally.count(command, fault, f"{name}, {path}", outcome.status == 2)
    return tally.done()


def _case(words: list[str]) -> Callable[[], Outcome]:
    return lambda: said(words)


def _likelihood(name: str) -> list[str]:
    return ["--likelihood", "gaussian"] if name in REAL else []


def _columns(options: list[str]) -> list[str]:
    words = list(options)
    for option in ("--likelihood", "--network"):
        if option in words:
            del words[words.index(option) : words.index(option) + 2]
    return [*words, "--likelihood", "columns"]


def _run_of_rows(scene: Scene, folder: Path) -> Path:
    path = folder / "rows.npy"
    np.save(path, np.random.default_rng(0).random((40, 3)).astype(np.float32))
    run = folder / "of-rows"
    scene.do(["train", str(path), *SMALL, "--epochs", "1", "--output", str(run)])
    return run


def _saved(array: np.ndarray) -> Callable[[Path, str], Path]:
    def make(folder: Path, name: str) -> Path:
        path = folder / f"{name}.npy"
        np.save(path, array)
        return path

    return make


def _spoilt(value: float) -> np.ndarray:
    x = np.full((40, 3), 0.5, np.float32)
    x[7, 1] = value
    return x


def _text(content: str, ending: str = ".csv") -> Callable[[Path, str], Path]:
    def make(folder: Path, name: str) -> Path:
        path = folder / f"{name}{ending}"
        path.write_text(content, encoding="utf-8")
        return path

    return make


def _npz(**arrays: np.ndarray) -> Callable[[Path, str], Path]:
    def make(folder: Path, name: str) -> Path:
        path = folder / f"{name}.npz"
        np.savez(path, **arrays)
        return path

    return make


def _claiming(shape: tuple[int, ...]) -> Callable[[Path, str], Path]:
    """An array whose header claims more than the file holds."""

    def make(folder: Path, name: str) -> Path:
        text = repr({"descr": "<f4", "fortran_order": False, "shape": shape}).encode()
        text = text.ljust(117) + b"\n"
        path = folder / f"{name}.npy"
        path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(480))
        return path

    return make


def _bomb(size: int) -> Callable[[Path, str], Path]:
    """An archive of zeros that is a thousand times larger unpacked."""

    def make(folder: Path, name: str) -> Path:
        path = folder / f"{name}.npz"
        with (
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open("x.npy", "w", force_zip64=True) as file,
        ):
            header = {"descr": "|u1", "fortran_order": False, "shape": (size // 64, 64)}
            np.lib.format.write_array_header_1_0(file, header)
            for _ in range(size // 2**20):
                file.write(bytes(2**20))
        return path

    return make


def _link(folder: Path, name: str) -> Path:
    target = folder / "a folder" / "naïve ☃ – 数据.npy"
    target.parent.mkdir()
    np.save(target, np.full((40, 3), 0.5))
    path = folder / f"{name}.npy"
    path.symlink_to(target)
    return path


def _loop(folder: Path, name: str) -> Path:
    path = folder / f"{name}.npy"
    path.symlink_to(path)
    return path


def _nothing(folder: Path, name: str) -> Path:
    path = folder / name
    path.mkdir()
    return path


def _image(size: tuple[int, int]) -> Callable[[Path, str], Path]:
    def make(folder: Path, name: str) -> Path:
        from PIL import Image

        path = folder / name
        path.mkdir()
        for i in range(4):
            Image.new("1", size).save(path / f"{i}.png")
        return path

    return make


def _wide_parquet(folder: Path, name: str) -> Path:
    import pyarrow
    import pyarrow.parquet

    path = folder / f"{name}.parquet"
    table = pyarrow.table({"a": np.zeros(5_000_000, np.uint8)})
    pyarrow.parquet.write_table(table, path)
    return path


half = np.full((40, 3), 0.5, np.float32)
random = np.random.default_rng(0).random((40, 3)).astype(np.float32)
_FILES: dict[str, Callable[[Path, str], Path]] = {
    "NaN": _saved(_spoilt(np.nan)),
    "infinite": _saved(_spoilt(np.inf)),
    "large": _saved(_spoilt(1e30)),
    "larger": _saved(_spoilt(3e38)),
    "tiny": _saved(random * np.float32(1e-40)),
    "constant": _saved(half),
    "zeros": _saved(np.zeros((40, 3))),
    "one constant column": _saved(np.column_stack([random[:, :2], np.ones(40)])),
    "duplicates": _saved(np.tile(random[:1], (40, 1))),
    "one row": _saved(random[:1]),
    "two rows": _saved(random[:2]),
    "three rows": _saved(random[:3]),
    "no row": _saved(random[:0]),
    "no column": _saved(random[:, :0]),
    "one number": _saved(np.array(0.5)),
    "one column": _saved(random[:, :1]),
    "one dimension": _saved(random[:, 0]),
    "six dimensions": _saved(np.zeros((4, 1, 1, 1, 1, 2))),
    "empty": _text("", ".npy"),
    "empty table": _text(""),
    "header alone": _text("a,b,c\n"),
    "lines alone": _text("\n\n\n"),
    "words": _text("a,b,c\n" + "x,y,z\n" * 40),
    "words and numbers": _text("a,b,c\n" + "1,y,2.5\n2,x,3.5\n" * 20),
    "a missing cell": _text("a,b,c\n" + "1,,0\n" + "0,1,0\n1,0,1\n" * 20),
    "a column of nothing": _text("a,b,c\n" + "1,,0\n0,,1\n" * 20),
    "ragged": _text("a,b,c\n" + "1,0\n0,1,0,1\n" * 20),
    "names twice": _text("a,a,c\n" + "1,0,1\n0,1,0\n" * 20),
    "ünïcode ☃": _text("é,☃,数\n" + "1,0,1\n0,1,0\n" * 20),
    "quotes": _text('a,b,c\n"1,0,1\n0,1,0\n' * 5),
    "labels of one class": _npz(x=random, labels=np.zeros(40, int)),
    "labels below zero": _npz(x=random, labels=-np.arange(40)),
    "labels too few": _npz(x=random, labels=np.zeros(3, int)),
    "labels that are NaN": _npz(x=random, labels=np.full(40, np.nan)),
    "two arrays": _npz(a=random, b=random),
    "objects": _npz(x=np.array([[None]], object)),
    "complex": _saved(random.astype(complex)),
    "dates": _saved(np.zeros((40, 3), "M8[s]")),
    "text": _saved(np.full((40, 3), "x")),
    "big-endian": _saved(random.astype(">f4")),
    "half": _saved(random.astype(np.float16)),
    "64 bits": _saved((random * 2**62).astype(np.int64)),
    "Fortran order": _saved(np.asfortranarray(random)),
    "claims petabytes": _claiming((2**45, 64)),
    "claims gigabytes": _claiming((2**25, 64)),
    "claims too little": _claiming((2, 3)),
    "claims below zero": _claiming((-1, 3)),
    "a link": _link,
    "a link to itself": _loop,
    "an empty folder": _nothing,
    "a small picture": _image((1, 1)),
}
MAKERS = {name: (lambda folder, n=name, m=make: m(folder, n)) for name, make in _FILES.items()}
LARGE = {
    name: (lambda folder, n=name, m=make: m(folder, n))
    for name, make in {
        "a million classes": _npz(
            x=np.zeros((CLASSES, 1), np.uint8), labels=np.arange(CLASSES)[::-1]
        ),
        "a million classes with names": _text(
            "a,b,c,label\n" + "".join(f"1,0,1,n{i}\n" for i in range(CLASSES // 10))
        ),
        "a bomb": _bomb(2**29),
        "a huge picture": _image((20_000, 12_000)),
        "five million rows": _wide_parquet,
    }.items()
}
REAL = ("large", "larger", "64 bits", "tiny")
REFUSED = (
    *("infinite", "one row", "two rows", "no row", "no column", "one number", "empty"),
    *("one dimension", "six dimensions", "empty table", "header alone", "lines alone", "words"),
    *("ragged", "labels too few", "two arrays", "objects"),
    *("labels that are NaN", "complex", "dates", "text", "claims petabytes", "claims gigabytes"),
    *("a link to itself", "an empty folder", "quotes"),
)
"""What cannot be trained on, and must be refused."""
