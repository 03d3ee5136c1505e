"""Commands where memory is short: one clear line, never a traceback, never killed.

Under a limit of 2 GiB of addresses, of which PyTorch and its libraries take 0.9 when they are
loaded. `make memory`
"""

import gzip
import random
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas
import pytest
from PIL import Image

from discretevae.cli import main as program
from discretevae.cli.main import main, out_of_memory

PROGRAM = [sys.executable, "-W", "ignore", "-c", "from discretevae.cli.main import main; main()"]
LIMIT = 2**31
QUICK = ("--epochs", "1", "--importance-samples", "0", "--accelerator", "cpu")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs a limit of addresses")


def limited(folder: Path, *words: str) -> tuple[int, str]:
    """Runs a command under the limit; gives its status and what it said on the error stream."""
    done = subprocess.run(
        [*PROGRAM, *words], cwd=folder, capture_output=True, text=True, timeout=300, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT)),
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stderr


def array_of_4_gib(folder: Path) -> list[str]:
    """Its bytes are a hole in the file, which takes no room on the disk."""
    path = folder / "x.npy"
    np.save(path, np.zeros((1, 1024), np.float32))
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        start = file.tell()
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (2**20, 1024)}
        np.lib.format.write_array_header_1_0(file, header)
        assert file.tell() == start
        file.truncate(start + 2**32)
    return ["inspect", "x.npy"]


def table_of_200_mib(folder: Path) -> list[str]:
    rows = "\n".join(f"{i},{i * 7 % 1000},{i * 0.37:.3f}" for i in range(1000))
    with (folder / "t.csv").open("w") as file:
        file.write("a,b,c\n")
        for _ in range(15_000):
            file.write(rows + "\n")
    return ["inspect", "t.csv"]


def packed_lines(folder: Path) -> list[str]:
    with gzip.open(folder / "t.csv.gz", "wt", compresslevel=1) as file:
        file.write("a,b\n")
        for _ in range(2_000):
            file.write("1,2\n" * 20_000)
    return ["inspect", "t.csv.gz"]


def parquet_of_many_cells(folder: Path) -> list[str]:
    x = np.arange(4_000_000)
    frame = pandas.DataFrame({name: x + i for i, name in enumerate("abcdef")})
    frame.to_parquet(folder / "t.parquet")
    return ["inspect", "t.parquet"]


def large_pictures(folder: Path) -> list[str]:
    (folder / "pictures").mkdir()
    draws = np.random.default_rng(0)
    for i in range(20):
        pixels = draws.integers(0, 256, (1000, 1000, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "pictures" / f"{i}.png", compress_level=0)
    return ["train", "pictures", *QUICK, "--output", "run"]


def many_latents(folder: Path) -> list[str]:
    np.save(folder / "x.npy", np.zeros((40, 8), np.uint8) + np.eye(40, 8, dtype=np.uint8))
    return ["train", "x.npy", *QUICK, "--num-latents", "2000000", "--output", "run"]


REFUSED = [
    array_of_4_gib,
    table_of_200_mib,
    packed_lines,
    parquet_of_many_cells,
    large_pictures,
    many_latents,
]


@pytest.mark.memory
@pytest.mark.parametrize("make", REFUSED)
def test_what_does_not_fit_is_refused_in_one_line(
    make: Callable[[Path], list[str]], tmp_path: Path
) -> None:
    words = make(tmp_path)
    status, said = limited(tmp_path, *words)
    last = said.strip().splitlines()[-1]
    assert status == 2, said
    assert last.startswith(f"discretevae {words[0]}: ")
    assert "must fit into memory, got" in last
    assert "--" in last  # what to do instead
    assert not (tmp_path / "run").exists()


@pytest.mark.memory
def test_one_long_line_among_short_ones_fits(tmp_path: Path) -> None:
    draw = random.Random(0)
    words = ["the", "small", "cat", "runs", "fast", "over", "the", "river"]
    lines = [" ".join(draw.choices(words, k=draw.randint(3, 8))) for _ in range(300)]
    lines[5] = "x" * 5000
    (tmp_path / "t.txt").write_text("\n".join(lines))
    more = "--sentence-length", "5000", "--output", "run"  # by default it would be cut
    status, said = limited(tmp_path, "train", "t.txt", *QUICK, *more)
    assert status == 0, said


def test_an_error_of_memory_is_one_line_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    errors = [
        MemoryError(),
        RuntimeError("std::bad_alloc"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to "
                     "allocate 4294967296 bytes. Error code 12"),
        OSError(12, "Cannot allocate memory"),
        RuntimeError("can't start new thread"),
        ImportError("libx.so: failed to map segment from shared object"),
    ]  # fmt: skip
    for error in errors:
        monkeypatch.setattr(program, "parse", Mock(side_effect=error))
        with pytest.raises(SystemExit) as exit_:
            main(["datasets"])
        assert exit_.value.code == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert said.startswith("discretevae: not enough memory")
    assert "4,096 MiB more" in out_of_memory(errors[2])
