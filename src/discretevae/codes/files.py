"""Codes as a `.npz` file, which says whose they are."""

import math
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from discretevae.codes.batches import Progress, batch_size, require_fit, sizes_of
from discretevae.codes.errors import CodesError
from discretevae.codes.identity import model_identity
from discretevae.codes.rows import header_of, save_rows
from discretevae.data.binarize import BINARIZERS, Binarizer
from discretevae.data.blocks import Blocks
from discretevae.files import atomic_path, create_anew, open_plain
from discretevae.models import VAE
from discretevae.training.processes import Processes

__all__ = ["decode_file", "decoded", "encode_file", "encoded", "require_same_model"]

ALONE = Processes()
FORMAT = 1
SCALARS = ("format", "model", "num_categories", "batch_size")
SCALAR = 2**12
"""Bytes of an array of one value, its header included."""
TYPES = (np.uint8, np.uint16, np.uint32, np.uint64)


def encode_file(
    model: VAE,
    blocks: Blocks,
    path: str | Path,
    binarizer: Binarizer = BINARIZERS["none"],
    generator: torch.Generator | None = None,
    progress: Progress = lambda steps, what: steps,
    processes: Processes = ALONE,
    beside: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Writes the most probable code of each observation; a batch at a time is in memory.

    The file is an archive of NumPy arrays without Python objects: `codes`, (N, D) in the smallest
    type that holds K, `num_categories`, `model` (its identity), `batch_size` and `format`.

    Arguments:
        model: Without a condition.
        blocks: The data.
        path: Of the file, which is written as a whole or not at all.
        binarizer: What makes the data binary, as the model has seen them.
        generator: Of its draws.
        progress: Wraps the batches, for a progress bar.
        processes: Those that take the batches in turns; each calls this function, and the first
            writes the file, which is the same for any number.
        beside: Name → an array with an entry for each row: what the row is.

    Raises:
        CodesError: If model and data do not go together.
        ValueError: If a value lies outside the support of the likelihood.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from discretevae.models import DiscreteVAE
        >>> model, x = DiscreteVAE((3,), 2, 4).eval(), np.eye(3, dtype=np.float32)
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "codes.npz"
        ...     encode_file(model, Blocks.of(x), path)
        ...     decode_file(model, path, Path(folder) / "x.npy")
        ...     decoded = torch.from_numpy(np.load(Path(folder) / "x.npy"))
        ...     np.load(path)["codes"].dtype, torch.equal(decoded, model.reconstruct(torch.eye(3)))
        (dtype('uint8'), True)
    """
    require_fit(model, blocks)
    size = batch_size(model)
    dtype = _smallest(sizes_of(model)[1])
    header = header_of(blocks.count, (sizes_of(model)[0],), dtype)
    about = (FORMAT, model_identity(model), sizes_of(model)[1], size)
    steps = progress(range(0, blocks.count, size), "encoding")
    seen = zip(blocks.seen(size, binarizer, generator), steps, strict=True)
    mine = islice((x for x, _ in seen), processes.rank, None, processes.count)
    parts = (part.astype(dtype).tobytes() for part in encoded(model, mine))
    with _joined(parts, Path(path), processes) as batches:
        if processes.rank == 0:
            scalars = dict(zip(SCALARS, about, strict=True))
            _write(path, scalars, batches, header, beside or {})


def _write(
    path: str | Path,
    about: dict[str, Any],
    batches: Iterable[bytes],
    header: dict[str, object],
    beside: Mapping[str, np.ndarray],
) -> None:
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, value in about.items():
            with _member(archive, name) as file:
                np.lib.format.write_array(file, np.array(value))
        with _member(archive, "codes") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for part in batches:
                file.write(part)
        for name, array in beside.items():
            with _member(archive, _name_of(name, about)) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)


def _name_of(key: str, taken: Iterable[str]) -> str:
    """What a key is called in the archive, among arrays of other names."""
    name = re.sub(r"[^\w .-]", "_", key)
    return f"key {name}" if name in (*taken, "codes") else name


@contextmanager
def _joined(parts: Iterator[bytes], path: Path, processes: Processes) -> Iterator[Iterator[bytes]]:
    """Gives the first process all batches in order; each leaves its own beside the file."""
    if processes.count == 1:
        yield parts
        return
    names = [path.with_name(f".{path.stem}-part{i:04}.npz") for i in range(processes.count)]
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with create_anew(names[processes.rank]) as file:
            for part in parts:
                file.write(len(part).to_bytes(8, "little") + part)
        processes.wait()
        with ExitStack() as stack:
            files = [stack.enter_context(open_plain(name)) for name in names]
            yield _in_turns(files)
        processes.wait()
    finally:
        names[processes.rank].unlink(missing_ok=True)


def _in_turns(files: Sequence[BinaryIO]) -> Iterator[bytes]:
    for file in cycle(files):
        size = file.read(8)
        if not size:  # the first that has no more is where the batches end
            return
        yield file.read(int.from_bytes(size, "little"))


def decode_file(
    model: VAE,
    codes: str | Path,
    path: str | Path,
    progress: Progress = lambda steps, what: steps,
) -> None:
    """Writes what stands for p(x|z) of each code of a file, as `VAE.reconstruct` gives it.

    The codes go through the decoder in the batches in which they were made, so that the numbers
    are those of `reconstruct` for these batches, to the bit on one machine.

    Arguments:
        model: The one that made the codes.
        codes: A file that `encode_file` wrote.
        path: Of a `.npy` file, which is written as a whole or not at all.
        progress: Wraps the batches, for a progress bar.

    Raises:
        CodesError: If the file is missing, damaged, no such file, or of another model.
    """
    found = _CodesFile(codes)
    found.require_of(model)
    first = decoded(model, np.zeros((1, sizes_of(model)[0]), np.int64))
    parts = (decoded(model, part) for part in found.batches(progress))
    save_rows(path, found.count, first.shape[1:], first.dtype, parts)


def encoded(model: VAE, batches: Iterable[Tensor]) -> Iterator[Int[np.ndarray, "n D"]]:
    """Iterates over the most probable codes of batches, as a model sees them."""
    for x in batches:
        model.likelihood.check(x)
        with torch.inference_mode():
            codes = model.encode(x.to(model.device, model.dtype)).numpy(force=True)
        yield codes


@torch.inference_mode()
def decoded(model: VAE, codes: Int[np.ndarray, "n D"]) -> np.ndarray:
    """Gives what stands for p(x|z) of each code."""
    z = torch.from_numpy(codes).to(model.device)
    return model.likelihood.point(model.decode(z)).numpy(force=True)


class _CodesFile:
    """A file of codes, read a batch at a time."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with self._reading(), zipfile.ZipFile(self.path) as archive:
            if not {*SCALARS, "codes"} <= {Path(name).stem for name in archive.namelist()}:
                raise CodesError(f"`{self.path}` must be written by `discretevae encode`.")
            for part in archive.infolist():
                if part.compress_type != zipfile.ZIP_STORED:  # as `encode` leaves them
                    raise CodesError(f"`{self.path}` must hold arrays as they are, not compressed.")
            about = {name: _scalar(archive, name) for name in SCALARS}
            with archive.open("codes.npy") as file:
                self.shape, self.dtype = _header(file)
                held = archive.getinfo("codes.npy").file_size - file.tell()
            if math.prod(self.shape) * self.dtype.itemsize != held:
                raise ValueError("the array is not as large as it says")
            for name in ("num_categories", "batch_size"):
                if type(about[name]) is not int or about[name] < 1:
                    raise ValueError(f"{name} is no count")
        if about["format"] != FORMAT:
            raise CodesError(
                f"`{self.path}` must hold codes of format {FORMAT}, got {about['format']}."
            )
        self.identity, self.num_categories = str(about["model"]), about["num_categories"]
        self.batch_size: int = about["batch_size"]

    @property
    def count(self) -> int:
        return self.shape[0]

    def require_of(self, model: VAE) -> None:
        require_same_model(self.path, self.identity, (self.shape[1], self.num_categories), model)
        if self.shape[1] != sizes_of(model)[0] or self.batch_size > batch_size(model):
            raise CodesError(
                f"`{self.path}` must hold codes of {sizes_of(model)[0]} latents, made in batches "
                f"of {batch_size(model)}, got {self.shape[1]} and {self.batch_size}."
            )

    def batches(self, progress: Progress) -> Iterator[Int[np.ndarray, "n D"]]:
        """Iterates over the codes, as many at a time as went through the encoder together."""
        with (
            self._reading(),
            zipfile.ZipFile(self.path) as archive,
            archive.open("codes.npy") as file,
        ):
            _header(file)
            for start in progress(range(0, self.count, self.batch_size), "decoding"):
                rows = min(self.batch_size, self.count - start)
                data = file.read(rows * self.shape[1] * self.dtype.itemsize)
                codes = np.frombuffer(data, self.dtype).reshape(rows, self.shape[1])
                if codes.max() >= self.num_categories:
                    raise ValueError("a class is out of range")
                yield codes.astype(np.int64)
            if file.read(1):  # at the end, the archive's own checksum is compared
                raise ValueError("there is more than one array")

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise CodesError(f"`{self.path}` must be a file of codes, got none there.") from None
        except OSError as error:
            raise CodesError(f"`{self.path}` cannot be read: {error.strerror}.") from error
        except CodesError:
            raise
        except Exception as error:  # a damaged archive raises whatever its reader met
            raise CodesError(f"`{self.path}` is truncated, damaged, or no archive.") from error


def require_same_model(path: Path, identity: str, sizes: tuple[int, ...], model: VAE) -> None:
    """Refuses a file of another model.

    Raises:
        CodesError: Naming both models.
    """
    mine = model_identity(model)
    if identity != mine:
        raise CodesError(
            f"`{path}` must be of this model ({mine[:8]}, {sizes_of(model)[0]} × "
            f"{sizes_of(model)[1]}), got one of another ({identity[:8]}, "
            f"{' × '.join(map(str, sizes))})."
        )


@contextmanager
def _member(archive: zipfile.ZipFile, name: str) -> Iterator[Any]:
    """A new array of the archive; without the time, so that the same codes make the same file."""
    with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
        yield file


def _scalar(archive: zipfile.ZipFile, name: str) -> Any:
    if archive.getinfo(f"{name}.npy").file_size > SCALAR:
        raise ValueError(f"{name} is no single value")
    with archive.open(f"{name}.npy") as file:
        return np.lib.format.read_array(file, allow_pickle=False).item()


def _header(file: Any) -> tuple[tuple[int, int], np.dtype]:
    """Reads what an array of codes says of itself."""
    np.lib.format.read_magic(file)
    (count, num_latents), fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
    if fortran_order or dtype not in TYPES or min(count, num_latents) < 1:
        raise ValueError("the array holds no codes")
    return (count, num_latents), dtype


def _smallest(num_categories: int) -> np.dtype:
    return np.dtype(next(t for t in TYPES if num_categories - 1 <= np.iinfo(t).max))
