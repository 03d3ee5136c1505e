from statistics import NormalDist

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from discretevae.data import BINARIZERS, Binarizer, DataError, Examples, generator

BINARY = [BINARIZERS[name] for name in ("fresh", "fixed", "threshold")]
LEVELS = torch.arange(256, dtype=torch.uint8).reshape(1, 256)
FLOATS = torch.linspace(0, 1, 201).reshape(1, 201)


def check_mean(binarizer: Binarizer, x: torch.Tensor, n: int = 20_000) -> None:
    """False alarm 1e-6 over all cells; sees an error of 0.02 in any probability."""
    p = Examples(x).values().double()
    draws = binarizer.draw(
        binarizer.prepare(Examples(x.expand(n, -1)), generator("a")).x, generator("b")
    )
    quantile = NormalDist().inv_cdf(1 - 1e-6 / 2 / p.numel())
    # + 1 / n for the skew of the binomial near 0 and 1
    bound = quantile * (p * (1 - p) / n).sqrt() + quantile**2 / n
    assert bound.max() < 0.025, "too few draws to see the error stated"
    assert ((draws.double().mean(0) - p).abs() <= bound).all(), "biased beyond chance"


@pytest.mark.parametrize("x", [LEVELS, FLOATS], ids=["levels", "floats"])
@pytest.mark.parametrize("name", ["fresh", "fixed"])
def test_draws_have_the_stated_mean(name: str, x: torch.Tensor) -> None:
    check_mean(BINARIZERS[name], x)


def test_a_wrong_binarizer_is_caught() -> None:
    with pytest.raises(AssertionError, match="biased"):
        check_mean(BINARIZERS["threshold"], LEVELS)


@pytest.mark.parametrize("x", [LEVELS, FLOATS], ids=["levels", "floats"])
def test_certain_values_never_change(x: torch.Tensor) -> None:
    ends = x[:, [0, -1]].expand(5000, 2)
    drawn = BINARIZERS["fresh"].draw(ends, generator("ends"))
    assert torch.equal(drawn, torch.tensor([0.0, 1.0]).expand(5000, 2))


@pytest.mark.parametrize("x", [LEVELS, FLOATS], ids=["levels", "floats"])
def test_threshold_is_at_one_half(x: torch.Tensor) -> None:
    prepared = BINARIZERS["threshold"].prepare(Examples(x))
    assert torch.equal(prepared.values(), (Examples(x).values() >= 0.5).float())


@pytest.mark.parametrize("binarizer", BINARY, ids=lambda b: b.name)
@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=20), st.integers(0, 2**40))
def test_binary_is_zero_or_one_and_stays(
    binarizer: Binarizer, values: list[float], seed: int
) -> None:
    examples = Examples(torch.tensor([values]))
    kept = binarizer.prepare_evaluation(examples, generator(seed))
    assert kept.x.dtype == torch.uint8
    assert set(kept.x.flatten().tolist()) <= {0, 255}
    assert torch.equal(binarizer.draw(kept.x, generator(seed, 1)), kept.values())
    drawn = binarizer.draw(binarizer.prepare(examples, generator(seed)).x, generator(seed, 2))
    assert set(drawn.flatten().tolist()) <= {0.0, 1.0}


def test_fresh_changes_and_fixed_does_not() -> None:
    grey = Examples(torch.full((10, 100), 127, dtype=torch.uint8))
    stream = generator("stream")
    for name, changes in (("fresh", True), ("fixed", False)):
        x = BINARIZERS[name].prepare(grey, stream).x
        first, second = (BINARIZERS[name].draw(x, stream) for _ in range(2))
        assert torch.equal(first, second) != changes


def test_none_keeps_any_values() -> None:
    x = torch.tensor([[-4.0, 16.0]])
    none = BINARIZERS["none"]
    assert torch.equal(none.draw(none.prepare(Examples(x)).x), x)


@pytest.mark.parametrize("binarizer", BINARY, ids=lambda b: b.name)
@pytest.mark.parametrize("value", [-0.1, 1.5, 255.0, float("nan")])
def test_values_outside_the_unit_interval_are_refused(binarizer: Binarizer, value: float) -> None:
    examples = Examples(torch.tensor([[0.5, value]]))
    for prepare in (binarizer.prepare, binarizer.prepare_evaluation):
        with pytest.raises(DataError, match=rf"'{binarizer.name}' needs values in \[0, 1\], got"):
            prepare(examples)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_draws_happen_where_the_values_are() -> None:
    for x in (LEVELS.cuda(), FLOATS.cuda()):
        drawn = BINARIZERS["fresh"].draw(x, generator("gpu", device=x.device))
        assert drawn.device == x.device
        again = BINARIZERS["fresh"].draw(x, generator("gpu", device=x.device))
        assert torch.equal(drawn, again)
