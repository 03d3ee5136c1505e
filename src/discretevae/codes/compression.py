"""Data as compressed files: without loss, or their codes alone."""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, UInt8, UInt32

from discretevae.codes.archive import Archive, write_archive
from discretevae.codes.batches import Progress, batch_size, require_fit, sizes_of
from discretevae.codes.bits_back import BitsBack
from discretevae.codes.errors import CodesError
from discretevae.codes.files import decoded, encoded, require_same_model
from discretevae.codes.identity import model_identity
from discretevae.codes.prior_coder import PriorCoder
from discretevae.codes.rows import save_rows
from discretevae.data.binarize import BINARIZERS, Binarizer
from discretevae.data.blocks import Blocks, as_stored
from discretevae.models import VAE
from discretevae.names import shorten

__all__ = ["compress_codes", "compress_file", "decompress_file"]

LANES = 128
"""Most examples side by side."""
PIXELS = 2**23
"""Pixels on one stack: bounds the memory."""
LOGITS = 2**22
"""Numbers of the values that all pixels of examples side by side can have."""
CODES = 2**20
"""Class indices on one stack, where there are no pixels."""
MOST = 2**48
"""No count is larger in earnest."""
REAL = re.compile(r"[<>|=]?(b1|[iu][1248]|f(2|4|8|16))")
"""Types of numbers, as NumPy abbreviates them."""


def compress_file(
    model: VAE,
    blocks: Blocks,
    path: str | Path,
    progress: Progress = lambda steps, what: steps,
) -> None:
    r"""Compresses bits or bytes without loss, to −ELBO / ln 2 bits on average.

    Arguments:
        model: With the Bernoulli likelihood or one of levels, a uniform, learned or autoregressive
            prior, and without a condition.
        blocks: Data of two values: False and True, 0 and 1, or 0 and 255 in bytes; of a likelihood
            of levels, bytes or numbers k / (V − 1).
        path: Of the file, which is written as a whole or not at all.
        progress: Wraps the stacks, for a progress bar.

    Raises:
        CodesError: If the model or the data are others, or do not go together.

    Reference: Townsend, Bird & Barber, Practical lossless compression with latent variables using
    bits back coding, 2019.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from discretevae.models import DiscreteVAE
        >>> model, x = DiscreteVAE((3,), 2, 4), np.eye(3, dtype=bool)
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "x.dvae"
        ...     compress_file(model, Blocks.of(x), path)
        ...     decompress_file(model, path, Path(folder) / "x.npy")
        ...     back = np.load(Path(folder) / "x.npy")
        ...     back.dtype, bool((back == x).all())
        (dtype('bool'), True)
    """
    require_fit(model, blocks)
    pixels = math.prod(model.shape)
    symbols = model.likelihood.symbols
    lanes, chunk = min(batch_size(model), _most_lanes(model)), max(1, PIXELS // pixels)
    bits_back = BitsBack(model, lanes)
    layout = {"dtype": blocks.dtype.str, "row_shape": blocks.row_shape, "one": blocks.one}
    header = Header.of(model, "lossless", blocks.count, chunk, lanes, **layout)
    with write_archive(path, asdict(header)) as add:
        chunks = progress(range(0, blocks.count, chunk), "compressing")
        for _, rows in zip(chunks, blocks.rows(chunk), strict=True):
            add(bits_back.compress(_symbols(rows, header, blocks, symbols)))


def compress_codes(
    model: VAE,
    blocks: Blocks,
    path: str | Path,
    binarizer: Binarizer = BINARIZERS["none"],
    generator: torch.Generator | None = None,
    progress: Progress = lambda steps, what: steps,
) -> None:
    r"""Keeps the most probable code of each observation, at :math:`-\log_2 p(z)` bits.

    The file decompresses to the reconstructions, as `decode_file` gives them.

    Arguments:
        model: With a uniform, learned or autoregressive prior, and without a condition.
        blocks: The data.
        path: Of the file, which is written as a whole or not at all.
        binarizer: What makes the data binary, as the model has seen them.
        generator: Of its draws.
        progress: Wraps the stacks, for a progress bar.

    Raises:
        CodesError: If the model is another, or model and data do not go together.
        ValueError: If a value lies outside the support of the likelihood.
    """
    require_fit(model, blocks)
    size = batch_size(model)
    chunk = size * max(1, CODES // (size * sizes_of(model)[0]))
    prior = PriorCoder(model.prior)
    header = Header.of(model, "lossy", blocks.count, chunk, size)
    codes = encoded(model, blocks.seen(size, binarizer, generator))
    with write_archive(path, asdict(header)) as add:
        for _ in progress(range(0, blocks.count, chunk), "compressing"):
            add(prior.compress(np.concatenate(list(islice(codes, chunk // size)))))


def decompress_file(
    model: VAE,
    file: str | Path,
    path: str | Path,
    progress: Progress = lambda steps, what: steps,
) -> None:
    """Writes the data that were compressed, or their reconstructions where codes alone were kept.

    Arguments:
        model: The one that compressed them.
        file: What `compress_file` or `compress_codes` wrote.
        path: Of a `.npy` file, which is written as a whole or not at all; data that were
            compressed without loss have their own type and layout again.
        progress: Wraps the stacks, for a progress bar.

    Raises:
        CodesError: If the file is missing, damaged, no such file, or of another model.
    """
    archive = Archive(file)
    header = Header.read(archive)
    require_same_model(archive.path, header.model, header.sizes, model)
    header.require_of(model, archive.path)
    KINDS[header.kind](model, header, archive, Path(path), progress)


@dataclass(frozen=True)
class Header:
    """What a compressed file says of itself."""

    kind: str
    model: str
    sizes: tuple[int, ...]
    count: int
    chunk: int
    """Examples on one stack."""
    step: int
    """The most examples that go through a network together."""
    dtype: str = ""
    row_shape: tuple[int, ...] = ()
    one: int = 1

    @classmethod
    def of(
        cls, model: VAE, kind: str, count: int, chunk: int, step: int, **layout: Any
    ) -> "Header":
        sizes = sizes_of(model)
        return cls(kind, model_identity(model), sizes, count, chunk, step, **layout)

    @classmethod
    def read(cls, archive: Archive) -> "Header":
        fields: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in archive.header.items()
        }
        del fields["format"]
        try:
            found = cls(**fields)
            found._check(archive.count)
        except (TypeError, ValueError):
            raise CodesError(
                f"`{archive.path}` must describe compressed data, got {shorten(str(fields))}."
            ) from None
        return found

    def _check(self, stacks: int) -> None:
        """Refuses sizes that are no counts, or that the stacks are not of.

        Raises:
            ValueError: As short as it is, for the caller to put into words.
        """
        counts = (self.count, self.chunk, self.step, *self.sizes, *self.row_shape)
        if not all(type(number) is int and 1 <= number <= MOST for number in counts):
            raise ValueError
        if self.kind not in KINDS or type(self.model) is not str or self.one not in (1, 255):
            raise ValueError
        if -(-self.count // self.chunk) != stacks:
            raise ValueError
        if self.dtype and not REAL.fullmatch(self.dtype):
            raise ValueError

    def require_of(self, model: VAE, path: Path) -> None:
        """Refuses rows of another shape, and more on a stack than `compress` puts there.

        Raises:
            CodesError: Naming what is wrong.
        """
        pixels, size = math.prod(model.shape), max(self.step, batch_size(model))
        most = max(1, PIXELS // pixels, size * max(1, CODES // (size * sizes_of(model)[0])))
        lanes = max(LANES, batch_size(model))
        if self.kind == "lossless" and model.likelihood.symbols > 2:
            lanes = _most_lanes(model)
        if self.step > lanes or self.chunk > most:
            raise CodesError(
                f"`{path}` must hold at most {most} examples on a stack, got {self.chunk}."
            )
        if self.kind == "lossless":
            self._require_rows_of(model, path)

    def _require_rows_of(self, model: VAE, path: Path) -> None:
        rows = Blocks.of(np.empty((1, *self.row_shape), np.uint8), str(path))
        if not self.dtype or rows.shape != model.shape:
            raise CodesError(
                f"`{path}` must hold rows of shape {model.shape} and their type, got "
                f"{self.row_shape} and {self.dtype!r}."
            )

    def stored(self, x: UInt8[np.ndarray, "n *shape"], symbols: int) -> np.ndarray:
        """Gives 0, …, V − 1 the type, the range and the layout of the original."""
        values = x.astype(np.float64) * self.one / (symbols - 1)
        return as_stored(values, self.row_shape).astype(self.dtype)


def _most_lanes(model: VAE) -> int:
    """How many examples go side by side: fewer where each pixel has many values."""
    values = math.prod(model.shape) * model.likelihood.symbols
    return max(1, min(LANES, LOGITS // values))


def _restored(model: VAE, header: Header, archive: Archive, path: Path, progress: Progress) -> None:
    bits_back = BitsBack(model, header.step)
    blocks = (
        header.stored(bits_back.decompress(words, count), model.likelihood.symbols)
        for words, count in _stacks(header, archive, progress)
    )
    save_rows(path, header.count, header.row_shape, np.dtype(header.dtype), blocks)


def _reconstructed(
    model: VAE, header: Header, archive: Archive, path: Path, progress: Progress
) -> None:
    prior = PriorCoder(model.prior)
    blocks = (
        decoded(model, codes)
        for words, count in _stacks(header, archive, progress)
        for codes in _split(prior.decompress(words, count), header.step)
    )
    first = decoded(model, np.zeros((1, sizes_of(model)[0]), np.int64))
    save_rows(path, header.count, first.shape[1:], first.dtype, blocks)


KINDS: dict[str, Callable[[VAE, Header, Archive, Path, Progress], None]] = {
    "lossless": _restored,
    "lossy": _reconstructed,
}
"""What a file was compressed to → what writes it down again."""


def _stacks(
    header: Header, archive: Archive, progress: Progress
) -> Iterator[tuple[UInt32[np.ndarray, " words"], int]]:
    """Iterates over each stack's words and how many examples it holds."""
    starts = progress(range(0, header.count, header.chunk), "decompressing")
    for start, words in zip(starts, archive.stacks(), strict=True):
        yield words, min(header.chunk, header.count - start)


def _split(codes: Int[np.ndarray, "n D"], size: int) -> Iterator[Int[np.ndarray, "m D"]]:
    return (codes[start : start + size] for start in range(0, len(codes), size))


def _symbols(
    rows: np.ndarray, header: Header, blocks: Blocks, symbols: int
) -> UInt8[np.ndarray, "n *shape"]:
    """Gives rows as 0, …, V − 1; refuses what would not come back to the bit."""
    if rows.dtype.kind not in "biuf":
        raise CodesError(f"{blocks.where} must hold real numbers, got type {rows.dtype}.")
    steps = blocks.laid_out(rows).astype(np.float64) * ((symbols - 1) / header.one)
    x = np.ascontiguousarray(np.nan_to_num(steps.round()).clip(0, symbols - 1).astype(np.uint8))
    if header.stored(x, symbols).tobytes() != rows.tobytes():
        needed, remedy = "0 and 1, or 0 and 255 in bytes", "binarise them, or "
        if symbols > 2:
            needed, remedy = f"bytes or {symbols} levels from 0 to 1", ""
        raise CodesError(
            f"{blocks.where} must hold {needed}, to be compressed without "
            f"loss, got values from {rows.min():g} to {rows.max():g}: {remedy}keep their "
            "codes alone (--lossy)."
        )
    return x
