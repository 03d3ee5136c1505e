import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from discretevae.codes.errors import CodesError
from discretevae.codes.prior_coder import PriorCoder
from discretevae.priors import (
    CategoricalPrior,
    LearnedPrior,
    PixelCNNPrior,
    Prior,
    TransformerPrior,
    UniformPrior,
)
from discretevae.priors.autoregressive import AutoregressivePrior
from discretevae.priors.boltzmann import BoltzmannPrior
from discretevae.priors.factorised import ConditionalPrior

KINDS = {
    "uniform": UniformPrior,
    "learned": LearnedPrior,
    "categorical": lambda d, k: CategoricalPrior(torch.randn(d, k)),
    "autoregressive": AutoregressivePrior,
    "pixelcnn": lambda d, k: PixelCNNPrior(d, k, [[1, 1]] * d, width=3, layers=2),
    "transformer": lambda d, k: TransformerPrior(d, k, width=4, layers=2),
}


def prior_of(kind: str, num_latents: int, num_categories: int, seed: int = 0) -> Prior:
    torch.manual_seed(seed)
    prior = KINDS[kind](num_latents, num_categories)
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.copy_(torch.randn_like(parameter))
    return prior


@given(
    st.sampled_from([*KINDS]), st.integers(1, 6), st.integers(2, 9), st.integers(1, 20),
    st.integers(1, 7), st.integers(0, 2**20),
)  # fmt: skip
@settings(deadline=None, max_examples=40)
def test_codes_come_back(
    kind: str, num_latents: int, num_categories: int, count: int, size: int, seed: int
) -> None:
    coder = PriorCoder(prior_of(kind, num_latents, num_categories, seed))
    coder.lanes = size
    codes = np.random.default_rng(seed).integers(0, num_categories, (count, num_latents))
    words = coder.compress(codes)
    assert np.array_equal(coder.decompress(words, count), codes)


@pytest.mark.parametrize("kind", [*KINDS])
def test_codes_take_minus_log_p_in_bits(kind: str) -> None:
    """The truth is the prior's own log-probability, in float64."""
    prior = prior_of(kind, 5, 7)
    torch.manual_seed(0)
    codes = prior.sample(2000)
    nats = -prior.double().log_prob_of_codes(codes).sum().item()
    words = PriorCoder(prior).compress(codes.numpy())
    # 64 bits of checksum, 64 of granularity.
    assert 0 <= 32 * len(words) - nats / np.log(2) <= 128 + 1e-4 * nats


def test_codes_of_another_prior_do_not_come_back() -> None:
    codes = np.zeros((50, 3), np.int64)
    words = PriorCoder(prior_of("learned", 3, 4, seed=0)).compress(codes)
    with pytest.raises(CodesError, match="checksum"):
        PriorCoder(prior_of("learned", 3, 4, seed=1)).decompress(words, 50)


def test_priors_that_cannot_be_coded_are_refused() -> None:
    with pytest.raises(CodesError, match="one given those before it, got boltzmann"):
        PriorCoder(BoltzmannPrior(4, 3))
    with pytest.raises(ValueError, match="`context` must be given"):
        PriorCoder(ConditionalPrior(4, 3, context_features=2))
