"""Crops of photographs: where they are, and that no pixel is in two parts."""

from itertools import combinations

import numpy as np
import torch
from sklearn.datasets import load_sample_image

from discretevae.data import DATASETS, Examples, load, photos
from discretevae.data.photos import PERIOD, PHOTOS, SIDE, TEST, TRAIN, VALIDATION

BANDS = {"train": TRAIN, "validation": VALIDATION, "test": TEST}


def seen_by(bands: photos.Bands) -> np.ndarray:
    """Which pixels of a photograph are in a crop: crops of a picture of the pixels' numbers."""
    numbers = np.arange(427 * 640, dtype=np.int64).reshape(427, 640, 1).repeat(3, 2)
    crops = photos._crops_of(numbers, bands)
    assert crops.shape[1:] == (3, SIDE, SIDE)
    assert (np.diff(crops[:, 0, 0]) == 1).all()  # a row is a row, a channel a channel
    assert (np.diff(crops[:, 0, :, 0]) == 640).all()
    seen = np.zeros(427 * 640, dtype=bool)
    seen[crops.ravel()] = True
    return seen.reshape(427, 640)


def test_no_pixel_is_in_two_parts() -> None:
    seen = {name: seen_by(bands) for name, bands in BANDS.items()}
    for first, second in combinations(seen.values(), 2):
        assert not (first & second).any()
    assert sum(seen.values()).sum() >= 0.97 * 427 * 640
    assert seen["train"][:, :96].mean() > 0.99
    assert not seen["train"][:, 96:PERIOD].any()


def test_crops_that_are_held_out_do_not_overlap() -> None:
    for name in ("validation", "test"):
        numbers = np.arange(427 * 640, dtype=np.int64).reshape(427, 640, 1)
        crops = photos._crops_of(np.broadcast_to(numbers, (427, 640, 3)), BANDS[name])
        assert len(np.unique(crops[:, 0])) == crops[:, 0].size
        assert len(crops) == 52


def test_they_are_bytes_of_the_photographs() -> None:
    _, test = DATASETS["photos"].read()
    assert isinstance(test, Examples)
    first, last = (load_sample_image(name) for name in PHOTOS)
    assert np.array_equal(test.x[0].numpy(), first[:SIDE, 128:160].transpose(2, 0, 1))
    assert np.array_equal(test.x[-1].numpy(), last[384:416, 608:640].transpose(2, 0, 1))
    assert test.labels is not None
    assert test.labels.tolist() == [0] * 52 + [1] * 52


def test_all_parts_stay_bytes_and_are_alike_every_time() -> None:
    splits, again = load("photos", seed=3), load("photos", seed=3)
    sizes = [len(part) for part in (splits.train, splits.validation, splits.test)]
    assert sizes == [DATASETS["photos"].train_examples, 104, 104]
    for part in ("train", "validation", "test"):
        x = getattr(splits, part).x
        assert x.dtype == torch.uint8
        assert torch.equal(x, getattr(again, part).x)
    assert not splits.binarizer.binary
    assert splits.classes == ("temple", "dahlia")


def test_a_limit_takes_some_of_both_photographs_and_no_validation_is_possible() -> None:
    splits = load("photos", limit=20)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [20] * 3
    for part in (splits.train, splits.validation, splits.test):
        assert set(part.labels.tolist()) == {0, 1}
    assert len(load("photos", validation=0.0, limit=2).validation) == 0
