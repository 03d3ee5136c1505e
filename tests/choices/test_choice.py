"""The temperature of a layer, fixed or a function of the step."""

import pytest
import torch
from torch import Tensor

from discretevae.choices import OneHotChoice, SubsetChoice
from discretevae.choices.choice import Choice
from discretevae.training.schedules import linear


def layers() -> list[Choice]:
    schedule = linear(1.0, 0.1, 100)
    return [
        OneHotChoice(2, 4, "st-gumbel-softmax", temperature=schedule),
        SubsetChoice(8, 2, "relaxed-top-k", temperature=schedule),
    ]


@pytest.mark.parametrize("layer", layers())
def test_a_step_has_its_temperature(layer: Choice) -> None:
    """Whatever came before, so that a resumed run is where it was."""
    assert layer.temperature == 1.0
    for step, temperature in ((50, 0.55), (1000, 0.1), (0, 1.0)):
        layer.at_step(step)
        assert layer.temperature == pytest.approx(temperature)


@pytest.mark.parametrize("layer", layers())
def test_it_reaches_the_gradient(layer: Choice) -> None:
    def gradient() -> Tensor:
        logits = torch.linspace(-1, 1, 8).requires_grad_()
        z = layer(logits, torch.Generator().manual_seed(0))
        (z.flatten() * torch.arange(8.0)).sum().backward()
        assert logits.grad is not None
        return logits.grad

    first = gradient()
    layer.at_step(100)
    assert not torch.allclose(first, gradient())


def test_a_number_ends_the_function() -> None:
    layer = layers()[0]
    layer.temperature = 0.7
    layer.at_step(100)
    assert layer.temperature == 0.7
    fixed = SubsetChoice(4, 2, "gumbel-top-k", temperature=0.3)
    fixed.at_step(5)
    assert fixed.temperature == 0.3


def test_what_has_none_refuses_one() -> None:
    assert SubsetChoice(4, 2).temperature is None
    with pytest.raises(ValueError, match=r"`temperature` must be None for Simple, got 0\.5"):
        SubsetChoice(4, 2, temperature=0.5)
    with pytest.raises(ValueError, match="`temperature` must be None for MVE"):
        OneHotChoice(1, 4, "mve", temperature=lambda step: 1.0)


def test_one_that_is_not_positive_is_refused() -> None:
    with pytest.raises(ValueError, match="`temperature` must be positive, got 0"):
        OneHotChoice(1, 4, temperature=0.0)
    layer = SubsetChoice(4, 2, "relaxed-top-k", temperature=linear(1.0, -1.0, 10))
    with pytest.raises(ValueError, match=r"`temperature` must be positive, got -1\.0"):
        layer.at_step(10)
