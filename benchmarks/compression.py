"""How large a file of binary images is, without loss, beside −ELBO and common formats; `results/`.

The test examples of a run, binarised as the run's, are compressed by its model (bits-back coding)
and by gzip, bzip2 and xz at their strongest (of a byte a pixel, of 8 pixels a byte, and of 8
pixels a byte with each row filled up to whole bytes), PNG and WebP without loss (each image by
itself, and all on one sheet). Everything is decompressed again and compared to the bit.

    python benchmarks/compression.py RUN [--samples 64] [--seed 0] [--output results]
"""

import argparse
import bz2
import gzip
import io
import json
import lzma
import math
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from discretevae.cli.train import stored_recipe
from discretevae.codes import compress_file, decompress_file
from discretevae.codes.archive import Archive
from discretevae.data.blocks import Blocks
from discretevae.experiments.folder import Run
from discretevae.experiments.shown import shown_for
from discretevae.files import write_text
from discretevae.models import DiscreteVAE

BINARIZED = {
    "fresh": "drawn once from Bernoullis of the grey values",
    "fixed": "drawn once from Bernoullis of the grey values",
    "threshold": "1 where the grey value is at least 0.5",
}
"""Binarisation of a run → what it makes of test images."""


@dataclass(frozen=True)
class Result:
    """One way to store the images, which gave them back to the bit."""

    method: str
    form: str
    bytes: int
    compress_seconds: float
    decompress_seconds: float


def by_model(model: DiscreteVAE, x: np.ndarray) -> tuple[Result, int]:
    """Compresses by the model; also the bytes of the file that are not the stack's."""
    with tempfile.TemporaryDirectory() as folder:
        packed, back = Path(folder) / "x.dvae", Path(folder) / "x.npy"
        start = time.perf_counter()
        compress_file(model, Blocks.of(x), packed)
        middle = time.perf_counter()
        decompress_file(model, packed, back)
        end = time.perf_counter()
        same = np.load(back)
        if same.dtype != x.dtype or not np.array_equal(same, x):
            raise RuntimeError("the file did not give the images back.")
        size = packed.stat().st_size
        words = sum(len(stack) for stack in Archive(packed).stacks())
    return Result("discretevae", "one file", size, middle - start, end - middle), size - 4 * words


Codec = tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]
CODECS: dict[str, Codec] = {
    "gzip -9": (lambda b: gzip.compress(b, 9, mtime=0), gzip.decompress),
    "bzip2 -9": (lambda b: bz2.compress(b, 9), bz2.decompress),
    "xz -9e": (lambda b: lzma.compress(b, preset=9 | lzma.PRESET_EXTREME), lzma.decompress),
}


def rows_filled(x: np.ndarray) -> np.ndarray:
    """8 pixels a byte, a new byte for each row of an image."""
    return np.packbits(x, axis=-1)


FORMS: dict[
    str, tuple[Callable[[np.ndarray], np.ndarray], Callable[[bytes, np.ndarray], bytes]]
] = {
    "a byte a pixel": (lambda x: x, lambda b, x: b),
    "8 pixels a byte": (
        np.packbits,
        lambda b, x: np.unpackbits(np.frombuffer(b, np.uint8), count=x.size).tobytes(),
    ),
    "8 pixels a byte, rows filled": (
        rows_filled,
        lambda b, x: np.unpackbits(
            np.frombuffer(b, np.uint8).reshape(rows_filled(x).shape), axis=-1, count=x.shape[-1]
        ).tobytes(),
    ),
}


def by_codecs(x: np.ndarray) -> Iterator[Result]:
    """Compresses the bytes of all images together; the form counts as no time."""
    for method, (compress, decompress) in CODECS.items():
        for form, (pack, unpack) in FORMS.items():
            content = pack(x).tobytes()
            start = time.perf_counter()
            packed = compress(content)
            middle = time.perf_counter()
            back = decompress(packed)
            end = time.perf_counter()
            if unpack(back, x) != x.tobytes():
                raise RuntimeError(f"{method} did not give the images back.")
            yield Result(method, form, len(packed), middle - start, end - middle)


def sheet_of(x: np.ndarray) -> np.ndarray:
    """Lays all images out on one, in a square."""
    n, height, width = x.shape
    side = math.ceil(math.sqrt(n))
    cells = np.zeros((side * side, height, width), x.dtype)
    cells[:n] = x
    grid = cells.reshape(side, side, height, width).swapaxes(1, 2)
    return grid.reshape(side * height, side * width)


def png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image.astype(bool)).save(file, "PNG", optimize=True)  # one bit a pixel
    return file.getvalue()


def webp(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    picture = Image.fromarray(image * np.uint8(255)).convert("RGB")
    picture.save(file, "WEBP", lossless=True, quality=100, method=6)
    return file.getvalue()


def opened(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return (np.asarray(image.convert("L")) > 0).astype(np.uint8)


def by_images(x: np.ndarray) -> Iterator[Result]:
    """Compresses images as images, with nothing but their files' bytes counted."""
    forms = {
        "each image": list(x),
        "one sheet": [sheet_of(x)],
        "one strip": [x.reshape(-1, x.shape[-1])],
    }
    for method, encode in (("PNG, 1 bit", png), ("WebP, lossless", webp)):
        for form, pictures in forms.items():
            if encode is webp and max(max(p.shape) for p in pictures) > 16383:
                continue  # the most that WebP holds
            start = time.perf_counter()
            packed = [encode(picture) for picture in pictures]
            middle = time.perf_counter()
            back = [opened(content) for content in packed]
            end = time.perf_counter()
            if not all(np.array_equal(a, b) for a, b in zip(pictures, back, strict=True)):
                raise RuntimeError(f"{method} did not give the images back.")
            yield Result(method, form, sum(map(len, packed)), middle - start, end - middle)


@torch.no_grad()
def elbo_in_bits(
    model: DiscreteVAE, x: torch.Tensor, samples: int, seed: int
) -> tuple[float, float]:
    """−ELBO of all images in bits, and the standard deviation that one draw of each code leaves."""
    generator = torch.Generator().manual_seed(seed)
    total, variance = 0.0, 0.0
    for part in x.split(500):
        log_w = model.log_weights(part, samples, generator)
        total -= model.elbo(part, samples, generator).double().sum().item() / math.log(2)
        variance += log_w.double().var(0).sum().item() / math.log(2) ** 2
    return total, math.sqrt(variance)


def page(record: dict) -> str:
    """The table, and what it says, in words."""
    ours, *others = record["results"]
    pixels = record["pixels"]
    best = min(others, key=lambda r: r["bytes"])
    excess = 8 * ours["bytes"] / record["minus_elbo_bits"] - 1
    lines = [
        "# Lossless compression of binarised images",
        "",
        f"{record['examples']:,} test images of {record['data']}, {record['binarized']}, "
        f"{pixels:,} pixels, by {record['model']}. Bits-back coding with asymmetric numeral "
        f"systems makes a file of **{ours['bytes']:,} bytes**, all of it counted: "
        f"{8 * ours['bytes'] / record['examples']:.2f} bits an image, where −ELBO / ln 2 is "
        f"{record['minus_elbo_bits'] / record['examples']:.2f} "
        f"(**{100 * excess:+.2f} %**; the draws of codes alone leave a standard deviation of "
        f"{100 * record['draws_sd_bits'] / record['minus_elbo_bits']:.2f} %). Of the file, "
        f"{record['container_bytes']} bytes are the header and a checksum; 32 more, at the bottom "
        "of the stack, are the checksum of the images, which lends the first bits. Whoever "
        f"decompresses has the model: its {record['model_bytes'] / 1e6:.1f} MB of weights are not "
        "counted, as the programs of the other formats are not.",
        "",
        f"The smallest other file, {best['method']} ({best['form']}), is "
        f"{best['bytes'] / ours['bytes']:.2f} times as large. Everything was decompressed and "
        "compared to the bit. MB/s are of a byte a pixel, for all alike.",
        "",
        "| method | form | bytes | bits a pixel | of ours | MB/s in | MB/s out |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for r in record["results"]:
        rates = [pixels / 1e6 / r[key] for key in ("compress_seconds", "decompress_seconds")]
        lines.append(
            f"| {r['method']} | {r['form']} | {r['bytes']:,} | {8 * r['bytes'] / pixels:.4f} | "
            f"{r['bytes'] / ours['bytes']:.2f} | {rates[0]:.3g} | {rates[1]:.3g} |"
        )
    elbo = -record["minus_elbo_bits"] / pixels
    lines += [
        f"| −ELBO / ln 2 | – | {record['minus_elbo_bits'] / 8:,.0f} | {-elbo:.4f} | "
        f"{record['minus_elbo_bits'] / 8 / ours['bytes']:.2f} | – | – |",
        "",
        f"−ELBO: {record['samples']} samples an image, seed {record['seed']}. Command: "
        f"`{record['command']}`; {', '.join(f'{k} {v}' for k, v in record['versions'].items())}, "
        f"{record['threads']} thread{'s' * (record['threads'] > 1)}, {record['machine']}.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("results"))
    arguments = parser.parse_args()

    run = Run.open(arguments.run)
    recipe = stored_recipe(run)
    model = DiscreteVAE.from_pretrained(run.model)
    examples = shown_for(recipe, run.read_schema(), None, model).examples
    x = (examples.x.numpy() > 0).astype(np.uint8).reshape(len(examples), *model.shape[-2:])
    as_seen = x.reshape(len(x), *model.shape)

    ours, container = by_model(model, as_seen)
    print(ours)
    bits, sd = elbo_in_bits(model, examples.values(), arguments.samples, arguments.seed)
    print(
        f"-ELBO / ln 2: {bits / 8:,.0f} bytes; {8 * ours.bytes / bits - 1:+.4%}, sd {sd / bits:.4%}"
    )
    results = [ours]
    for result in (*by_codecs(x), *by_images(x)):
        print(result)
        results.append(result)
    best = min(result.bytes for result in results[1:])
    print(f"within 1 % of -ELBO: {abs(8 * ours.bytes / bits - 1) < 0.01}")
    print(f"smaller than all others: {ours.bytes < best}")
    command = (
        f"python benchmarks/compression.py RUN --samples {arguments.samples} "
        f"--seed {arguments.seed}"
    )
    record = {
        "data": recipe.data,
        "binarized": BINARIZED.get(str(recipe.binarize), "binary as they are"),
        "model_bytes": (run.model / "model.safetensors").stat().st_size,
        "model": f"a DiscreteVAE of {model.num_latents} × {model.num_categories} latents, "
        f"{model.network.kind}, {model.prior.kind} prior, seed {recipe.seed}",
        "examples": len(x),
        "pixels": x.size,
        "minus_elbo_bits": bits,
        "draws_sd_bits": sd,
        "samples": arguments.samples,
        "seed": arguments.seed,
        "container_bytes": container,
        "results": [asdict(result) for result in results],
        "command": command,
        "versions": {name: version(name) for name in ("torch", "constriction", "numpy", "pillow")},
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
    }
    write_text(arguments.output / "compression.json", json.dumps(record, indent=1) + "\n")
    write_text(arguments.output / "compression.md", page(record))


if __name__ == "__main__":
    main()
