"""The first sentence of a report names what a model is better than, and what it is not."""

from typing import Any

import pytest

from discretevae.evaluation import verdict_in_words


def figures(**values: float) -> dict[str, dict[str, Any]]:
    return {name: {"value": value} for name, value in values.items()}


def test_what_is_better_and_what_is_worse_is_named() -> None:
    found = figures(elbo=-20.0, no_code=-30.0, gzip=-25.0)
    said = "On test examples the model is better than one without a code and than gzip."
    assert verdict_in_words(found, "test", "another") == said
    found = figures(elbo=-40.0, no_code=-30.0)
    said = "On validation examples the model is worse than one without a code."
    assert verdict_in_words(found, "validation", "another") == said


def test_what_pixels_tell_each_other_is_not_credited_to_the_code() -> None:
    found = figures(elbo=-20.0, no_code=-30.0)
    said = "On test examples the model is better than independent pixels."
    assert verdict_in_words(found, "test", "another", "independent pixels") == said


@pytest.mark.parametrize(
    ("apart", "said"), [(0.3, "better than"), (0.1, "as good as"), (-0.3, "worse than")]
)
def test_a_difference_within_its_error_is_none(apart: float, said: str) -> None:
    found = figures(elbo=-20.0, no_code=-30.0, reference=-20.0 - apart)
    found["over_reference"] = {"value": apart, "se": 0.1}
    assert f"{said} " in (verdict_in_words(found, "test", "a Gaussian VAE") or "")
    assert "a Gaussian VAE." in (verdict_in_words(found, "test", "a Gaussian VAE") or "")


def test_without_a_bound_or_anything_beside_it_there_is_none() -> None:
    assert verdict_in_words({}, "test", "another") is None
    assert verdict_in_words(figures(elbo=-20.0), "test", "another") is None
