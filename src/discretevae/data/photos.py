"""Crops of two photographs, for likelihoods of levels to be tried on without a download."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Integer

from .examples import Examples

__all__ = ["PHOTOS", "read_photos", "read_photos_to_validate"]

PHOTOS = ("china.jpg", "flower.jpg")
"""A temple and a dahlia, 427 × 640 each, which come with scikit-learn; their labels are 0 and 1."""
SIDE = 32


class Bands(NamedTuple):
    """Vertical bands of a photograph, and how far apart the crops in them are."""

    start: int
    width: int
    stride: int


PERIOD = 160
"""Columns after which the bands repeat, four times in a photograph."""
TRAIN = Bands(0, 96, 4)
VALIDATION = Bands(96, 32, SIDE)
TEST = Bands(128, 32, SIDE)


def read_photos() -> tuple[Examples, Examples]:
    """Reads crops to train on, and those to test on.

    Of every 160 columns of a photograph the first 96 are to train on, 32 to validate and 32 to test
    on: no pixel is in two parts, and all parts have sky and ground. Crops to train on start at
    every fourth row and column, 13,464 in all; the others do not overlap, 104 of each part. A
    decoder of JPEG may differ from another by a level.

    Example:
        >>> train, test = read_photos()
        >>> len(train), len(test), train.shape, train.x.dtype
        (13464, 104, (3, 32, 32), torch.uint8)
    """
    return _crops(TRAIN), _crops(TEST)


def read_photos_to_validate() -> Examples:
    """Reads the crops to validate on: near the others, drawn from none of them."""
    return _crops(VALIDATION)


def _crops(bands: Bands) -> Examples:
    from sklearn.datasets import load_sample_image

    of_photos = [_crops_of(load_sample_image(name), bands) for name in PHOTOS]
    labels = np.repeat(np.arange(len(PHOTOS)), [len(crops) for crops in of_photos])
    return Examples(torch.from_numpy(np.concatenate(of_photos)), torch.from_numpy(labels))


def _crops_of(photo: Integer[np.ndarray, "H W 3"], bands: Bands) -> Integer[np.ndarray, "n 3 _ _"]:
    windows = np.lib.stride_tricks.sliding_window_view(photo, (SIDE, SIDE, 3))[:, :, 0]
    starts = range(bands.start, photo.shape[1], PERIOD)
    columns = [c for start in starts for c in _within(start, bands)]
    crops = windows[:: bands.stride, columns].reshape(-1, SIDE, SIDE, 3)
    return np.ascontiguousarray(np.moveaxis(crops, -1, 1))


def _within(start: int, bands: Bands) -> range:
    """The columns at which crops of a band start."""
    return range(start, start + bands.width - SIDE + 1, bands.stride)
