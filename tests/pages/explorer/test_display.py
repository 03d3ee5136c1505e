import base64
import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image

from discretevae.pages.explorer.display import Pictures, Texts, display_of, sheet


def opened(source: str) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))))


@pytest.mark.parametrize("channels", [1, 3])
def test_every_picture_stands_in_its_place(channels: int) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (7, 5, 4, 3), dtype=np.uint8)
    pictures = pictures if channels == 3 else pictures[..., 0]
    found = sheet(pictures)
    whole = opened(found["source"])
    assert (found["width"], found["height"]) == (4, 5)
    for i, picture in enumerate(pictures):
        x, y = i % found["columns"] * 4, i // found["columns"] * 5
        assert (whole[y : y + 5, x : x + 4] == picture).all()


def test_shades_are_few_and_near() -> None:
    pictures = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    kept = opened(sheet(pictures, shades=16)["source"])
    assert len(np.unique(kept)) == 16
    assert {0, 255} <= set(kept.flatten().tolist())
    assert np.abs(kept.astype(int) - pictures[0]).max() <= 9


def test_pictures_are_black_at_low_and_white_at_high() -> None:
    x = torch.tensor([[-5.0, 0.0, 5.0, 9.0]])
    assert Pictures((4,), -5, 5).show(x).tolist() == [[[0, 128, 255, 255]]]
    assert Pictures((3, 2, 2)).show(torch.ones(6, 3, 2, 2)).shape == (6, 2, 2, 3)


def test_sentences_and_rows_are_texts(make: Callable) -> None:
    model, data = make("sentences")
    display = display_of(model, data.test.values())
    assert isinstance(display, Texts)
    assert display.header == ("sentence",)
    assert len(display.show(data.test.values())) == len(data.test)
    model, data = make("rows")
    display = display_of(model, data.test.values())
    assert display.header == ("age", "job")
    assert {row[1] for row in display.show(data.train.values())} == {"cook", "smith", "baker", "–"}
