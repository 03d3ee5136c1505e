import shutil
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from discretevae.codes import CodesError, batch_size, decode_file, encode_file
from discretevae.codes import batches as codes_batches
from discretevae.data import BINARIZERS, generator
from discretevae.data.blocks import Blocks, open_blocks
from discretevae.models import VAE, DiscreteVAE
from discretevae.models.joint import JointVAE

Make = Callable[..., DiscreteVAE]
Bits = Callable[..., np.ndarray]


def in_batches(model: VAE, x: np.ndarray) -> Tensor:
    """What `reconstruct` says of the same batches."""
    values = torch.from_numpy(x.reshape(len(x), *model.shape)).float()
    with torch.no_grad():
        return torch.cat([model.reconstruct(part) for part in values.split(batch_size(model))])


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@given(
    st.integers(1, 12), st.integers(1, 6), st.integers(2, 9), st.integers(1, 40),
    st.integers(1, 15), st.integers(0, 2**20),
)  # fmt: skip
@settings(deadline=None, max_examples=30)
def test_decoding_what_was_encoded_reconstructs_to_the_bit(
    tiny: Make, tmp_path_factory: pytest.TempPathFactory,
    pixels: int, d: int, k: int, count: int, size: int, seed: int,
) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("codes")
    model = tiny((pixels,), d, k, seed=seed)
    x = np.random.default_rng(seed).integers(0, 2, (count, pixels)).astype(np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codes_batches, "EXAMPLES", size)
        encode_file(model, Blocks.of(x), folder / "codes.npz")
        expected = in_batches(model, x)
    # Whoever decodes need not know the size of the batches.
    decode_file(model, folder / "codes.npz", folder / "x.npy")
    decoded = np.load(folder / "x.npy", allow_pickle=False)
    assert decoded.dtype == np.float32
    assert np.array_equal(decoded, expected.numpy())
    shutil.rmtree(folder)


@pytest.mark.parametrize("likelihood", ["gaussian", "continuous-bernoulli", "bernoulli-grey"])
def test_every_likelihood_is_decoded(tiny: Make, tmp_path: Path, likelihood: str) -> None:
    model = tiny((1, 4, 3), 3, 5, likelihood=likelihood)
    x = np.random.default_rng(0).random((20, 4, 3), np.float32)
    encode_file(model, Blocks.of(x), tmp_path / "codes.npz")
    decode_file(model, tmp_path / "codes.npz", tmp_path / "x.npy")
    assert np.array_equal(np.load(tmp_path / "x.npy"), in_batches(model, x).numpy())


@pytest.mark.parametrize("name", ["threshold", "fixed", "fresh"])
def test_data_become_what_the_model_has_seen(tiny: Make, tmp_path: Path, name: str) -> None:
    model = tiny((12,), 3, 5)
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, (700, 12), np.uint8))
    blocks = open_blocks(tmp_path / "x.npy")
    streams = [generator("file", 0) for _ in range(2)]
    encode_file(model, blocks, tmp_path / "codes.npz", BINARIZERS[name], streams[0])
    (whole,) = blocks.examples(700)
    seen = BINARIZERS[name].prepare_evaluation(whole, streams[1]).values()
    codes = np.load(tmp_path / "codes.npz", allow_pickle=False)["codes"]
    assert np.array_equal(codes, model.encode(seen).numpy())


@pytest.mark.parametrize(
    ("num_categories", "dtype"), [(2, np.uint8), (256, np.uint8), (257, np.uint16)]
)
def test_codes_are_of_the_smallest_type(
    tiny: Make, tmp_path: Path, num_categories: int, dtype: type
) -> None:
    model = tiny(num_categories=num_categories)
    encode_file(model, Blocks.of(np.eye(5, dtype=np.uint8)), tmp_path / "codes.npz")
    with np.load(tmp_path / "codes.npz", allow_pickle=False) as archive:
        assert archive["codes"].dtype == dtype
        assert archive["codes"].shape == (5, 2)
        assert archive["num_categories"] == num_categories


def test_the_same_codes_make_the_same_file(tiny: Make, bits: Bits, tmp_path: Path) -> None:
    for name in "ab":
        encode_file(tiny(), Blocks.of(bits(20, 5)), tmp_path / f"{name}.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_memory_is_bounded(tiny: Make, tmp_path: Path) -> None:
    """41 MB of data, 41 MB of reconstructions; what NumPy allocates is counted."""
    np.save(tmp_path / "x.npy", np.zeros((40_000, 256), np.float32))
    model = tiny((256,), 2, 3)
    tracemalloc.start()
    encode_file(model, open_blocks(tmp_path / "x.npy"), tmp_path / "codes.npz")
    decode_file(model, tmp_path / "codes.npz", tmp_path / "decoded.npy")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.load(tmp_path / "decoded.npy", mmap_mode="r").shape == (40_000, 256)
    assert peak < 5e6


def test_another_models_codes_are_refused(tiny: Make, bits: Bits, tmp_path: Path) -> None:
    encode_file(tiny(seed=0), Blocks.of(bits(20, 5)), tmp_path / "codes.npz")
    before = files(tmp_path)
    for other in (tiny(seed=1), tiny(num_categories=4)):
        with pytest.raises(
            CodesError, match=r"must be of this model .* got one of another .* 2 × 3"
        ):
            decode_file(other, tmp_path / "codes.npz", tmp_path / "x.npy")
    assert files(tmp_path) == before


def test_a_damaged_file_is_refused_or_means_the_same(
    tiny: Make, bits: Bits, tmp_path: Path
) -> None:
    """Every fifth byte; those of dates in a ZIP archive mean nothing."""
    model, path = tiny(), tmp_path / "codes.npz"
    encode_file(model, Blocks.of(bits(50, 5)), path)
    whole = path.read_bytes()
    decode_file(model, path, tmp_path / "x.npy")
    expected = (tmp_path / "x.npy").read_bytes()
    refused = 0
    for position in range(0, len(whole), 5):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << (position // 5 % 8)
        path.write_bytes(damaged)
        try:
            decode_file(model, path, tmp_path / "x.npy")
        except CodesError as error:
            refused += "\n" not in str(error)
        assert (tmp_path / "x.npy").read_bytes() == expected
        assert files(tmp_path) == ["codes.npz", "x.npy"]
    assert refused > 0.7 * len(range(0, len(whole), 5))


def test_a_truncated_file_is_refused(tiny: Make, bits: Bits, tmp_path: Path) -> None:
    model, path = tiny(), tmp_path / "codes.npz"
    encode_file(model, Blocks.of(bits(50, 5)), path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 29):
        path.write_bytes(whole[:length])
        with pytest.raises(CodesError, match="truncated, damaged, or no archive"):
            decode_file(model, path, tmp_path / "x.npy")
    assert files(tmp_path) == ["codes.npz"]


def test_codes_out_of_range_are_refused(tiny: Make, bits: Bits, tmp_path: Path) -> None:
    model, path = tiny(), tmp_path / "codes.npz"
    encode_file(model, Blocks.of(bits(50, 5)), path)
    with np.load(path) as archive:
        arrays = dict(archive)
    for changed in (
        {"codes": arrays["codes"] + 3}, {"codes": arrays["codes"].astype(float)},
        {"codes": arrays["codes"][:, :1]}, {"codes": arrays["codes"].ravel()},
        {"codes": arrays["codes"][:0]}, {"batch_size": np.array([1, 2])},
    ):  # fmt: skip
        np.savez(path, **{**arrays, **changed})
        with pytest.raises(ValueError, match=r"damaged|must hold codes of \d latents"):
            decode_file(model, path, tmp_path / "x.npy")
    np.savez(path, **{**arrays, "format": np.array(2)})
    with pytest.raises(CodesError, match="must hold codes of format 1, got 2"):
        decode_file(model, path, tmp_path / "x.npy")
    assert files(tmp_path) == ["codes.npz"]


def test_python_objects_are_never_loaded(tiny: Make, bits: Bits, tmp_path: Path) -> None:
    path = tmp_path / "codes.npz"
    encode_file(tiny(), Blocks.of(bits(5, 5)), path)
    with np.load(path) as archive:
        arrays = dict(archive)
    for name in ("model", "codes"):
        np.savez(path, **{**arrays, name: np.array([[object()]])})
        with pytest.raises(CodesError, match="damaged"):
            decode_file(tiny(), path, tmp_path / "x.npy")


def test_other_files_are_refused(tiny: Make, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.eye(3))
    with pytest.raises(CodesError, match="must be written by `discretevae encode`"):
        decode_file(tiny(), tmp_path / "x.npz", tmp_path / "x.npy")
    with pytest.raises(CodesError, match="must be a file of codes, got none there"):
        decode_file(tiny(), tmp_path / "none.npz", tmp_path / "x.npy")


def test_models_and_data_that_do_not_fit_are_refused(
    tiny: Make, bits: Bits, tmp_path: Path
) -> None:
    blocks = Blocks.of(bits(5, 4))
    with pytest.raises(CodesError, match=r"`data` must have shape \(5,\), got \(4,\)"):
        encode_file(tiny(), blocks, tmp_path / "codes.npz")
    with pytest.raises(CodesError, match=r"must have no condition, .* shape \(2,\)"):
        encode_file(tiny((4,), context_shape=(2,)), blocks, tmp_path / "codes.npz")
    with pytest.raises(CodesError, match=r"must have codes that are classes alone, got a JointVAE"):
        encode_file(JointVAE((4,), 2, 3), blocks, tmp_path / "codes.npz")
    assert files(tmp_path) == []


def test_a_failure_half_way_leaves_the_old_file(tiny: Make, bits: Bits, tmp_path: Path) -> None:
    model, path = tiny(), tmp_path / "codes.npz"
    encode_file(model, Blocks.of(bits(5, 5)), path)
    before = path.read_bytes()
    x = bits(1200, 5).astype(np.float32)
    x[-1, 0] = 0.5  # in the third batch
    with pytest.raises(ValueError, match="must be 0 or 1"):
        encode_file(model, Blocks.of(x), path)
    assert path.read_bytes() == before
    assert files(tmp_path) == ["codes.npz"]
    assert zipfile.is_zipfile(path)
