"""Held-out crops of photographs: lossless files beside PNG, WebP and JPEG XL, lossy ones beside
JPEG and WebP of the same size; writes results/photos.md.

The crops (104 of 32 × 32, no pixel of which was trained on) are compressed by each run's model, its
weights not counted, and by the formats, each crop by itself and all on one sheet. All is
decompressed again and compared to the bit. JPEG XL is asked of `cjxl`, where it is installed.

    python benchmarks/photos.py RUN [RUN ...] [--output results]
"""

import argparse
import io
import json
import math
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image

from discretevae.codes import compress_file, decompress_file
from discretevae.data.blocks import Blocks
from discretevae.data.photos import read_photos
from discretevae.experiments.folder import versions
from discretevae.files import write_text
from discretevae.models import VAE, from_pretrained

RESULTS = Path(__file__).parent.parent / "results"
ACROSS = 13
"""Crops in a row of a sheet."""
SHOWN = 26
"""Crops in the picture."""


def sheet(crops: np.ndarray, across: int = ACROSS) -> Image.Image:
    """Puts crops (n, 3, h, w) side by side."""
    n, channels, height, width = crops.shape
    rows = crops.reshape(n // across, across, channels, height, width)
    return Image.fromarray(
        rows.transpose(0, 3, 1, 4, 2).reshape(n // across * height, across * width, channels)
    )


def stored(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Writes an image into a file of Pillow."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(image: Image.Image) -> bytes:
    return stored(image, "PNG", optimize=True)


def webp(image: Image.Image) -> bytes:
    return stored(image, "WEBP", lossless=True, quality=100, method=6)


def jpeg_xl(image: Image.Image) -> bytes:
    """Writes by `cjxl` at its strongest, reads by `djxl`."""
    with tempfile.TemporaryDirectory() as folder:
        source, packed, back = (Path(folder) / name for name in ("x.png", "x.jxl", "y.png"))
        image.save(source)
        for words in (["cjxl", source, packed, "-d", "0", "-e", "9"], ["djxl", packed, back]):
            subprocess.run([*map(str, words)], check=True, capture_output=True)
        if np.asarray(Image.open(back)).tobytes() != np.asarray(image).tobytes():
            raise RuntimeError("cjxl did not give an image back")
        return packed.read_bytes()


def by_formats(crops: np.ndarray) -> list[dict[str, Any]]:
    """Bytes of the crops in each format, each by itself and all on one sheet."""
    formats: dict[str, Callable[[Image.Image], bytes]] = {"PNG": png, "WebP": webp}
    if shutil.which("cjxl"):
        formats["JPEG XL"] = jpeg_xl
    images = [sheet(crops[i : i + 1], 1) for i in range(len(crops))]
    return [
        {"method": name, "each": sum(len(write(x)) for x in images), "sheet": len(write(whole))}
        for whole in [sheet(crops)]
        for name, write in formats.items()
    ]


@torch.no_grad()
def by_model(model: VAE, crops: np.ndarray) -> dict[str, Any]:
    """The file of a model, which gave the crops back, beside its bound."""
    with tempfile.TemporaryDirectory() as folder:
        packed, back = Path(folder) / "x.dvae", Path(folder) / "x.npy"
        compress_file(model, Blocks.of(crops), packed)
        decompress_file(model, packed, back)
        if np.load(back).tobytes() != crops.tobytes():
            raise RuntimeError("the model did not give the crops back")
        size = packed.stat().st_size
    model = model.double()
    x = torch.from_numpy(crops).double() / 255
    elbo = model.elbo(x, samples=1 if all(v.point for v in model.variables) else 64)
    return {"bytes": size, "bound_bytes": float(-elbo.sum()) / math.log(2) / 8}


@torch.no_grad()
def lossy(model: VAE, crops: np.ndarray) -> tuple[np.ndarray, float]:
    """Reconstructions of the crops, and the bits a pixel that their codes take under the prior."""
    model = model.double()
    x = torch.from_numpy(crops).double() / 255
    codes = model.encode(x)
    rate = float(-model.prior.log_prob_of_codes(codes).sum()) / math.log(2)
    shown = (model.reconstruct(x) * 255).round().clamp(0, 255).to(torch.uint8).numpy()
    return shown, rate / (len(crops) * crops.shape[2] * crops.shape[3])


def of_size(image: Image.Image, kind: str, most: int) -> tuple[Image.Image, int]:
    """The best quality of a lossy format that takes no more bytes; else the smallest."""
    files = [stored(image, kind, quality=q) for q in range(100, 0, -1)]
    fits = [file for file in files if len(file) <= most] or [min(files, key=len)]
    return Image.open(io.BytesIO(fits[0])).convert("RGB"), len(fits[0])


def error(crops: np.ndarray, others: np.ndarray) -> float:
    """Peak signal to noise in dB."""
    mse = np.square(crops.astype(float) - others).mean()
    return float(10 * math.log10(255**2 / mse))


def picture(crops: np.ndarray, runs: dict[str, VAE], path: Path) -> list[dict[str, Any]]:
    """Draws crops, below them what each model makes of them, and formats of as many bytes."""
    shown = crops[:: len(crops) // SHOWN][:SHOWN]
    whole = sheet(shown)
    pixels, rows, found = len(shown) * shown.shape[2] * shown.shape[3], [whole], []
    for name, model in runs.items():
        ours, rate = lossy(model, shown)
        entry = {"name": name, "bits_per_pixel": rate, "psnr": error(shown, ours)}
        rows.append(sheet(ours))
        for kind in ("JPEG", "WEBP"):
            theirs, size = of_size(whole, kind, int(rate * pixels / 8))
            entry[kind.lower()] = {
                "bits_per_pixel": 8 * size / pixels,
                "psnr": error(np.asarray(whole), np.asarray(theirs)),
            }
            rows.append(theirs)
        found.append(entry)
    height = whole.height + 6
    canvas = Image.new("RGB", (whole.width, height * len(rows)), "white")
    for i, row in enumerate(rows):
        canvas.paste(row, (0, i * height))
    canvas.resize((canvas.width * 2, canvas.height * 2), Image.Resampling.NEAREST).save(path)
    return found


TOLD = (
    *("model", "likelihood", "codebook", "down", "num_quantisers", "groups", "prior"),
    *("batch_size", "learning_rate", "epochs", "seed"),
)
"""Options of a run that the page names."""


def trained_by(run: Path) -> str:
    """The options of a run in words."""
    options = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    said = {name: options.get(name) for name in TOLD}
    return ", ".join(f"{name} {value}" for name, value in said.items() if value is not None)


def page(record: dict[str, Any]) -> str:
    """The page of results."""
    pixels = record["crops"] * 32 * 32
    per = 8 / (3 * pixels)
    lines = [
        "# Held-out crops of photographs",
        "",
        f"`{record['command']}`: {record['crops']} crops of 32 × 32 from bands of the two "
        "photographs of scikit-learn that no training crop touches. Bits per dimension (three a "
        "pixel) of files that gave every crop back to the bit; the weights of our models are not "
        "counted. Two cores, shared, no GPU; one seed a model.",
        "",
        "| file | bytes | bits/dim | its bound | over it |",
        "|---|---|---|---|---|",
    ]
    for run in record["runs"]:
        over = run["bytes"] / run["bound_bytes"] - 1
        lines.append(
            f"| {run['name']} | {run['bytes']:,} | {run['bytes'] * per:.3f} | "
            f"{run['bound_bytes'] * per:.3f} | {over:+.2%} |"
        )
    for one in record["formats"]:
        for form, text in (("each", "each crop by itself"), ("sheet", "all on one sheet")):
            size = one[form]
            lines.append(f"| {one['method']}, {text} | {size:,} | {size * per:.3f} | – | – |")
    lines += [
        "",
        "A file can be a little below its bound: the coder gives each level at least a weight of "
        "one, which spares what the model holds for all but impossible.",
        "",
        "## Lossy",
        "",
        f"Codes alone, under the prior over them, of {SHOWN} crops, decoded by models whose pixels "
        "are independent given them; JPEG and WebP write them on "
        "one sheet, at the best quality that takes no more bytes (else their smallest). PSNR in "
        "dB. In [photos.png](photos.png) the crops come first, then three rows of each model: "
        "ours, JPEG, WebP.",
        "",
        "| codes of | bits/pixel | PSNR | JPEG | WebP |",
        "|---|---|---|---|---|",
    ]
    for run in record["lossy"]:
        others = [
            f"{run[kind]['psnr']:.1f} at {run[kind]['bits_per_pixel']:.2f}"
            for kind in ("jpeg", "webp")
        ]
        lines.append(
            f"| {run['name']} | {run['bits_per_pixel']:.2f} | {run['psnr']:.1f} | "
            f"{' | '.join(others)} |"
        )
    lines += ["", "## Runs", ""]
    if "commits" in record:
        lines += [f"At commits {record['commits']}.", ""]
    lines += [f"- {name}: {options}." for name, options in record["options"].items()]
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--output", type=Path, default=RESULTS)
    given = parser.parse_args()
    crops = read_photos()[1].x.numpy()
    models = {run.name: from_pretrained(run / "model").eval() for run in given.runs}
    found = [{"name": name, **by_model(model, crops)} for name, model in models.items()]
    apart = {name: m for name, m in models.items() if len(m.likelihood.turns(m.shape)) <= 3}
    lossless = sorted(found, key=lambda run: run["bytes"])
    record = {
        "command": "python benchmarks/photos.py " + " ".join(map(str, given.runs)),
        "versions": versions(),
        "crops": len(crops),
        "options": {run.name: trained_by(run) for run in given.runs},
        "runs": lossless,
        "formats": by_formats(crops),
        "lossy": picture(crops, apart, given.output / "photos.png"),
    }
    write_text(given.output / "photos.json", json.dumps(record, indent=1) + "\n")
    write_text(given.output / "photos.md", page(record))


if __name__ == "__main__":
    main()
