import threading
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch.utils._python_dispatch import TorchDispatchMode

from discretevae.data import BINARIZERS, Batches, DataError, Examples, Stream, load
from discretevae.data.blocks import Blocks, open_blocks
from discretevae.data.splits import stream_split

N, F = 300, 5


def numbered(count: int = N) -> np.ndarray:
    """Rows that tell which row they are."""
    return (np.arange(count)[:, None] + np.zeros(F)).astype(np.float32)


def in_parts(rows: np.ndarray, size: int) -> Blocks:
    """Blocks with smaller parts than a file of this size would have."""
    starts = range(0, len(rows), size)
    blocks = Blocks.of(rows)
    return Blocks(
        blocks.where,
        blocks.count,
        blocks.row_shape,
        blocks.dtype,
        blocks.read,
        parts=tuple(len(rows[s : s + size]) for s in starts),
        read_part=lambda i: rows[i * size : (i + 1) * size],
    )


def stream(
    count: int = N, part: int = 16, held_out: tuple[int, ...] = (), window: int = 2**10
) -> Stream:
    kept = np.array(held_out, dtype=np.int64)
    return Stream(in_parts(numbered(count), part), kept, Examples(torch.ones(1, F)), window=window)


@given(
    count=st.integers(1, 90),
    part=st.integers(1, 40),
    size=st.integers(1, 50),
    window=st.integers(1, 4000),
    seed=st.integers(0, 9),
    data=st.data(),
)
def test_an_epoch_has_every_example_once_in_batches_of_one_size(
    count: int, part: int, size: int, window: int, seed: int, data: st.DataObject
) -> None:
    held_out = sorted(data.draw(st.sets(st.integers(0, count - 1), max_size=count - 1)))
    examples = stream(count, part, tuple(held_out), window)
    batches = Batches(examples, size, BINARIZERS["none"], seed)  # type: ignore[arg-type]
    sizes = [len(x) for x in batches]
    left = count - len(held_out)
    assert sizes == [size] * (left // size) + [left % size] * (left % size > 0)
    assert len(batches) == len(sizes)
    rows = torch.cat(list(batches))[:, 0].int().tolist()  # type: ignore[misc]
    assert sorted(rows) == [i for i in range(count) if i not in held_out]
    in_order = torch.cat([x for x, _ in examples.in_order(size)])[:, 0].int().tolist()
    assert in_order == sorted(rows)


def rows_of(examples: Stream, epoch: int, seed: int = 0) -> list[int]:
    batches = Batches(examples, 32, BINARIZERS["none"], seed, epoch)
    return torch.cat(list(batches))[:, 0].int().tolist()  # type: ignore[misc]


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    first, again, next_epoch, other = (
        rows_of(stream(), 0), rows_of(stream(), 0), rows_of(stream(), 1), rows_of(stream(), 0, 1),
    )  # fmt: skip
    assert first == again
    assert len({tuple(first), tuple(next_epoch), tuple(other)}) == 3


def test_rows_are_shuffled_between_and_within_parts() -> None:
    correlations = []
    for seed in range(20):
        rows = np.array(rows_of(stream(window=16 * 4 * F * 4), 0, seed))
        assert (np.diff(rows) == 1).mean() < 0.1  # within a part rows do not follow each other
        assert (np.diff(rows // 16) == 0).mean() < 0.5  # four parts alternate: 1/4 on average
        correlations.append(np.corrcoef(np.arange(N), rows)[0, 1])
    # Five windows of random parts: each correlation has a standard deviation below 0.5, their
    # mean one below 0.12; parts in the order of the file would give 1.
    assert abs(np.mean(correlations)) < 0.6


FILES = ["npy", "parquet", "images"]


def write(kind: str, folder: Path, x: np.ndarray) -> Path:
    """Writes images (n, 8, 8) of levels so that there are several parts."""
    if kind == "npy":
        np.save(folder / "x.npy", x)
        return folder / "x.npy"
    if kind == "parquet":
        columns = {f"c{i}": column for i, column in enumerate(x.reshape(len(x), -1).T)}
        pyarrow.parquet.write_table(pa.table(columns), folder / "x.parquet", row_group_size=40)
        return folder / "x.parquet"
    (folder / "images").mkdir()
    for i, image in enumerate(x):
        Image.fromarray(image).save(folder / "images" / f"{i:04}.png")
    return folder / "images"


LEVELS = np.random.default_rng(0).integers(0, 256, (200, 8, 8)).astype(np.uint8)


@pytest.mark.parametrize("kind", FILES)
def test_files_are_parted_without_loss(kind: str, tmp_path: Path) -> None:
    splits = load(write(kind, tmp_path, LEVELS), validation=0.2, test=0.1, stream=True)
    assert (len(splits.validation), len(splits.test), len(splits.train)) == (40, 20, 140)
    assert splits.train.shape == splits.test.shape
    parts = [
        *(x for x, _ in splits.train.in_order(50)),
        splits.validation.x,
        splits.test.x,
    ]
    together = torch.cat(parts).reshape(200, -1)
    expected = torch.from_numpy(LEVELS.reshape(200, -1))
    assert sorted(map(tuple, together.tolist())) == sorted(map(tuple, expected.tolist()))


@pytest.mark.parametrize("binarize", ["fixed", "threshold", "fresh"])
def test_parts_become_binary_as_the_whole_would(binarize: str, tmp_path: Path) -> None:
    path = write("npy", tmp_path, LEVELS)
    splits = load(path, binarize=binarize, stream=True)

    def epoch(number: int) -> torch.Tensor:
        batches = Batches(splits.train, 64, splits.binarizer, 0, number, shuffle=False)
        return torch.cat(list(batches))  # type: ignore[arg-type]

    assert set(epoch(0).unique().tolist()) == {0.0, 1.0}
    assert bool((epoch(0) == epoch(1)).all()) == (binarize != "fresh")
    mean = torch.cat([x for x, _ in load(path, stream=True).train.in_order(99)]).float().mean()
    # 140 × 64 draws: 0.03 is more than five standard errors.
    assert float(epoch(0).mean()) == pytest.approx(float(mean) / 255, abs=0.03)


def test_memory_does_not_grow_with_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counts windows that are alive: PyTorch's memory is seen by no tracer."""
    window, rows = 2**20, 2**12
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.uint8, (rows, 4096))
    x[:] = np.random.default_rng(0).integers(0, 256, (1, 4096), dtype=np.uint8)
    x.flush()
    del x
    splits = load(tmp_path / "x.npy", validation=0.01, test=0.01, stream=True)
    assert isinstance(splits.train, Stream)
    examples = replace(splits.train, window=window, first=splits.train.take(slice(1)))
    alive = {"_read": weakref.WeakSet[torch.Tensor](), "_window": weakref.WeakSet[torch.Tensor]()}
    most = dict.fromkeys(alive, 0)

    def count(name: str, tensors: Callable[[Any], list[torch.Tensor]]) -> None:
        method = getattr(Stream, name)

        def counted(self: Stream, given: Any) -> Any:
            found = method(self, given)
            alive[name].update(tensors(found))
            most[name] = max(most[name], len(alive[name]))
            return found

        monkeypatch.setattr(Stream, name, counted)

    count("_read", lambda parts: [x for _, x in parts])
    count("_window", lambda window: [window])
    sizes = [len(x) for x in Batches(examples, 100, BINARIZERS["none"])]
    assert sum(sizes) == len(examples)
    windows = list(examples._windows(torch.Generator()))
    assert len(windows) > 3
    # The one that batches are taken from, beside the next; what was read, beside what follows.
    assert most["_window"] <= 2
    assert most["_read"] <= 2 * max(map(len, windows))


def test_the_reader_leaves_threads_to_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two teams of PyTorch's threads slow each other down: the reader computes nothing with it."""
    reader, used = [], []
    read = Stream._read

    def watched(self: Stream, parts: list[int]) -> Any:
        reader.append(threading.get_ident())
        with Watch():
            return read(self, parts)

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            used.append(str(function))
            return function(*args, **(kwargs or {}))

    monkeypatch.setattr(Stream, "_read", watched)
    list(Batches(stream(held_out=(3, 70)), 8, BINARIZERS["none"]))
    assert reader
    assert threading.get_ident() not in reader
    # What `from_numpy` and `numpy` call; they compute nothing.
    assert set(used) <= {"aten.lift_fresh.default", "aten.detach.default"}


def test_what_cannot_be_streamed_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=numbered())
    (tmp_path / "x.csv").write_text("1,2\n3,4\n")
    path = write("npy", tmp_path, LEVELS)
    for wrong in (tmp_path / "x.npz", tmp_path / "x.csv"):
        with pytest.raises(DataError, match=r"must be a \.npy or .parquet file or a folder"):
            load(wrong, stream=True)
    with pytest.raises(DataError, match="`stream` must go with a file"):
        load("digits", stream=True)
    with pytest.raises(DataError, match="`test` must be above 0"):
        load(path, stream=True, test=0)
    for options in ({"limit": 3}, {"condition": "labels"}, {"labelled": 10}):
        with pytest.raises(DataError, match="must be left out with `stream`"):
            load(path, stream=True, **options)  # type: ignore[arg-type]


def test_values_are_checked_before_training(tmp_path: Path) -> None:
    x = numbered()
    x[123, 2] = np.nan
    np.save(tmp_path / "x.npy", x)
    with pytest.raises(DataError, match=r"must hold finite float32 numbers.* row 123"):
        load(tmp_path / "x.npy", stream=True, likelihood="gaussian")
    gaps = load(tmp_path / "x.npy", stream=True)
    assert gaps.schema is not None
    assert gaps.schema.likelihood == "columns"
    np.save(tmp_path / "x.npy", numbered())
    with pytest.raises(DataError, match=r"needs values in \[0, 1\]"):
        load(tmp_path / "x.npy", stream=True, binarize="fresh")


def test_a_file_that_changes_is_refused(tmp_path: Path) -> None:
    path = write("npy", tmp_path, LEVELS)
    splits = load(path, stream=True)
    np.save(path, LEVELS[:150])
    with pytest.raises(DataError, match="must not change while it is read"):
        list(Batches(splits.train, 10, BINARIZERS["none"]))


def test_the_split_is_a_function_of_the_seed() -> None:
    def test_rows(seed: int) -> list[float]:
        return stream_split(Blocks.of(numbered()), seed=seed).test.x[:, 0].tolist()

    assert test_rows(0) == test_rows(0) != test_rows(1)


def test_an_abandoned_epoch_leaves_no_reader(tmp_path: Path) -> None:
    batches = iter(Batches(stream(), 8, BINARIZERS["none"]))
    next(batches)
    before = threading.active_count()
    batches.close()  # type: ignore[attr-defined]
    assert threading.active_count() < before or before == 1


def test_parts_of_a_file_are_the_file(tmp_path: Path) -> None:
    blocks = open_blocks(write("parquet", tmp_path, LEVELS))
    assert blocks.parts == (40,) * 5
    together = torch.cat([blocks.part(i).x for i in range(5)])
    whole = torch.cat([examples.x for examples in blocks.examples(1000)])
    assert bool((together == whole).all())
