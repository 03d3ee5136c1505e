"""Folders of images."""

import math
import os
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..arrays import Contents, examples_from_arrays
from ..budget import PICTURE, require_memory
from ..errors import DataError
from ..reading import GUESS, ReadingOptions
from ..sizes import require_honest_size
from .raw import Note, RawColumn, part_of
from .raw_array import RawArray

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["ENDINGS", "ImageFolder", "PictureRule", "find_images", "read_images", "read_pictures"]

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
    except MemoryError:
        raise
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


SIMPLER = {"I;16B": "I;16", "I;16L": "I;16", "I": "I;16", "LAB": "RGB", "HSV": "RGB"}
MOST_BROKEN = 0.5
"""The share of files that cannot be read beyond which a folder is refused."""
LARGE = 64
"""The side that larger images of several sizes are scaled to."""
ONE_SIZE = 0.9
"""The share of images of one size from which the others are left out."""
CHANNELS = {"1": (), "L": (), "I;16": (), "F": (), "RGB": (3,), "RGBA": (4,)}


@dataclass(frozen=True)
class PictureRule:
    """How images become arrays of one shape.

    Arguments:
        mode: L (grey), RGB, RGBA, 1 (black and white), I;16 or F, as Pillow calls them.
        width: Of each image.
        height: Of each image.
        fit: Scale and cut images of other sizes, which are else left out.
    """

    mode: str
    width: int
    height: int
    fit: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array of an image."""
        return (self.height, self.width, *CHANNELS[self.mode])

    @property
    def dtype(self) -> np.dtype:
        """Of the array of an image."""
        types = {"1": np.bool_, "I;16": np.uint16, "F": np.float32}
        return np.dtype(types.get(self.mode, np.uint8))

    def pixels(self, path: Path) -> np.ndarray | None:
        """Reads an image; nothing of one of another size, unless it is made to fit.

        Raises:
            DataError: If it is damaged.
        """
        import PIL.Image
        from PIL.ImageOps import fit

        try:
            with PIL.Image.open(path) as image:
                plain = _plain(image)
                if plain.mode != self.mode:
                    plain = _converted(plain, self.mode)
                if plain.size != (self.width, self.height):
                    if not self.fit:
                        return None
                    plain = fit(plain, (self.width, self.height))
                return np.asarray(plain, self.dtype)
        except MemoryError:
            raise
        except Exception as error:  # Pillow's decoders raise whatever they meet
            raise DataError(f"{path} must be a whole image, got one damaged or unknown.") from error


@dataclass(frozen=True, eq=False)
class ImageFolder:
    """The images in a folder, found but not yet read.

    Arguments:
        folder: The folder.
        files: Paths below it, in order.
        classes: The class of each, empty where it has none; none where there are no classes.
        parts: Which part each belongs to, where folders are called train, val or test.
        notes: What was passed over.
    """

    folder: Path
    files: tuple[Path, ...]
    classes: tuple[str, ...] | None
    parts: np.ndarray | None
    notes: tuple[Note, ...] = ()

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.files)

    def rule(self, reading: ReadingOptions) -> "tuple[PictureRule, list[Note]]":
        """Finds the size and the kind of most images, by their first bytes.

        Raises:
            DataError: If no image can be read, or they have several sizes.
        """
        heads = [_head(self.folder / file) for file in self.files]
        known = [head for head in heads if head is not None]
        if not known:
            raise DataError(
                f"{self.folder / self.files[0]} must be a whole image, got one damaged or unknown."
            )
        sizes = Counter(head[:2] for head in known)
        (width, height), most = sizes.most_common(1)[0]
        mode, notes = _mode(Counter(head[2] for head in known))
        deep = sum(head[3] for head in known)
        if deep:
            notes.append(Note(f"{deep:,} colour images of 16 bits: the upper 8 are used"))
        films = sum(head[4] for head in known)
        if films:
            notes.append(Note(f"{films:,} films: their first picture is used", "--strict refuses"))
        if reading.size is not None:
            return PictureRule(mode, reading.size, reading.size, fit=True), notes
        if most < ONE_SIZE * len(known):
            others = ", ".join(f"{w}×{h}" for (w, h), _ in sizes.most_common(3))
            if reading.strict:
                raise DataError(
                    f"{self.folder} must hold images of one size, got {len(sizes):,} ({others}, …)."
                )
            side = _side([min(head[:2]) for head in known])
            found = f"images of {len(sizes):,} sizes ({others}, …)"
            notes.append(Note(f"{found} are scaled and cut to {side}×{side}", "--size"))
            return PictureRule(mode, side, side, fit=True), notes
        return PictureRule(mode, width, height), notes


def _side(shortest: list[int]) -> int:
    """The side of the squares that images of several sizes become: half are at least as large."""
    side = min(LARGE, sorted(shortest)[(len(shortest) - 1) // 2])
    return side - side % 4 if side >= 16 else side


def find_images(folder: Path, reading: ReadingOptions = GUESS) -> ImageFolder:
    """Finds the images below a folder, also by way of links; sub-folders name the classes.

    Raises:
        DataError: If there is none.
    """
    import PIL.Image

    PIL.Image.init()
    known = {e for e, kind in PIL.Image.registered_extensions().items() if kind in PIL.Image.OPEN}
    endings, passed, hidden = known - {".pdf", ".mpg", ".mpeg", ".h5", ".hdf"}, Counter[str](), 0
    files = []
    for path in sorted(_walk(folder)):
        if any(part.startswith(".") for part in path.parts) or path.name == "Thumbs.db":
            hidden += 1
        elif path.suffix.lower() in endings:
            files.append(path)
        else:
            passed[path.suffix.lower() or "no ending"] += 1
    kinds = ", ".join(f"{ending} {count:,}" for ending, count in passed.most_common(4))
    if not files:
        found = f"none, but {kinds}" if kinds else "none"
        raise DataError(f"{folder} must hold images ({', '.join(ENDINGS)}, …), got {found}.")
    notes = []
    if passed:
        notes.append(Note(f"files that are not read as images passed over: {kinds}"))
    if hidden:
        notes.append(Note(f"{hidden:,} hidden files passed over"))
    parts, inner = _parts_of(files, reading)
    if parts is not None:
        names = {0: "train", 1: "validation", 2: "test"}
        counts = Counter(parts.tolist())
        said = ", ".join(f"{names[p]} {counts[p]:,}" for p in sorted(counts))
        notes.append(Note(f"parts as the folders have them: {said}", "--splits pool"))
    classes = _names_of_classes(inner)
    if classes is not None and "" in classes:
        loose = classes.count("")
        notes.append(Note(f"{loose:,} images in no folder of a class: their label is not known"))
    return ImageFolder(folder, tuple(files), classes, parts, tuple(notes))


def read_pictures(
    images: ImageFolder, rule: PictureRule, reading: ReadingOptions = GUESS
) -> RawArray:
    """Reads the images of a folder; those that are damaged or of another size are counted.

    Raises:
        DataError: If they do not fit into memory, most of them cannot be read, or, where
            `reading.strict` says so, one cannot.
    """
    needed = len(images.files) * int(np.prod(rule.shape)) * rule.dtype.itemsize
    remedy = "; scale them by --size, or leave them on disk by --stream"
    paths = [images.folder / file for file in images.files]
    packed = sum(path.stat().st_size for path in paths if path.exists())  # not of broken links
    require_honest_size(images.folder, needed, packed)
    require_memory(PICTURE * needed, str(images.folder), remedy)
    x = np.empty((len(images.files), *rule.shape), rule.dtype)
    kept: list[int] = []
    broken: list[str] = []
    odd: list[str] = []
    for row, file in enumerate(images.files):
        try:
            pixels = rule.pixels(images.folder / file)
        except DataError:
            if reading.strict:
                raise
            broken.append(str(file))
            continue
        if pixels is None:
            odd.append(str(file))
            if reading.strict:
                raise DataError(f"{images.folder / file} must be {rule.width}×{rule.height}.")
            continue
        x[len(kept)] = pixels
        kept.append(row)
    if len(kept) <= (1 - MOST_BROKEN) * len(images.files):
        first = images.folder / (broken or odd)[0]
        what = "a whole image" if broken else f"{rule.width}×{rule.height}"
        raise DataError(f"{first} must be {what}, as all but few must, got one that is not.")
    notes = [*images.notes]
    if broken:
        notes.append(Note(f"left out: {_counted(broken)} that cannot be read", "--strict refuses"))
    if odd:
        size = f"{rule.width}×{rule.height}"
        notes.append(Note(f"left out: {_counted(odd)} of another size than {size}", "--size"))
    names = [str(images.files[row]) for row in kept]
    labels = images.classes and RawColumn.of("class", [images.classes[row] for row in kept])
    return RawArray(
        str(images.folder),
        images.folder.resolve().name,
        x[: len(kept)],
        labels or None,
        beside={"file": RawColumn.of("file", names)},
        parts=None if images.parts is None else images.parts[kept],
        notes=tuple(notes),
        pictures=rule,
    )


def _walk(folder: Path) -> Iterator[Path]:
    """Goes through a folder and what links in it lead to, each folder once."""
    yield from (path.relative_to(folder) for path in _below(folder, ()))


def _below(folder: Path, above: tuple[str, ...]) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if real in above:  # a link to a folder above would never end
        return
    for path in folder.iterdir():
        if path.is_dir():
            yield from _below(path, (*above, real))
        else:
            yield path


def _parts_of(
    files: Sequence[Path], reading: ReadingOptions
) -> tuple[np.ndarray | None, list[tuple[str, ...]]]:
    """Which part each file belongs to, and the folders within; none where they are not parts.

    A single folder around all others, such as archives have, or one called train alone, is no
    class.
    """
    inner = [path.parts for path in files]
    while len({parts[0] for parts in inner}) == 1 and min(map(len, inner)) > 2:
        inner = [parts[1:] for parts in inner]
    found = [part_of(parts[0]) if len(parts) > 1 else None for parts in inner]
    if None in found or len(set(found)) < 2 or 0 not in found:
        return None, inner
    inner = [parts[1:] for parts in inner]
    return (None if reading.splits == "pool" else np.array(found)), inner


def _names_of_classes(inner: Sequence[tuple[str, ...]]) -> tuple[str, ...] | None:
    if all(len(parts) == 1 for parts in inner):
        return None
    return tuple(parts[0] if len(parts) > 1 else "" for parts in inner)


def _head(path: Path) -> tuple[int, int, str, bool, bool] | None:
    """The width, height and kind of an image, whether it has 16 bits a colour, or is a film."""
    import PIL.Image

    try:
        with PIL.Image.open(path) as image:
            # A PNG's own way would decode all of it.
            turned = PIL.Image.Image.getexif(image).get(0x0112, 1) in (5, 6, 7, 8)
            width, height = image.size[::-1] if turned else image.size
            film = getattr(image, "n_frames", 1) > 1 and image.format not in ("MPO", "JPEG")
            mode = "L" if _is_grey(image) else PLAIN.get(image.mode, image.mode)
            if mode == "RGB" and "transparency" in image.info:
                mode = "RGBA"
        with path.open("rb") as file:
            start = file.read(26)
    except MemoryError:
        raise
    except Exception:  # Pillow's decoders raise whatever they meet
        return None
    deep = start[:4] == b"\x89PNG" and start[24] == 16 and start[25] in (2, 6)
    return width, height, SIMPLER.get(mode, mode), deep, film


def _mode(modes: Mapping[str, int]) -> tuple[str, list[Note]]:
    """The plainest kind that shows all images: grey ones among colours become colours."""
    known = {mode: count for mode, count in modes.items() if mode in CHANNELS}
    if len(known) == 1 and len(modes) == 1:
        return next(iter(known)), []
    if not known:
        return "RGB", []
    if set(known) <= {"1", "L"}:
        mode = "L"
    elif set(known) <= {"1", "L", "I;16", "F"}:
        mode = max(known, key=known.__getitem__)
    else:
        mode = "RGBA" if known.get("RGBA", 0) > 0.5 * sum(known.values()) else "RGB"
    counts = ", ".join(f"{NAMES.get(m, m)} {count:,}" for m, count in modes.items())
    return mode, [Note(f"images of several kinds ({counts}) are all taken as {NAMES[mode]}")]


NAMES = {
    "1": "black and white",
    "L": "grey",
    "RGB": "colour",
    "RGBA": "colour with transparency",
    "I;16": "grey of 16 bits",
    "F": "grey of 32 bits",
}


def _converted(image: "Image", mode: str) -> "Image":
    if image.mode in ("I", "I;16B", "I;16L") and mode == "I;16":
        return image.convert("I;16") if image.mode != "I" else image
    if image.mode in ("1", "L") and mode == "I;16":
        import PIL.Image

        # White is 65535 there, not 255.
        return PIL.Image.fromarray(np.asarray(image.convert("L"), np.uint16) * np.uint16(257))
    if image.mode.startswith("I") and mode in ("L", "RGB", "RGBA"):
        import PIL.Image

        return PIL.Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert(mode)
    return image.convert(mode)


def _counted(files: Sequence[str]) -> str:
    more = f" and {len(files) - 1:,} more" if len(files) > 1 else ""
    return f"{files[0]}{more}"
