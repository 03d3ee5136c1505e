"""Bounds spread over tokens, and the way from one sentence to another."""

import math
from itertools import product

import pytest
import torch
from torch import nn

from discretevae.evaluation.text import bits_per_token, interpolate, perplexity
from discretevae.likelihoods.tokens import TokenLikelihood
from discretevae.models import DiscreteVAE
from discretevae.networks import MLP
from discretevae.networks.text import TextNetwork
from discretevae.schema.vocabulary import Vocabulary, token_counts

VOCABULARY = Vocabulary(["a", "b"])
T, D, K = 8, 3, 3


def tiny() -> DiscreteVAE:
    torch.manual_seed(3)
    likelihood = TokenLikelihood(VOCABULARY, T, features=5, width=6)
    network = TextNetwork(VOCABULARY.size, width=6, widths=(7,))
    model = DiscreteVAE((T,), D, K, network, likelihood)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4)
    return model.eval()


def test_a_uniform_choice_costs_what_it_should() -> None:
    """A model that gives each of V tokens 1 / V: log2 V bits a token, a perplexity of V."""
    x = VOCABULARY.to_rows(["", "a", "abba"], T)
    counts = token_counts(x)
    bound = -counts * math.log(VOCABULARY.size)
    assert bits_per_token(bound, counts) == pytest.approx(math.log2(VOCABULARY.size))
    assert perplexity(bound, counts) == pytest.approx(VOCABULARY.size)


def test_a_uniform_likelihood_has_the_perplexity_of_its_choices() -> None:
    likelihood = TokenLikelihood(VOCABULARY, T, features=5, width=6)
    nn.init.zeros_(likelihood.head.weight), nn.init.zeros_(likelihood.head.bias)
    x = VOCABULARY.to_rows(["", "a", "abba"], T)
    bound = likelihood(torch.zeros(5)).log_prob(x).detach()
    assert perplexity(bound, token_counts(x)) == pytest.approx(VOCABULARY.size - 1)


def test_interpolation_changes_one_latent_at_a_time() -> None:
    model = tiny()
    x = VOCABULARY.to_rows(["".join(s) for n in range(6) for s in product("ab", repeat=n)], T)
    codes = model.encode(x)
    apart = (codes[:, None] != codes).sum(-1)
    i, j = divmod(int(apart.argmax()), len(x))
    assert apart[i, j] >= 2
    path = [codes[i]]
    for d in range(D):
        if codes[i, d] != codes[j, d]:
            path.append(torch.cat([codes[j, : d + 1], codes[i, d + 1 :]]))
    expected = VOCABULARY.to_sentences(model.likelihood.point(model.decode(torch.stack(path))))
    assert interpolate(model, x[i], x[j]) == expected
    assert len(expected) == apart[i, j] + 1


def test_interpolation_needs_a_model_of_text() -> None:
    model = DiscreteVAE((5,), D, K, MLP((4,)))
    with pytest.raises(ValueError, match=r"must write sentences \(tokens\), got bernoulli"):
        interpolate(model, torch.zeros(5), torch.zeros(5))


@pytest.mark.parametrize("measure", [bits_per_token, perplexity])
def test_measures_need_tokens_for_each_bound(measure: object) -> None:
    with pytest.raises(ValueError, match="`tokens` must count at least one"):
        measure(torch.zeros(2), torch.ones(3, dtype=torch.long))
    with pytest.raises(ValueError, match="`tokens` must count at least one"):
        measure(torch.zeros(0), torch.zeros(0, dtype=torch.long))
