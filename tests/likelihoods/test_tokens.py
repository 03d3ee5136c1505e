"""A vocabulary of five ids and rows of four: every sentence that fits is summed over by hand."""

from itertools import product
from statistics import NormalDist

import pytest
import torch
from torch import Tensor

from discretevae.likelihoods import likelihood_from_config
from discretevae.likelihoods.tokens import TokenLikelihood
from discretevae.networks import text
from discretevae.networks.text import WRITERS
from discretevae.schema.vocabulary import END, UNKNOWN, Vocabulary

VOCABULARY = Vocabulary(["a", "b"])
V, T, H = VOCABULARY.size, 4, 3
SENTENCES = [list(s) for n in range(T) for s in product(range(UNKNOWN, V), repeat=n)]


@pytest.fixture(params=WRITERS)
def network(request: pytest.FixtureRequest) -> str:
    return request.param


def make(network: str, layers: int = 2, length: int = T, **options: float) -> TokenLikelihood:
    torch.manual_seed(2)
    likelihood = TokenLikelihood(VOCABULARY, length, network, H, 8, layers, **options)
    with torch.no_grad():
        for parameter in likelihood.parameters():
            parameter.mul_(2)  # far from uniform
    return likelihood.double()


def row(tokens: list[int], length: int = T) -> list[int]:
    return [*tokens, END, *[0] * (length - len(tokens) - 1)]


def all_sentences() -> Tensor:
    return torch.tensor([row(s) for s in SENTENCES]).double()


def one_by_one(likelihood: TokenLikelihood, h: Tensor, sentence: list[int]) -> Tensor:
    """log p(sentence | h): the network is run anew on the beginning before each token."""
    total = torch.zeros((), dtype=torch.float64)
    for t, token in enumerate([*sentence, END]):
        if t == likelihood.length - 1:
            break  # the last end is certain
        before = torch.tensor([[END, *sentence[:t]]])
        features, _ = likelihood.writer(h[None], before)
        scores = likelihood.head(features[0, -1])
        total = total + scores[token - 1] - scores.exp().sum().log()
    return total


def test_the_probabilities_of_all_sentences_that_fit_sum_to_one(network: str) -> None:
    likelihood, x = make(network), all_sentences()
    likelihood.check(x)
    total = likelihood(torch.randn(5, 1, H).double()).log_prob(x).exp().sum(-1)
    torch.testing.assert_close(total, torch.ones(5, dtype=torch.float64))


def test_log_prob_is_the_sum_over_tokens_one_at_a_time(network: str) -> None:
    likelihood = make(network)
    h = torch.randn(2, H, dtype=torch.float64, requires_grad=True)
    for sentence in SENTENCES[::3]:
        x = torch.tensor(row(sentence)).double()
        found = likelihood(h).log_prob(x)
        expected = torch.stack([one_by_one(likelihood, one, sentence) for one in h])
        torch.testing.assert_close(found, expected)
        inside = [h, *likelihood.writer.parameters()]
        gradients, truth = (
            torch.autograd.grad(value.sum(), inside, allow_unused=True, materialize_grads=True)
            for value in (found, expected)
        )
        for gradient, true in zip(gradients, truth, strict=True):
            torch.testing.assert_close(gradient, true)


def test_h_reaches_every_token(network: str) -> None:
    likelihood, x = make(network), torch.tensor(row([3, 4, 2])).double()
    h = torch.zeros(H, dtype=torch.float64, requires_grad=True)
    for t in range(3):
        token, rest = (
            likelihood(h).log_prob(torch.tensor(row([3, 4, 2][:n])).double()) for n in (t, t + 1)
        )
        (gradient,) = torch.autograd.grad(token - rest, h)
        assert (gradient.abs() > 1e-6).all()
    assert likelihood(h).log_prob(x) != likelihood(h + 1).log_prob(x)


def test_what_follows_the_end_counts_exactly_nothing(network: str) -> None:
    likelihood = make(network, word_dropout=0.5).train()
    h = torch.randn(2, H, dtype=torch.float64)
    x = torch.tensor([[3, END, 0, 0], [END, 0, 0, 0]]).double()
    other = torch.tensor([[3, END, 4, 9], [END, END, 3, -1]]).double()
    assert torch.equal(likelihood(h).log_prob(x), likelihood(h).log_prob(other))


def test_padding_only_matters_where_the_end_is_forced(network: str) -> None:
    """With room left over, wider rows have the same probability; a full row gains its end."""
    narrow, wide = make(network, length=T), make(network, length=9)
    state = {k: v for k, v in narrow.state_dict().items() if "position" not in k}
    wide.load_state_dict(state, strict=False)
    if network == "transformer":
        with torch.no_grad():
            wide.writer.position.weight[:T] = narrow.writer.position.weight
    h = torch.randn(H, dtype=torch.float64)
    for sentence in SENTENCES:
        short = narrow(h).log_prob(torch.tensor(row(sentence)).double())
        long = wide(h).log_prob(torch.tensor(row(sentence, 9)).double())
        if len(sentence) < T - 1:
            torch.testing.assert_close(short, long)
        else:
            assert short > long


@pytest.mark.parametrize("batch", [(), (4,), (2, 4)])
@pytest.mark.parametrize("rows", [3, 1024])
def test_pairs_are_every_code_with_every_example(
    network: str, batch: tuple[int, ...], rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "ROWS", rows)
    likelihood = make(network)
    h = torch.randn(5, H, dtype=torch.float64, requires_grad=True)
    x = all_sentences()[torch.randint(0, len(SENTENCES), batch)]
    pairs = likelihood.log_prob_pairs(h, x)
    assert pairs.shape == (5, *batch)
    flat = x.view(-1, T).long().tolist()
    truth = [[one_by_one(likelihood, one, s[: s.index(END)]) for s in flat] for one in h]
    expected = torch.stack([torch.stack(line) for line in truth]).view(5, *batch)
    torch.testing.assert_close(pairs, expected)
    weights = torch.rand_like(pairs)
    found, true = (torch.autograd.grad((weights * p).sum(), h)[0] for p in (pairs, expected))
    torch.testing.assert_close(found, true)


def test_samples_lead_and_the_batch_follows(network: str) -> None:
    likelihood, h = make(network), torch.randn(6, 2, 4, H, dtype=torch.float64)
    x = all_sentences()[torch.randint(0, len(SENTENCES), (2, 4))]
    found = likelihood(h).log_prob(x)
    assert found.shape == (6, 2, 4)
    torch.testing.assert_close(found[3, 1, 2], likelihood(h[3, 1, 2]).log_prob(x[1, 2]))
    p = likelihood(h)
    assert (p.batch_shape, p.event_shape) == ((6, 2, 4), (T,))


def test_draws_follow_the_probabilities(network: str) -> None:
    """It fails by chance once in 10^6 runs."""
    likelihood, h = make(network), torch.randn(H, dtype=torch.float64)
    n, generator = 20_000, torch.Generator().manual_seed(0)
    draws = likelihood(h).sample((n,), generator)
    assert draws.shape == (n, T)
    likelihood.check(draws)
    known = all_sentences()
    hits = (draws[:, None] == known).all(-1).double()
    truth = likelihood(h).log_prob(known).exp()
    quantile = NormalDist().inv_cdf(1 - 1e-6 / 2 / len(known))
    bound = quantile * (truth * (1 - truth) / n).sqrt() + 10 / n
    assert bound.max() < 0.02
    assert ((hits.mean(0) - truth).abs() <= bound).all()
    assert torch.equal(draws, likelihood(h).sample((n,), generator.manual_seed(0)))


def test_the_point_takes_the_most_probable_token_each_time(network: str) -> None:
    likelihood, h = make(network), torch.randn(2, 5, H, dtype=torch.float64)
    found = likelihood.point(likelihood(h))
    likelihood.check(found)
    assert found.dtype == h.dtype
    for one, sentence in zip(h.view(-1, H), found.view(-1, T).long().tolist(), strict=True):
        written: list[int] = []
        while len(written) < T - 1:
            features, _ = likelihood.writer(one[None], torch.tensor([[END, *written]]))
            token = int(likelihood.head(features[0, -1]).argmax()) + 1
            if token == END:
                break
            written.append(token)
        assert sentence == row(written)


def test_word_dropout_hides_inputs_in_training_alone(network: str) -> None:
    likelihood, x = make(network, word_dropout=1.0), torch.tensor(row([3, 4, 3])).double()
    h = torch.randn(H, dtype=torch.float64)
    plain = make(network)
    assert torch.equal(likelihood.eval()(h).log_prob(x), plain(h).log_prob(x))
    hidden = likelihood.train()(h).log_prob(x)
    features, _ = plain.writer(h[None], torch.tensor([[END, UNKNOWN, UNKNOWN]]))
    scores = plain.head(features[0]).log_softmax(-1)
    torch.testing.assert_close(hidden, scores[torch.arange(3), torch.tensor([2, 3, 2])].sum())


def test_word_dropout_is_a_function_of_the_batch_with_the_right_frequency() -> None:
    """Alike for all codes and calls, without torch's global stream; chance: once in 10^6 runs."""
    likelihood = make("gru", word_dropout=0.3).train()
    x = torch.full((5_000, T), 3)
    random = torch.get_rng_state()
    first, again = likelihood.inputs(x), likelihood.inputs(x)
    assert torch.equal(first, again)
    assert torch.equal(random, torch.get_rng_state())
    assert not torch.equal(first[1:], likelihood.inputs(x[1:]))
    assert (first[:, 0] == END).all()  # the start is no word
    share = (first[:, 1:] == UNKNOWN).double().mean()
    assert abs(share - 0.3) < NormalDist().inv_cdf(1 - 5e-7) * (0.21 / 10_000) ** 0.5
    h = torch.zeros(2, 1, H, dtype=torch.float64)
    same = likelihood(h).log_prob(x[:9].double())
    torch.testing.assert_close(same[0], same[1])


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([3, 4, 5, 1], r"whole token ids in \[0, 5\), got 5"),
        ([3, -1, 1, 0], r"whole token ids in \[0, 5\), got -1"),
        ([3, 0.5, 1, 0], r"whole token ids in \[0, 5\), got 0.5"),
        ([3, float("nan"), 1, 0], r"whole token ids in \[0, 5\), got nan"),
        ([3, 4, 3, 4], "an end .* in every sentence"),
        ([3, 1, 3, 0], "padding .* after each end and only there"),
        ([3, 1, 1, 0], "padding .* after each end and only there"),
        ([3, 0, 1, 0], "padding .* after each end and only there"),
        ([3, 4, 1, 0, 0], r"`x` must end in at most T = 4, got \(2, 5\)"),
    ],
)
def test_rows_that_are_no_sentence_are_refused(x: list[float], message: str) -> None:
    likelihood = make("gru")
    good = row([3, 4], len(x))
    with pytest.raises(ValueError, match=message):
        likelihood.check(torch.tensor([good, x]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 1}, "`length` must be at least 2, got 1"),
        ({"features": 0}, "`features` must be at least 1, got 0"),
        ({"width": 0}, "`width` must be at least 1, got 0"),
        ({"layers": 0}, "`layers` must be at least 1, got 0"),
        ({"word_dropout": 1.5}, r"`word_dropout` must lie in \[0, 1\], got 1.5"),
        ({"word_dropout": float("nan")}, r"`word_dropout` must lie in \[0, 1\], got nan"),
        ({"network": "lstm"}, "`network` must be one of gru, transformer, got 'lstm'"),
        ({"vocabulary": {"symbols": ["a", "a"]}}, "`symbols` must be"),
    ],
)
def test_what_does_not_fit_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TokenLikelihood(**({"vocabulary": VOCABULARY, "length": T} | options))


def test_the_decoder_says_h_of_rows_of_this_length() -> None:
    assert make("gru").output_shape((T,)) == (H,)
    with pytest.raises(ValueError, match=r"`shape` must be \(4,\), got \(5,\)"):
        make("gru").output_shape((5,))


def test_a_configuration_gives_the_likelihood_back(network: str) -> None:
    import json

    likelihood = make(network, word_dropout=0.2)
    config = json.loads(json.dumps(likelihood.config()))
    again = likelihood_from_config(config, 1)
    assert again.config() == likelihood.config()
    again.double().load_state_dict(likelihood.state_dict())
    x, h = all_sentences(), torch.randn(H).double()
    likelihood.eval(), again.eval()
    assert torch.equal(again(h).log_prob(x), likelihood(h).log_prob(x))
    assert likelihood.normalised


def test_mixed_precision_keeps_figures_in_float32(network: str) -> None:
    likelihood, h, x = make(network).float(), torch.randn(7, H), all_sentences().float()[:7]
    full = likelihood(h).log_prob(x)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = likelihood(h).log_prob(x)
        draws = likelihood(h).sample()
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, full, rtol=0.05, atol=0.1)
    likelihood.check(draws)


def test_an_empty_batch_has_no_log_probabilities(network: str) -> None:
    assert make(network)(torch.zeros(0, H).double()).log_prob(all_sentences()[:0]).shape == (0,)
