"""The figure of gzip is the length of the file that gzip writes."""

import gzip
import math

import numpy as np
import pytest
import torch

from discretevae.data import Examples, load
from discretevae.evaluation import evaluate
from discretevae.evaluation.gzipped import gzip_figure, gzip_in_words
from discretevae.models import DiscreteVAE


@pytest.mark.parametrize("symbols", [2, 7, 256])
def test_it_is_the_length_of_the_file(symbols: int) -> None:
    levels = np.random.default_rng(0).integers(0, symbols, (40, 30)).astype(np.uint8)
    content = np.packbits(levels) if symbols == 2 else levels
    size = len(gzip.compress(content.tobytes(), 9))
    x = torch.from_numpy(levels).float() / (symbols - 1)
    figure = gzip_figure(x.view(40, 5, 6).split(16), symbols)
    assert figure is not None
    assert figure.value == pytest.approx(-8 * size * math.log(2) / 40)
    assert gzip_figure([x], 257) is None


def test_random_bits_cost_a_bit_each() -> None:
    x = torch.from_numpy(np.random.default_rng(0).integers(0, 2, (2000, 80))).float()
    figure = gzip_figure([x], 2)
    assert figure is not None
    assert 80 < -float(figure.value) / math.log(2) < 80.5  # type: ignore[arg-type]


def test_the_record_has_it_for_what_gzip_gives_back() -> None:
    digits = load("digits", binarize="threshold", limit=50)
    found = evaluate(DiscreteVAE((1, 8, 8), 2, 3), digits, samples=0)
    expected = gzip_figure([Examples(digits.test.values()).values()], 2)
    assert expected is not None
    assert found["test"]["gzip"]["value"] == pytest.approx(expected.value)
    assert "gzip" not in found["train"]
    assert (gzip_in_words(found["test"]) or "").endswith("more.")  # of a model that is not trained
    assert gzip_in_words(found["train"]) is None
    gaussian = DiscreteVAE((1, 8, 8), 2, 3, likelihood="gaussian")
    assert "gzip" not in evaluate(gaussian, digits, samples=0)["test"]
