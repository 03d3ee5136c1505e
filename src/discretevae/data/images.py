"""Folders of images."""

import math
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .arrays import Contents, examples_from_arrays
from .errors import DataError
from .sizes import require_honest_size

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["ENDINGS", "read_images"]

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
MANY = 50
"""Frames that are counted."""
# Modes with a palette or a rarer layout, and the plain one that shows the same picture.
PLAIN = {"P": "RGB", "PA": "RGBA", "LA": "RGBA", "CMYK": "RGB", "YCbCr": "RGB"}


def read_images(folder: Path) -> Contents:
    """Returns the images in a folder, in order of their paths; sub-folders name the classes.

    Files with other endings and hidden ones are passed over. All images must have one size
    and one mode.
    """
    paths = _image_paths(folder)
    first = _pixels(paths[0])
    require_honest_images(folder, paths, first)
    x = np.empty((len(paths), *first.shape), first.dtype)
    for row, path in zip(x, paths, strict=True):
        pixels = _pixels(path)
        if pixels.shape != first.shape or pixels.dtype != first.dtype:
            raise DataError(
                f"{path} must be {_describe(first)} as {paths[0].name} is, got {_describe(pixels)}."
            )
        row[:] = pixels
    return examples_from_arrays(x, _classes(paths, folder), where=str(folder))


def require_honest_images(folder: Path, paths: list[Path], first: np.ndarray) -> None:
    """Refuses small files that show many large images.

    Raises:
        DataError: If they unpack to more than is honest.
    """
    packed = sum(path.stat().st_size for path in paths)
    require_honest_size(folder, len(paths) * first.nbytes, packed)


def _image_paths(folder: Path) -> list[Path]:
    found = (p.relative_to(folder) for p in folder.rglob("*") if p.suffix.lower() in ENDINGS)
    paths = sorted(p for p in found if not any(part.startswith(".") for part in p.parts))
    if not paths:
        raise DataError(f"{folder} must hold images ({', '.join(ENDINGS)}), got none.")
    return [folder / path for path in paths]


def _classes(paths: list[Path], folder: Path) -> np.ndarray | None:
    parts = [path.relative_to(folder).parts for path in paths]
    loose = [path for path, p in zip(paths, parts, strict=True) if len(p) == 1]
    if len(loose) == len(paths):
        return None
    if loose:
        raise DataError(f"{loose[0]} must be in a sub-folder that names its class, as others are.")
    return np.array([p[0] for p in parts])


def _pixels(path: Path) -> np.ndarray:
    import PIL.Image

    # Of what is refused below; not for a while alone, for threads read images too.
    warnings.filterwarnings("ignore", category=PIL.Image.DecompressionBombWarning)
    try:
        with PIL.Image.open(path) as image:
            if math.prod(image.size) > (PIL.Image.MAX_IMAGE_PIXELS or math.inf):
                raise ValueError("a bomb")
            frames = _count_frames(image)
            pixels = np.asarray(_plain(image))
    except Exception as error:  # Pillow's decoders raise whatever they meet
        raise DataError(f"{path} must be a whole image, got one damaged or unknown.") from error
    if frames > 1:
        more = " or more" * (frames == MANY)
        raise DataError(f"{path} must be a single image, got {frames} frames{more}.")
    if pixels.dtype not in (np.uint8, np.bool_):
        raise DataError(f"{path} must have 8 bits a channel, got {pixels.dtype.itemsize * 8}.")
    return pixels


def _count_frames(image: "Image") -> int:
    """Counts frames up to `MANY`: a small file may have a million."""
    count = 1
    with suppress(EOFError):
        while count < MANY:
            image.seek(count)
            count += 1
    image.seek(0)
    return count


def _plain(image: "Image") -> "Image":
    from PIL.ImageOps import exif_transpose

    image = exif_transpose(image)
    mode = "L" if _is_grey(image) else PLAIN.get(image.mode, image.mode)
    return image.convert("RGBA" if mode == "RGB" and "transparency" in image.info else mode)


def _is_grey(image: "Image") -> bool:
    """Whether an image has a palette of greys alone, as every grey GIF has."""
    if image.mode != "P" or "transparency" in image.info:
        return False
    palette = np.reshape(image.getpalette("RGB") or (), (-1, 3))
    return bool((palette == palette[:, :1]).all())


def _describe(pixels: np.ndarray) -> str:
    channels = f" with {pixels.shape[2]} channels" if pixels.ndim == 3 else ""
    black_and_white = " in black and white" if pixels.dtype == np.bool_ else ""
    return f"{pixels.shape[1]}×{pixels.shape[0]}{channels}{black_and_white}"
