from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from discretevae.data import DataError, read_file

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (5, 6, 7), np.uint8)
COLOUR = RANDOM.integers(0, 256, (5, 6, 7, 3), np.uint8)


def save(folder: Path, name: str, pixels: np.ndarray) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize("ending", ["png", "bmp", "gif", "tif", "PNG"])
def test_grey_images_are_what_pillow_saved(tmp_path: Path, ending: str) -> None:
    for i, pixels in enumerate(GREY):
        save(tmp_path, f"{i}.{ending}", pixels)
    (tmp_path / "notes.txt").write_text("passed over")
    (tmp_path / ".hidden.png").write_text("passed over")
    examples, classes = read_file(tmp_path)
    assert np.array_equal(examples.x.numpy(), GREY[:, None])
    assert (examples.labels, classes) == (None, None)


@pytest.mark.parametrize("channels", [3, 4])
def test_colour_comes_first(tmp_path: Path, channels: int) -> None:
    x = RANDOM.integers(0, 256, (5, 6, 7, channels), np.uint8)
    for i, pixels in enumerate(x):
        save(tmp_path, f"{i}.png", pixels)
    assert np.array_equal(read_file(tmp_path)[0].x.numpy(), x.transpose(0, 3, 1, 2))


@pytest.mark.parametrize("ending", ["jpg", "jpeg", "webp"])
def test_lossy_images_are_what_pillow_opens(tmp_path: Path, ending: str) -> None:
    path = save(tmp_path, f"0.{ending}", COLOUR[0])
    expected = np.asarray(Image.open(path)).transpose(2, 0, 1)
    assert np.array_equal(read_file(tmp_path)[0].x[0].numpy(), expected)


def test_a_palette_shows_its_colours(tmp_path: Path) -> None:
    image = Image.fromarray(COLOUR[0]).quantize(8)
    image.save(tmp_path / "0.png")
    expected = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    assert np.array_equal(read_file(tmp_path)[0].x[0].numpy(), expected)


def test_black_and_white_is_zero_and_one(tmp_path: Path) -> None:
    save(tmp_path, "0.png", GREY[0] > 99)
    assert np.array_equal(read_file(tmp_path)[0].values()[0, 0].numpy(), GREY[0] > 99)


def test_a_photograph_stands_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: to be turned clockwise
    Image.fromarray(GREY[0]).save(tmp_path / "0.png", exif=exif)
    assert np.array_equal(read_file(tmp_path)[0].x[0, 0].numpy(), np.rot90(GREY[0], -1))


def test_folders_name_the_classes(tmp_path: Path) -> None:
    for name in ("dog/a.png", "cat/b.png", "cat/deep/c.png"):
        save(tmp_path, name, GREY[0])
    examples, classes = read_file(tmp_path)
    assert classes == ("cat", "dog")
    assert examples.labels is not None
    assert examples.labels.tolist() == [0, 0, 1]


def test_odd_images_are_named(tmp_path: Path) -> None:
    save(tmp_path, "a.png", GREY[0])
    odd = save(tmp_path, "b.png", GREY[0, :5])
    with pytest.raises(DataError, match=r"must be 7×6 as a\.png is, got 7×5") as caught:
        read_file(tmp_path)
    assert str(odd) in str(caught.value)
    save(tmp_path, "b.png", COLOUR[0])
    with pytest.raises(DataError, match="got 7×6 with 3 channels"):
        read_file(tmp_path)


def test_bad_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must hold images .* got none"):
        read_file(tmp_path)
    save(tmp_path, "cat/a.png", GREY[0])
    loose = save(tmp_path, "b.png", GREY[0])
    with pytest.raises(DataError, match="must be in a sub-folder") as caught:
        read_file(tmp_path)
    assert str(loose) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_damaged_images_are_named(tmp_path: Path, content: bytes | None) -> None:
    path = save(tmp_path, "a.png", np.tile(GREY[0], (20, 20)))
    path.write_bytes(path.read_bytes()[:-200] if content is None else content)
    with pytest.raises(DataError, match=r"a\.png must be a whole image"):
        read_file(tmp_path)


def test_sixteen_bits_and_films_are_refused(tmp_path: Path) -> None:
    Image.fromarray(GREY[0].astype(np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="must have 8 bits a channel, got 16"):
        read_file(tmp_path)
    frames = [Image.fromarray(pixels) for pixels in GREY]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match="must be a single image, got 5 frames"):
        read_file(tmp_path)
