import csv
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
from PIL import Image

from discretevae.data import BINARIZERS, DataError, Examples, generator, read_file
from discretevae.data.blocks import Blocks, as_stored, open_blocks

N = 53
RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (N, 4, 3)).astype(np.uint8)
GREY[:20] = RANDOM.integers(0, 2, (20, 4, 3))  # levels that a block alone would take for bits
BITS = RANDOM.integers(0, 2, (N, 4, 3)).astype(np.uint8)


def write_npy(path: Path, x: np.ndarray) -> Path:
    np.save(path / "x.npy", x)
    return path / "x.npy"


def write_npz(path: Path, x: np.ndarray) -> Path:
    np.savez(path / "x.npz", x=x, labels=np.arange(len(x)))
    return path / "x.npz"


def write_parquet(path: Path, x: np.ndarray) -> Path:
    columns = {f"c{i}": column for i, column in enumerate(x.reshape(len(x), -1).T)}
    table = pa.table({**columns, "label": ["a"] * len(x)})
    pyarrow.parquet.write_table(table, path / "x.parquet", row_group_size=7)
    return path / "x.parquet"


def write_csv(path: Path, x: np.ndarray) -> Path:
    with (path / "x.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["label", *(f"c{i}" for i in range(x[0].size))])
        for i, row in enumerate(x.reshape(len(x), -1)):
            writer.writerow([f'"a",\n{i % 3}', *row])
    return path / "x.csv"


def write_csv_without_header(path: Path, x: np.ndarray) -> Path:
    lines = [",".join(map(str, row)) for row in x.reshape(len(x), -1)]
    (path / "x.csv").write_text("\n\n".join(lines))
    return path / "x.csv"


def write_images(path: Path, x: np.ndarray) -> Path:
    for i, image in enumerate(x):
        (path / "images" / f"{i % 2}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path / "images" / f"{i % 2}" / f"{i:03}.png")
    return path / "images"


WRITERS = [
    write_npy, write_npz, write_parquet, write_csv, write_csv_without_header, write_images,
]  # fmt: skip


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("x", [GREY, BITS], ids=["grey", "bits"])
@pytest.mark.parametrize("size", [1, 10, N, 1000])
def test_blocks_together_are_the_whole(
    write: Callable[[Path, np.ndarray], Path], x: np.ndarray, size: int, tmp_path: Path
) -> None:
    path = write(tmp_path, x)
    whole = read_file(path)[0]
    blocks = open_blocks(path)
    parts = list(blocks.examples(size))
    assert [len(part) for part in parts] == [min(size, N - i) for i in range(0, N, size)]
    assert (blocks.count, blocks.shape) == (N, whole.shape)
    together = torch.cat([part.x for part in parts])
    assert together.dtype == whole.x.dtype
    assert torch.equal(together, whole.x)
    assert torch.equal(torch.cat([part.x for part in blocks.examples(7)]), whole.x)  # and again


@pytest.mark.parametrize("name", [*BINARIZERS])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_draws_are_those_of_the_whole(name: str, dtype: type) -> None:
    x = GREY if dtype == np.uint8 else GREY.astype(np.float32) / 255
    values = torch.from_numpy(x[:, None])
    whole = BINARIZERS[name].prepare_evaluation(Examples(values), generator("file", 0)).values()
    parts = Blocks.of(x).seen(9, BINARIZERS[name], generator("file", 0))
    assert torch.equal(torch.cat(list(parts)), whole)


@pytest.mark.parametrize(
    "shape", [(6,), (4, 3), (1, 4, 3), (4, 3, 1), (8, 8, 3), (3, 8, 8), (3, 3, 3), (5, 6, 7)]
)
def test_what_was_laid_out_can_be_stored_again(shape: tuple[int, ...]) -> None:
    rows = np.arange(2 * np.prod(shape)).reshape(2, *shape)
    blocks = Blocks.of(rows)
    assert blocks.shape == blocks.laid_out(rows).shape[1:]
    assert np.array_equal(as_stored(blocks.laid_out(rows), shape), rows)


def test_examples_stay_what_they_are() -> None:
    for x in (
        torch.eye(5, dtype=torch.uint8),
        torch.full((5, 2), torch.nan),
        torch.ones(5, 4, 2, 1),
    ):
        blocks = Blocks.of(Examples(x))
        assert blocks.shape == tuple(x.shape[1:])
        parts = [part.x for part in blocks.examples(2)]
        assert torch.equal(torch.cat(parts).nan_to_num(7), x.nan_to_num(7))


def test_an_array_on_disk_is_not_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((40_000, 256), np.float32))  # 41 MB
    tracemalloc.start()
    total = sum(float(x.sum()) for x in open_blocks(tmp_path / "x.npy").seen(500))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 0
    assert peak < 5e6


def test_a_parquet_file_is_read_by_its_row_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_parquet(tmp_path, GREY)
    seen: list[int] = []
    to_table = pa.Table.from_batches
    counted = type(
        "T", (), {"from_batches": staticmethod(lambda b: seen.append(len(b[0])) or to_table(b))}
    )
    monkeypatch.setattr(pa, "Table", counted)
    list(open_blocks(path).rows(10))
    assert max(seen) <= 10


def test_what_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    path = write_csv_without_header(tmp_path, BITS)
    blocks = open_blocks(path)
    write_csv_without_header(tmp_path, BITS[:20])
    with pytest.raises(DataError):
        list(blocks.rows(10))
    path = write_images(tmp_path, BITS)
    blocks = open_blocks(path)
    (path / "0" / "000.png").unlink()
    with pytest.raises(DataError):
        list(blocks.rows(10))


def bad_csv(path: Path) -> Path:
    (path / "x.csv").write_text("a,b\n1,2\n3,x\n")
    return path / "x.csv"


def ragged_csv(path: Path) -> Path:
    (path / "x.csv").write_text("1,2\n3,4,5\n")
    return path / "x.csv"


def empty_csv(path: Path) -> Path:
    (path / "x.csv").write_text("a,b\n")
    return path / "x.csv"


def only_labels(path: Path) -> Path:
    (path / "x.csv").write_text("label\n1\n")
    return path / "x.csv"


def binary_csv(path: Path) -> Path:
    (path / "x.csv").write_bytes(bytes(range(128, 256)))
    return path / "x.csv"


def truncated_npy(path: Path) -> Path:
    whole = write_npy(path, GREY).read_bytes()
    (path / "x.npy").write_bytes(whole[:-100])
    return path / "x.npy"


def pickled_npy(path: Path) -> Path:
    np.save(path / "x.npy", np.array([[object()]]), allow_pickle=True)
    return path / "x.npy"


def text_npy(path: Path) -> Path:
    (path / "x.npy").write_text("no array")
    return path / "x.npy"


def flat_npy(path: Path) -> Path:
    return write_npy(path, np.zeros(5))


def nan_npy(path: Path) -> Path:
    return write_npy(path, np.full((5, 3), np.nan))


def complex_npy(path: Path) -> Path:
    return write_npy(path, np.zeros((5, 3), complex))


def truncated_parquet(path: Path) -> Path:
    whole = write_parquet(path, GREY).read_bytes()
    (path / "x.parquet").write_bytes(whole[:-100])
    return path / "x.parquet"


def gaps_parquet(path: Path) -> Path:
    pyarrow.parquet.write_table(pa.table({"a": [1, None]}), path / "x.parquet")
    return path / "x.parquet"


def empty_parquet(path: Path) -> Path:
    pyarrow.parquet.write_table(pa.table({"a": pa.array([], pa.int64())}), path / "x.parquet")
    return path / "x.parquet"


def no_images(path: Path) -> Path:
    (path / "images").mkdir()
    return path / "images"


def unlike_images(path: Path) -> Path:
    folder = write_images(path, GREY)
    Image.fromarray(GREY[0, :2]).save(folder / "0" / "zzz.png")
    return folder


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (bad_csv, "line 3, column 'b': must be a number, got 'x'"),
        (ragged_csv, "line 2: must have 2 cells, got 3"),
        (empty_csv, "at least one row"),
        (only_labels, "at least one row of one value"),
        (binary_csv, "as text in UTF-8"),
        (truncated_npy, "truncated or damaged"),
        (pickled_npy, "Python objects, which are never loaded"),
        (text_npy, "must be a NumPy array file"),
        (flat_npy, "2 dimensions"),
        (nan_npy, "finite float32 numbers"),
        (complex_npy, "real numbers"),
        (truncated_parquet, "whole Parquet file"),
        (gaps_parquet, "must be complete, got 1 empty cells"),
        (empty_parquet, "at least one row"),
        (no_images, "must hold images"),
        (unlike_images, "must be 3×4 as 000.png is, got 3×2"),
        (lambda path: path / "x.npy", "does not exist"),
        (lambda path: path / "x.txt", "does not exist"),
    ],
)
def test_what_cannot_be_read_is_refused(
    write: Callable[[Path], Path], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        list(open_blocks(write(tmp_path)).examples(10))
