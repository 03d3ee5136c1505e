import gzip
import hashlib
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from discretevae.data import DataError
from discretevae.data.formats.idx import read_idx

compress = partial(gzip.compress, mtime=0)
"""Without the time: pytest names tests by these bytes, and all processes must agree on them."""

# Two images of 2×3, as the format's description spells them.
CONTENT = bytes.fromhex("00000803 00000002 00000002 00000003") + bytes(range(12))


def write(folder: Path, content: bytes) -> Path:
    path = folder / "images.gz"
    path.write_bytes(content)
    return path


def test_a_hand_written_file_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, compress(CONTENT))
    expected = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert np.array_equal(read_idx(path, (2, 2, 3)), expected)
    assert np.array_equal(read_idx(path, (2, 2, 3), hashlib.sha256(CONTENT).hexdigest()), expected)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (b"", "IDX file of bytes|whole gzip"),
        (b"not gzip at all", "whole gzip file"),
        (compress(CONTENT)[:-12], "whole gzip file"),
        (compress(CONTENT)[:20] + b"\0\0\0\0" + compress(CONTENT)[24:], "whole gzip"),
        (compress(b"\0\0\x09" + CONTENT[3:]), "another header"),
        (compress(CONTENT[:4] + b"\0\0\0\x03" + CONTENT[8:]), "another header"),
        (compress(CONTENT[:-1]), "must hold 12 values, got 11"),
        (compress(CONTENT + b"!"), "must hold 12 values, got 13"),
        (compress(CONTENT[:-1] + b"!"), "must have content of SHA-256"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, file: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_idx(write(tmp_path, file), (2, 2, 3), hashlib.sha256(CONTENT).hexdigest())
