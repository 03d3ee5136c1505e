"""What is known of data without a code, against closed forms and against models without a code."""

import math

import pytest
import torch
from scipy import stats
from torch import Tensor

from discretevae.data import load
from discretevae.evaluation import evaluate, gain_in_words, log_prob_without_code
from discretevae.likelihoods import (
    BernoulliLikelihood,
    ColumnsLikelihood,
    ContinuousBernoulliLikelihood,
    GaussianLikelihood,
    Likelihood,
    LocalBernoulliLikelihood,
    TokenLikelihood,
)
from discretevae.models import DiscreteVAE
from discretevae.networks import MLP
from discretevae.schema.columns import BinaryColumn, CategoricalColumn, NumericColumn
from discretevae.schema.vocabulary import Vocabulary


def without(p: Likelihood, seen: Tensor, x: Tensor) -> Tensor:
    found = log_prob_without_code(p, seen, x.split(3))
    assert found is not None
    return found


def test_bits_have_the_shares_of_those_seen() -> None:
    seen = torch.bernoulli(torch.full((50, 4), 0.3))
    x = torch.bernoulli(torch.full((7, 4), 0.5))
    share = (seen.sum(0) + 0.5) / 51
    expected = torch.where(x == 1, share, 1 - share).log().sum(1)
    torch.testing.assert_close(without(BernoulliLikelihood(), seen, x), expected)


def test_values_have_mean_and_one_spread() -> None:
    seen, x = 3 + 2 * torch.randn(60, 5), torch.randn(4, 5)
    p = GaussianLikelihood()
    spread = (seen - seen.mean(0)).square().mean().sqrt()
    expected = stats.norm(seen.mean(0), spread).logpdf(x).sum(1)
    torch.testing.assert_close(without(p, seen, x), torch.tensor(expected, dtype=torch.float32))
    assert float(p.log_scale) == 0  # the model's own is left


def test_no_values_of_a_gaussian_or_a_continuous_bernoulli_are_better() -> None:
    seen = torch.rand(80, 3) ** 2
    for p in (GaussianLikelihood(), ContinuousBernoulliLikelihood()):
        best = without(p, seen, seen).mean()
        h = p.start(seen)
        assert h is not None
        for change in (-0.05, 0.05):
            assert p(h + change).log_prob(seen).mean() < best + 1e-3


def test_the_mean_of_a_continuous_bernoulli_is_that_of_the_data() -> None:
    x = torch.tensor([[0.0, 0.2, 0.5, 1.0]]).expand(99, 4)
    p = ContinuousBernoulliLikelihood()
    h = p.start(x)
    torch.testing.assert_close(p(h).mean, (x.sum(0) + 0.5) / 100, atol=1e-4, rtol=1e-3)


def test_cells_of_a_table_have_the_values_of_their_columns() -> None:
    columns = [
        NumericColumn("a", 1.0, 2.0),
        BinaryColumn("b", ("no", "yes")),
        CategoricalColumn("c", ("x", "y", "z")),
    ]
    nan = math.nan
    seen = torch.tensor([[1.0, 0, 2], [5.0, 1, 2], [nan, 1, 0], [3.0, 1, nan]])
    x = torch.tensor([[2.0, 1, 1], [nan, 0, 2], [0.0, nan, nan]])
    a = stats.norm(3.0, math.sqrt(8 / 3)).logpdf([2.0, nan, 0.0])
    yes = 3.5 / 5
    z = torch.tensor([1.5, 0.5, 2.5]) / 4.5
    expected = [
        a[0] + math.log(yes) + float(z[1].log()),
        math.log(1 - yes) + float(z[2].log()),
        a[2],
    ]
    found = without(ColumnsLikelihood(columns), seen, x)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float32))


def test_numbers_that_are_correlated_given_the_code_are_independent_without() -> None:
    p = ColumnsLikelihood([NumericColumn("a", 0.0, 1.0), NumericColumn("b", 0.0, 1.0)])
    seen = torch.randn(30, 1).expand(30, 2) + 0.1 * torch.randn(30, 2)
    before = without(p, seen, seen)
    p.correlate(torch.tensor([[1.0, 0.9], [0.9, 1.0]]))
    torch.testing.assert_close(without(p, seen, seen), before)


def test_tokens_are_drawn_one_by_one() -> None:
    vocabulary = Vocabulary.of_characters(["aab", "ba"])
    p = TokenLikelihood(vocabulary, length=6, width=8)
    seen, x = vocabulary.to_rows(["aab", "ba"], length=6), vocabulary.to_rows(["ab", "b"], length=6)
    counts = {"a": 3.5, "b": 2.5, "end": 2.5}
    total = sum(counts.values()) + 0.5 * (vocabulary.size - 4)
    log_p = {k: math.log(v / total) for k, v in counts.items()}
    expected = [log_p["a"] + log_p["b"] + log_p["end"], log_p["b"] + log_p["end"]]
    torch.testing.assert_close(without(p, seen, x), torch.tensor(expected))


def test_the_record_has_it_and_says_it_in_words() -> None:
    digits = load("digits", binarize="threshold", limit=50)
    figures = evaluate(DiscreteVAE((1, 8, 8), 2, 3, MLP((8,))), digits, samples=0)
    seen, x = digits.train.values(), digits.test.values()
    expected = without(BernoulliLikelihood(3), seen, x).mean()
    assert figures["test"]["no_code"]["value"] == pytest.approx(float(expected), abs=1e-4)
    said = gain_in_words(figures["test"], discrete=True)
    assert said is not None
    assert said.startswith("The code is worth nothing")  # of a model that is not trained
    better = {"elbo": {"value": -1.0}, "no_code": {"value": -1.5}}
    assert "0.50 nats an example, 33 %" in (gain_in_words(better, discrete=True) or "")
    assert "%" not in (gain_in_words(better, discrete=False) or "%")
    assert gain_in_words({"elbo": {"value": -1.0}}, discrete=True) is None


def test_of_pixels_that_see_others_the_code_is_not_given_what_the_window_says() -> None:
    """The gain over independent pixels is not the code's; what the code says is its KL."""
    figures = {"elbo": {"value": -85.0}, "no_code": {"value": -205.0}, "kl": {"value": 9.5}}
    p = LocalBernoulliLikelihood()
    said = gain_in_words(figures, p.lossless, p.autoregressive, p.apart) or ""
    assert "The code says 9.50 nats" in said
    assert "120.0 nats above independent pixels" in said
    assert "worth" not in said
