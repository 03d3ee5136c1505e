"""Damaged files of every kind that the tool reads."""

import csv
import gzip
import json
import random
import shutil
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from children import Outcome, each, said
from scenes import SMALL, Scene
from tally import Tally

__all__ = ["damage"]

ROWS = 40
"""Examples in the files of data."""


@dataclass(frozen=True)
class Kind:
    """A kind of file, and the command that reads it.

    Arguments:
        name: What to call it.
        path: The whole file, in the folder of the case.
        arguments: The command that reads it, given that folder.
        checked: Whether it carries a checksum, so that any change must be refused.
        made: What the command writes; where it is what the whole file gives, nothing was changed.
    """

    name: str
    path: str
    arguments: Callable[[Path], list[str]]
    checked: bool = False
    made: str = ""


def _on_run(*words: str) -> Callable[[Path], list[str]]:
    return lambda folder: [word.format(folder / "run", folder / "data") for word in words]


READ_RUN = _on_run("sample", "{0}", "--count", "1", "--output", "{0}/samples.npy")
ENCODE = ("encode", "{0}", "--output", "{0}/codes.npz")


def _data(name: str, *more: str) -> Kind:
    train = _on_run("train", f"{{1}}/{name}", *SMALL, "--epochs", "1", *more)
    return Kind(f"data {Path(name).suffix or 'images'}", f"data/{name}", train)


def _encoded(name: str) -> Kind:
    arguments = _on_run("encode", "{0}", f"{{1}}/{name}", "--output", "{0}/codes.npz")
    return Kind(f"encode {Path(name).suffix}", f"data/{name}", arguments)


KINDS = (
    Kind("config.yaml", "run/config.yaml", READ_RUN),
    Kind("model/config.json", "run/model/config.json", READ_RUN, checked=True),
    Kind("model.safetensors", "run/model/model.safetensors", READ_RUN, checked=True),
    Kind("metrics.csv", "run/metrics.csv", _on_run("evaluate", "{0}")),
    Kind("last.ckpt", "run/checkpoints/last.ckpt", _on_run("train", "--resume", "{0}")),
    Kind("best.ckpt", "run/checkpoints/best.ckpt", _on_run("train", "--resume", "{0}")),
    Kind("codes .npz", "run/given.npz", _on_run("decode", "{0}", "{0}/given.npz"), checked=True,
         made="run/decoded.npy"),
    Kind("archive", "run/given.dvae", _on_run("decompress", "{0}", "{0}/given.dvae"), checked=True),
    Kind("lossy archive", "run/lossy.dvae", _on_run("decompress", "{0}", "{0}/lossy.dvae"),
         checked=True),
    Kind("options --config", "data/options.yaml",
         _on_run("train", "digits", "--config", "{1}/options.yaml")),
    Kind("plan.json", "compared/plan.json", lambda folder: _compare(folder)),
    Kind("metrics.json", "compared/rloo/seed-0/metrics.json", lambda folder: _compare(folder)),
    Kind("history of compare", "compared/rloo/seed-0/metrics.csv", lambda folder: _compare(folder)),
    _data("x.npy"), _data("x.npz"), _data("x.csv"), _data("x.parquet"), _data("images/0.png"),
    _data("sentences.txt"), _data("table.csv", "--likelihood", "columns", "--network", "columns"),
    _encoded("x.npy"), _encoded("x.csv"), _encoded("x.parquet"),
    Kind("impute .csv", "data/rows.csv",
         _on_run("impute", "{1}/table-run", "{1}/rows.csv", "--output", "{1}/filled.csv")),
    Kind("context .npy", "data/context.npy",
         _on_run("sample", "{1}/conditional", "--context", "{1}/context.npy", "--count", "1",
                 "--output", "{1}/samples.npy")),
)  # fmt: skip
"""Read by commands; idx files of the named sets are read in `_idx_cases`."""


def _compare(folder: Path) -> list[str]:
    sizes = ("--limit", "30", "--batch-size", "20", "--num-latents", "2", "--num-categories", "2")
    return [
        *("compare", "digits", "--estimators", "rloo", "--seeds", "1", "--epochs", "1", *sizes),
        *("--importance-samples", "2", "--output", str(folder / "compared")),
    ]


def damage(scene: Scene, count: int, seed: int) -> Tally:
    """Damages files and reads them: each is refused in a line, or still means something.

    Arguments:
        scene: Where.
        count: How many damaged files of each kind.
        seed: Of the damages.
    """
    tally = Tally("damaged files")
    folder = _stage(scene)
    foreign = [p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()][:40]
    for kind in KINDS:
        path, whole = folder / kind.path, (folder / kind.path).read_bytes()
        dice = random.Random(f"{seed} {kind.name}")
        damages = list(_damages(whole, dice, count, foreign, path.suffix))
        arguments, made = kind.arguments(folder), folder / kind.made
        if kind.made:
            scene.do(arguments)
        right = made.read_bytes() if kind.made else None
        cases = [_case(path, content, arguments, made, right) for _, content in damages]
        for (how, content), found in zip(
            damages, each(cases, limit=60, before=_cut_short), strict=True
        ):
            outcome, unharmed = found if isinstance(found, tuple) else (found, False)
            unharmed |= _same(content, whole, path.suffix)
            must = True if kind.checked and not unharmed else None
            fault = outcome.fault(refused=must, begun="ckpt" in kind.name)
            if fault:
                keep = folder / "failed" / f"{len(tally.failures)}-{path.name}"
                keep.parent.mkdir(exist_ok=True)
                keep.write_bytes(content)
                how = f"{how}, {keep}"
            tally.count(kind.name, fault, how, refused=outcome.status == 2)
        path.write_bytes(whole)
    _idx_cases(tally, folder, count, seed)
    return tally.done()


def _same(content: bytes, whole: bytes, suffix: str) -> bool:
    """Whether nothing but the space in a text was damaged."""
    if suffix != ".json":
        return content == whole
    try:
        return bool(json.loads(content) == json.loads(whole))
    except (ValueError, RecursionError):
        return False


def _case(
    path: Path, content: bytes, arguments: list[str], made: Path, right: bytes | None
) -> Callable[[], tuple[Outcome, bool]]:
    """Reads a damaged file; tells also whether what came of it is right all the same."""

    def case() -> tuple[Outcome, bool]:
        path.write_bytes(content)
        outcome = said(arguments)
        return outcome, right is not None and made.read_bytes() == right

    return case


def _cut_short() -> None:
    """Trains and draws nothing where a file has been read and found whole."""
    import discretevae.cli.train
    import discretevae.pages.publish
    import discretevae.studies.laboratory.present

    real = discretevae.cli.train._train

    def train(run: Any, recipe: Any, prepared: Any) -> None:
        if prepared.start:
            real(run, recipe, prepared)

    discretevae.cli.train._train = train  # type: ignore[assignment]
    discretevae.pages.publish.publish = lambda *_: None
    discretevae.studies.laboratory.present.draw_comparison = lambda found, path: path


def _stage(scene: Scene) -> Path:
    """Makes a whole file of each kind."""
    folder = scene.folder / "damage"
    data = folder / "data"
    data.mkdir(parents=True)
    shutil.copytree(scene.runs["whole"], folder / "run")
    run = folder / "run"
    scene.do(["compress", str(run), "--lossy", "--output", str(run / "lossy.dvae")])
    scene.do(_compare(folder))
    dice = np.random.default_rng(0)
    x = dice.integers(0, 2, (ROWS, 8, 8)).astype(np.float32)
    np.save(data / "x.npy", x)
    np.savez_compressed(data / "x.npz", x=x, labels=np.arange(ROWS) % 3)
    _write_csv(data / "x.csv", x.reshape(ROWS, 64)[:, :6], "abcdef")
    _write_parquet(data / "x.parquet", x.reshape(ROWS, 64)[:, :6])
    _write_images(data / "images", x)
    words = ["the cat sat", "a dog ran", "the end is near", "cats and dogs, naïve"]
    (data / "sentences.txt").write_text("\n".join(words * 10) + "\n", encoding="utf-8")
    for name in ("table.csv", "rows.csv"):
        _write_table(data / name)
    (data / "options.yaml").write_text(yaml.safe_dump(_options(run)))
    table = ("--likelihood", "columns", "--network", "columns", "--epochs", "1")
    scene.do(["train", str(data / "table.csv"), *_without_network(), *table,
              "--output", str(data / "table-run")])  # fmt: skip
    context = dice.random((ROWS, 3), dtype=np.float32)
    np.savez(data / "with-context.npz", x=x, context=context)
    np.save(data / "context.npy", context[:2])
    scene.do(["train", str(data / "with-context.npz"), *SMALL, "--epochs", "1",
              "--condition", "context", "--output", str(data / "conditional")])  # fmt: skip
    return folder


def _without_network() -> tuple[str, ...]:
    i = SMALL.index("--network")
    return (*SMALL[:i], *SMALL[i + 2 :])


def _options(run: Path) -> dict[str, object]:
    options = yaml.safe_load((run / "config.yaml").read_text())
    return {k: v for k, v in options.items() if v is not None and k != "versions"}


def _write_csv(path: Path, x: np.ndarray, names: str) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*names, "label"])
        writer.writerows([*row, "odd" if i % 2 else "even"] for i, row in enumerate(x.tolist()))


def _write_parquet(path: Path, x: np.ndarray) -> None:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table({f"c{i}": column for i, column in enumerate(x.T)})
    pyarrow.parquet.write_table(table, path, row_group_size=10)


def _write_images(folder: Path, x: np.ndarray) -> None:
    from PIL import Image

    folder.mkdir()
    for i, image in enumerate(x):
        Image.fromarray((image * 255).astype(np.uint8)).save(folder / f"{i}.png")


def _write_table(path: Path) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["age", "job", "smoker"])
        jobs = ("cook", "smith", "baker")
        for i in range(ROWS):
            writer.writerow([20 + i if i % 7 else "", jobs[i % 3], "yes" if i % 2 else "no"])


def _damages(
    whole: bytes, dice: random.Random, count: int, foreign: list[bytes], suffix: str
) -> Iterator[tuple[str, bytes]]:
    """Gives `count` damaged versions of a file, and what was done to each."""
    fixed = [
        ("emptied", b""),
        ("one byte", whole[:1]),
        ("its last byte lost", whole[:-1]),
        ("zeros", bytes(len(whole))),
        ("a hostile one", HOSTILE.get(suffix, b"\x80\x04.")),
    ]
    ways = (_truncated, _flipped, _flipped, _flipped, _overwritten, _appended, _swapped, _doubled)
    dice.shuffle(fixed)
    for number in range(count):
        if number < len(fixed):
            yield fixed[number]
        else:
            way = ways[number % len(ways)]
            yield way(whole, dice, foreign)


def _truncated(whole: bytes, dice: random.Random, _: list[bytes]) -> tuple[str, bytes]:
    n = dice.randrange(len(whole))
    return f"cut at byte {n}", whole[:n]


def _flipped(whole: bytes, dice: random.Random, _: list[bytes]) -> tuple[str, bytes]:
    damaged = bytearray(whole)
    # Headers are short, and matter most.
    places = [
        dice.randrange(min(len(whole), dice.choice((64, 512, len(whole)))))
        for _ in range(dice.choice((1, 1, 1, 4)))
    ]
    bits = [dice.randrange(8) for _ in places]
    for place, bit in zip(places, bits, strict=True):
        damaged[place] ^= 1 << bit
    return f"bits {bits} of bytes {places} flipped", bytes(damaged)


def _overwritten(whole: bytes, dice: random.Random, _: list[bytes]) -> tuple[str, bytes]:
    start = dice.randrange(len(whole))
    noise = dice.randbytes(min(dice.choice((4, 32, 512)), len(whole) - start))
    return f"noise from byte {start}", whole[:start] + noise + whole[start + len(noise) :]


def _appended(whole: bytes, dice: random.Random, _: list[bytes]) -> tuple[str, bytes]:
    n = dice.choice((1, 7, 1000))
    return f"{n} bytes more", whole + dice.randbytes(n)


def _swapped(_: bytes, dice: random.Random, foreign: list[bytes]) -> tuple[str, bytes]:
    i = dice.randrange(len(foreign))
    return f"another file, {i}", foreign[i]


def _doubled(whole: bytes, dice: random.Random, _: list[bytes]) -> tuple[str, bytes]:
    start = dice.randrange(len(whole))
    return f"what follows byte {start} twice", whole + whole[start:]


DEEP = 20_000
LONG = b"[" * DEEP + b"]" * DEEP
HOSTILE = {
    ".json": LONG,
    ".yaml": b"data: " + LONG,
    ".csv": b"1," * 50_000 + b'\n"' + b"x" * 200_000,
    ".npy": b"\x93NUMPY\x01\x00"
    + struct.pack("<H", 118)
    + b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 1000), }".ljust(117)
    + b"\n",
    ".safetensors": struct.pack("<Q", 2**62) + b"{}",
    ".ckpt": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
    ".dvae": b"\x89DVAE\r\n\x1a" + struct.pack("<I", 2**32 - 1),
    ".txt": b"\xff\xfe" * 100,
    ".png": b"\x89PNG\r\n\x1a\n"
    + struct.pack(">I4sII", 13, b"IHDR", 2**31 - 1, 2**31 - 1)
    + bytes(5),
    ".npz": b"PK\x05\x06" + bytes(18),
}  # fmt: skip
"""Ending → what somebody who means harm could write."""


def _idx_cases(tally: Tally, folder: Path, count: int, seed: int) -> None:
    """Damages a gzipped file of the kind that the named sets come in."""
    from discretevae.data.formats.idx import read_idx

    shape = (20, 8, 8)
    header = bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in shape)
    content = header + random.Random(0).randbytes(20 * 64)
    whole, path = gzip.compress(content, mtime=0), folder / "x.gz"
    bomb = (
        gzip.compress(bytes(2**30), compresslevel=9) if count > 20 else gzip.compress(bytes(2**24))
    )
    dice = random.Random(f"{seed} idx")
    damages = [
        ("a bomb", bomb),
        *_damages(whole, dice, count, [b"", content, json.dumps({}).encode()], ".gz"),
    ]

    def case(damaged: bytes) -> Callable[[], Outcome]:
        def read() -> Outcome:
            path.write_bytes(damaged)
            try:
                found = read_idx(path, shape)
            except ValueError as error:
                return Outcome(2, "", f"discretevae: {error}")
            return Outcome(0 if found.shape == shape else 1, "", "")

        return read

    cases = [case(damaged) for _, damaged in damages]
    for (how, _), outcome in zip(damages, each(cases), strict=True):
        tally.count("idx .gz", outcome.fault(), how, refused=outcome.status == 2)
