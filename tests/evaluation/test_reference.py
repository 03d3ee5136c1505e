"""Two models on the same examples: the difference is that of the pairs."""

import math

import pytest
import torch

from discretevae.data import Splits, load
from discretevae.evaluation import evaluate, reference_in_words
from discretevae.models import VAE, DiscreteVAE, GaussianVAE
from discretevae.networks import MLP


@pytest.fixture(scope="module")
def digits() -> Splits:
    return load("digits", binarize="threshold", limit=60)


def discrete() -> VAE:
    torch.manual_seed(0)
    return DiscreteVAE((1, 8, 8), 2, 3, MLP((8,)))


def test_a_model_is_no_better_than_itself(digits: Splits) -> None:
    model = discrete()
    found = evaluate(model, digits, samples=0, reference=model)
    for part in ("train", "validation", "test"):
        assert found[part]["over_reference"]["value"] == 0
        assert found[part]["over_reference"]["se"] == 0
        # The samples of the bound are drawn anew: what is left is within their noise.
        error = math.hypot(found[part]["elbo"]["se"], found[part]["reference"]["se"])
        apart = found[part]["reference"]["value"] - found[part]["elbo"]["value"]
        assert abs(apart) < 5 * error


def test_the_difference_is_that_of_each_pair(digits: Splits) -> None:
    """Against the sum over all codes, to which the ELBO of a code that says nothing is equal."""
    model, other = discrete(), discrete()
    with torch.no_grad():  # the code is not used: the posterior is the prior, log p(x) the bound
        for each, shift in ((model, 0.0), (other, 0.5)):
            for parameter in each.encoder.parameters():
                parameter.zero_()
            for name, parameter in each.decoder.named_parameters():
                parameter.zero_() if name.endswith("weight") else parameter.add_(shift)
    found = evaluate(model, digits, samples=0, reference=other)["test"]
    x = digits.test.values()
    with torch.no_grad():
        pairs = (model.exact_log_likelihood(x) - other.exact_log_likelihood(x)).double()
    assert found["over_reference"]["value"] == pytest.approx(float(pairs.mean()), abs=1e-4)
    se = float(pairs.std()) / len(pairs) ** 0.5
    assert found["over_reference"]["se"] == pytest.approx(se, abs=1e-4)


def test_a_gaussian_model_is_one_to_compare_with(digits: Splits) -> None:
    other = GaussianVAE((1, 8, 8), 3, MLP((8,))).train()
    found = evaluate(discrete(), digits, samples=0, reference=other)
    assert other.training
    assert "3 Gaussian latents" in found["test"]["reference"]["note"]
    said = reference_in_words(found["test"], "a Gaussian VAE") or ""
    assert "nats an example" in said
    assert "a Gaussian VAE" in said
    assert reference_in_words(evaluate(discrete(), digits, samples=0)["test"], "none") is None
