from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from discretevae.codes import (
    CodesError,
    compress_codes,
    compress_file,
    compression,
    decode_file,
    decompress_file,
    encode_file,
)
from discretevae.codes import batches as codes_batches
from discretevae.codes.archive import Archive, write_archive
from discretevae.data import BINARIZERS, generator
from discretevae.data.blocks import Blocks, open_blocks
from discretevae.models import DiscreteVAE
from discretevae.networks import MLP

Make = Callable[..., DiscreteVAE]
Bits = Callable[..., np.ndarray]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def round_trip(model: DiscreteVAE, x: np.ndarray, folder: Path) -> np.ndarray:
    compress_file(model, Blocks.of(x), folder / "x.dvae")
    decompress_file(model, folder / "x.dvae", folder / "back.npy")
    return np.load(folder / "back.npy", allow_pickle=False)


STORED = [
    *[((12,), dtype, 1) for dtype in ("?", "u1", "i1", "i8", ">i4", "f2", "f4", "f8", ">f8")],
    ((12,), "u1", 255), ((4, 3), "u1", 255), ((4, 3), "?", 1), ((4, 3, 1), "u1", 1),
    ((1, 4, 3), "f4", 1), ((8, 8, 3), "u1", 255), ((3, 8, 8), "u1", 255),
]  # fmt: skip


@pytest.mark.parametrize(("row_shape", "dtype", "one"), STORED)
def test_arrays_come_back_with_their_type_and_layout(
    tiny: Make, bits: Bits, tmp_path: Path, row_shape: tuple[int, ...], dtype: str, one: int
) -> None:
    x = (bits(30, *row_shape) * np.uint8(one)).astype(dtype)
    back = round_trip(tiny(Blocks.of(x).shape), x, tmp_path)
    assert (back.dtype, back.shape) == (x.dtype, x.shape)
    assert back.tobytes() == x.tobytes()


@pytest.mark.parametrize(
    ("likelihood", "dtype"),
    [
        *product(["discretised-logistic", "logistic-mixture", "levels"], ["u1", "f4", "f8"]),
        ("local-mixture", "u1"),
    ],
)
def test_photographs_come_back_with_their_type_and_layout(
    tmp_path: Path, likelihood: str, dtype: str
) -> None:
    x = np.random.default_rng(0).integers(0, 256, (7, 8, 6, 3)).astype(dtype)
    if dtype != "u1":
        x = x / np.array(255, dtype)
    model = DiscreteVAE((3, 8, 6), 2, 3, MLP((4,)), likelihood).eval()
    back = round_trip(model, x, tmp_path)
    assert (back.dtype, back.shape) == (x.dtype, x.shape)
    assert back.tobytes() == x.tobytes()
    with pytest.raises(CodesError, match="must hold bytes or 256 levels from 0 to 1"):
        compress_file(model, Blocks.of(x.astype("f4") + 0.3), tmp_path / "x.dvae")


@pytest.mark.parametrize("count", [1, 2, 40])
@pytest.mark.parametrize("value", [0, 1, 255])
def test_constant_data_come_back(tiny: Make, tmp_path: Path, count: int, value: int) -> None:
    x = np.full((count, 5), value, np.uint8)
    assert np.array_equal(round_trip(tiny(), x, tmp_path), x)


def test_fortran_order_comes_back_as_the_same_array(tiny: Make, bits: Bits, tmp_path: Path) -> None:
    x = np.asfortranarray(bits(30, 5))
    assert np.array_equal(round_trip(tiny(), x, tmp_path), x)


def test_several_stacks(
    tiny: Make, bits: Bits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compression, "PIXELS", 5 * 7)
    x = bits(40, 5)
    assert np.array_equal(round_trip(tiny(), x, tmp_path), x)
    assert len(list(Archive(tmp_path / "x.dvae").stacks())) == 6


def test_images_and_tables_come_back(tiny: Make, bits: Bits, tmp_path: Path) -> None:
    x = bits(9, 4, 3) * np.uint8(255)
    (tmp_path / "images").mkdir()
    for i, image in enumerate(x):
        Image.fromarray(image).save(tmp_path / "images" / f"{i}.png")
    compress_file(tiny((1, 4, 3)), open_blocks(tmp_path / "images"), tmp_path / "x.dvae")
    decompress_file(tiny((1, 4, 3)), tmp_path / "x.dvae", tmp_path / "back.npy")
    assert np.array_equal(np.load(tmp_path / "back.npy"), x)

    (tmp_path / "x.csv").write_text("1,0,1\n0,0,1\n")
    compress_file(tiny((3,)), open_blocks(tmp_path / "x.csv"), tmp_path / "x.dvae")
    decompress_file(tiny((3,)), tmp_path / "x.dvae", tmp_path / "back.npy")
    assert np.load(tmp_path / "back.npy").tolist() == [[1, 0, 1], [0, 0, 1]]


def test_a_trained_model_makes_a_file_of_minus_its_elbo(tmp_path: Path) -> None:
    """Stripes with noise, after a second of training; the ELBO is estimated from 50 samples.

    Within 1 % and 300 bytes, which are the header and two checksums, one of them the initial bits;
    the draws of codes make the file vary by 0.3 %.
    """
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    stripes = np.kron(random.integers(0, 2, (2000, 6)), np.ones(8, int)) > 0
    x = (stripes ^ (random.random((2000, 48)) < 0.05)).astype(np.uint8)
    model = DiscreteVAE((48,), 6, 2, MLP((32,)), estimator="exact")
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    values = torch.from_numpy(x).float()
    for step in range(150):
        optimizer.zero_grad()
        (-model.objective(values[step * 100 % 2000 :][:100])).mean().backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        bits = -model.elbo(values, samples=50).sum().item() / np.log(2)
    assert bits < 0.8 * x.size, "too little is learned to tell"
    assert np.array_equal(round_trip(model, x, tmp_path), x)
    assert abs((tmp_path / "x.dvae").stat().st_size - 150 - bits / 8) < 150 + 0.01 * bits / 8


@pytest.mark.parametrize(
    "x",
    [
        np.full((3, 5), 0.5), np.full((3, 5), -0.0), np.full((3, 5), np.nan), np.full((3, 5), 2),
        np.full((3, 5), 255), np.full((3, 5), 7, np.uint8), np.array([[0, 1, 255, 0, 0]], np.uint8),
        np.full((3, 5), 1 + 1e-12),
    ],
)  # fmt: skip
def test_what_would_not_come_back_is_refused(tiny: Make, tmp_path: Path, x: np.ndarray) -> None:
    with pytest.raises(CodesError, match="must hold 0 and 1, or 0 and 255 in bytes"):
        compress_file(tiny(), Blocks.of(x), tmp_path / "x.dvae")
    assert files(tmp_path) == []


@pytest.mark.parametrize("dtype", [complex, str, "V4"])
def test_what_is_no_number_is_refused(tiny: Make, tmp_path: Path, dtype: str) -> None:
    with pytest.raises(CodesError, match="must hold real numbers, got type"):
        compress_file(tiny(), Blocks.of(np.zeros((3, 5), dtype)), tmp_path / "x.dvae")
    assert files(tmp_path) == []


def test_many_categories_are_compressed(tiny: Make, bits: Bits, tmp_path: Path) -> None:
    x = bits(20, 5)
    assert np.array_equal(round_trip(tiny(num_latents=1, num_categories=10**5), x, tmp_path), x)


def test_models_that_do_not_fit_are_refused(tiny: Make, bits: Bits, tmp_path: Path) -> None:
    blocks = Blocks.of(bits(5, 5))
    for model, message in (
        (tiny((4,)), r"`data` must have shape \(4,\), got \(5,\)"),
        (tiny(context_shape=(2,)), "must have no condition"),
        (tiny(likelihood="gaussian"), r"got gaussian: .* \(--lossy\)"),
        (tiny(prior="boltzmann"), "got boltzmann"),
    ):
        with pytest.raises(CodesError, match=message):
            compress_file(model, blocks, tmp_path / "x.dvae")
    assert files(tmp_path) == []


@pytest.mark.parametrize("lossy", [False, True])
def test_a_damaged_or_truncated_file_is_refused(
    tiny: Make, bits: Bits, tmp_path: Path, lossy: bool
) -> None:
    model, path = tiny(), tmp_path / "x.dvae"
    (compress_codes if lossy else compress_file)(model, Blocks.of(bits(50, 5)), path)
    whole = path.read_bytes()
    damaged = [
        bytes([*whole[:i], whole[i] ^ (1 << i % 8), *whole[i + 1 :]]) for i in range(len(whole))
    ]
    cut = [whole[:i] for i in range(0, len(whole), 3)]
    for content in [*damaged, *cut, whole + b"\0", b""]:
        path.write_bytes(content)
        with pytest.raises(CodesError, match=r"truncated or damaged|got other content"):
            decompress_file(model, path, tmp_path / "back.npy")
    assert files(tmp_path) == ["x.dvae"]


@pytest.mark.parametrize("lossy", [False, True])
def test_another_model_is_refused(tiny: Make, bits: Bits, tmp_path: Path, lossy: bool) -> None:
    path = tmp_path / "x.dvae"
    (compress_codes if lossy else compress_file)(tiny(), Blocks.of(bits(50, 5)), path)
    for other in (tiny(seed=1), tiny(num_categories=4)):
        with pytest.raises(CodesError, match=r"must be of this model .* 2 × 3"):
            decompress_file(other, path, tmp_path / "back.npy")
    assert files(tmp_path) == ["x.dvae"]


def test_other_files_are_refused(tiny: Make, tmp_path: Path) -> None:
    path, output = tmp_path / "x.dvae", tmp_path / "back.npy"
    with pytest.raises(CodesError, match="got none there"):
        decompress_file(tiny(), path, output)
    path.write_bytes(b"something else, but long enough to hold a checksum, and more")
    with pytest.raises(CodesError, match="written by `discretevae compress`, got other content"):
        decompress_file(tiny(), path, output)
    for header in (
        {},
        {"kind": "lossless"},
        {"kind": "x", "model": "", "sizes": [], "count": 1, "chunk": 1, "step": 1},
    ):
        with write_archive(path, header):
            pass
        with pytest.raises(CodesError, match="must describe compressed data"):
            decompress_file(tiny(), path, output)
    with write_archive(path, {"format": 2}):
        pass
    with pytest.raises(CodesError, match="must be of format 1, got 2"):
        decompress_file(tiny(), path, output)
    assert files(tmp_path) == ["x.dvae"]


def test_numbers_that_differ_too_much_leave_the_old_output(
    tiny: Make, bits: Bits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, output = tmp_path / "x.dvae", tmp_path / "back.npy"
    output.write_bytes(b"old")
    compress_file(tiny(), Blocks.of(bits(50, 5)), path)
    monkeypatch.setattr(compression, "require_same_model", lambda *_: None)
    with pytest.raises(CodesError, match="must have the checksum of the original"):
        decompress_file(tiny(seed=1), path, output)
    assert output.read_bytes() == b"old"
    assert files(tmp_path) == ["back.npy", "x.dvae"]


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_codes_alone_decompress_to_the_reconstructions(
    tiny: Make, tmp_path: Path, likelihood: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codes_batches, "EXAMPLES", 7)
    monkeypatch.setattr(compression, "CODES", 7 * 3 * 2)  # two batches on a stack
    model = tiny((5,), 3, 4, prior="learned", likelihood=likelihood)
    x = Blocks.of(np.random.default_rng(0).random((50, 5), np.float32))
    name = "fixed" if likelihood == "bernoulli" else "none"
    seen = [(BINARIZERS[name], generator("file", 0)) for _ in range(2)]
    compress_codes(model, x, tmp_path / "x.dvae", *seen[0])
    decompress_file(model, tmp_path / "x.dvae", tmp_path / "one.npy")
    encode_file(model, x, tmp_path / "codes.npz", *seen[1])
    decode_file(model, tmp_path / "codes.npz", tmp_path / "two.npy")
    assert (tmp_path / "one.npy").read_bytes() == (tmp_path / "two.npy").read_bytes()
    assert len(list(Archive(tmp_path / "x.dvae").stacks())) == 4


def test_codes_alone_take_minus_log_p_in_bits(tiny: Make, bits: Bits, tmp_path: Path) -> None:
    model, x = tiny((5,), 8, 4, prior="learned"), bits(5000, 5)
    with torch.no_grad():
        model.prior.logits.normal_()
        codes = model.encode(torch.from_numpy(x).float())
        expected = -model.prior.log_prob_of_codes(codes).sum().item() / np.log(2) / 8
    compress_codes(model, Blocks.of(x), tmp_path / "x.dvae")
    size = (tmp_path / "x.dvae").stat().st_size
    assert 0 < size - expected < 350 + 1e-3 * expected  # the header, a checksum
