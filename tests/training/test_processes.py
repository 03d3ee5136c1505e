import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from discretevae.codes import batches as codes_batches
from discretevae.codes import encode_file
from discretevae.data import BINARIZERS, generator
from discretevae.data.blocks import Blocks
from discretevae.models import DiscreteVAE
from discretevae.training.processes import Processes, process_rank, start_processes


@pytest.mark.parametrize("count", [2, 3, 9])
def test_processes_encode_to_the_same_file_as_one(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codes_batches, "EXAMPLES", 10)  # 6 batches: of nine, some have none
    torch.manual_seed(0)
    model = DiscreteVAE((4,), 3, 5).eval()
    blocks = Blocks.of(np.random.default_rng(0).random((57, 4)).astype(np.float32))
    barrier = threading.Barrier(count)

    def encode(path: Path, processes: Processes) -> None:
        draws = generator("draws", 0)
        encode_file(model, blocks, path, BINARIZERS["fresh"], draws, processes=processes)

    encode(tmp_path / "one.npz", Processes())
    kept = tmp_path.parent / f"kept-{count}"
    kept.write_text("mine")
    for i in range(count):  # planted: what the parts are called is known
        (tmp_path / f".all-part{i:04}.npz").symlink_to(kept)
    threads = [
        threading.Thread(
            target=encode, args=(tmp_path / "all.npz", Processes(i, count, barrier.wait))
        )
        for i in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "all.npz").read_bytes() == (tmp_path / "one.npz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.npz", "one.npz"]
    assert kept.read_text() == "mine"


def test_the_rank_is_read_where_launchers_write_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert process_rank(4) == 0
    monkeypatch.setenv("SLURM_PROCID", "2")
    assert (process_rank(4), process_rank(1)) == (2, 0)  # alone, even within a job of many
    monkeypatch.setenv("RANK", "3")
    assert process_rank(4) == 3


def test_numbers_of_processes_are_checked() -> None:
    with pytest.raises(ValueError, match="`devices` must be at least 1, got 0"):
        start_processes(0)
