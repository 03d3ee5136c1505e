"""Tiny models of text: every code and every sentence is summed over by hand."""

import math
from itertools import product
from pathlib import Path

import pytest
import torch
from torch import Tensor

from discretevae.data import BINARIZERS, Batches
from discretevae.data.text import load_text
from discretevae.evaluation.text import bits_per_token, interpolate, perplexity
from discretevae.likelihoods.tokens import TokenLikelihood
from discretevae.models import DiscreteVAE
from discretevae.models.coded import LogLikelihood
from discretevae.networks.text import WRITERS, TextNetwork
from discretevae.schema.vocabulary import END, UNKNOWN, Vocabulary, token_counts

VOCABULARY = Vocabulary(["a", "b"])
T, D, K = 4, 2, 3
CODES = torch.tensor(list(product(range(K), repeat=D)))


@pytest.fixture(params=WRITERS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def tiny(name: str = "gru", estimator: str = "exact", **options: float) -> DiscreteVAE:
    torch.manual_seed(3)
    likelihood = TokenLikelihood(VOCABULARY, T, name, features=5, width=6, **options)
    network = TextNetwork(VOCABULARY.size, name, width=6, widths=(7,))
    model = DiscreteVAE((T,), D, K, network, likelihood, estimator, prior="learned")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2).add_(0.1 * torch.randn_like(parameter))  # far from uniform
    return model.double()


def all_sentences() -> Tensor:
    words = [s for n in range(T) for s in product(range(UNKNOWN, VOCABULARY.size), repeat=n)]
    return torch.tensor([[*s, END, *[0] * (T - 1 - len(s))] for s in words]).double()


def log_p_x_given(model: DiscreteVAE, h: Tensor, x: Tensor) -> Tensor:
    """One sentence, one token at a time, the network run anew on what stands before it."""
    tokens, total = x.long().tolist(), torch.zeros((), dtype=torch.float64)
    for t in range(tokens.index(END) + 1):
        if t < T - 1:
            features, _ = model.likelihood.writer(h[None], torch.tensor([[END, *tokens[:t]]]))
            total = total + model.likelihood.head(features[0, -1]).log_softmax(-1)[tokens[t] - 1]
    return total


def by_hand(model: DiscreteVAE, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """log p(x|z), log p(z) and log q(z|x) of every code: each (K^D, B)."""
    log_q = model.encoder(x).unflatten(-1, (D, K)).log_softmax(-1)
    log_p = model.prior.logits.log_softmax(-1)
    rows = []
    for code in CODES.tolist():
        h = model.decoder(torch.eye(K, dtype=torch.float64)[code].flatten())
        log_p_x = torch.stack([log_p_x_given(model, h, row) for row in x])
        log_p_z = sum(log_p[d, k] for d, k in enumerate(code))
        rows.append(
            (log_p_x, log_p_z.expand(len(x)), sum(log_q[:, d, k] for d, k in enumerate(code)))
        )
    log_p_x, log_p_z, log_q_z = (torch.stack(column) for column in zip(*rows, strict=True))
    return log_p_x, log_p_z, log_q_z


def test_the_likelihood_of_all_sentences_sums_to_one(name: str) -> None:
    total = tiny(name).exact_log_likelihood(all_sentences()).exp().sum()
    torch.testing.assert_close(total, torch.ones((), dtype=torch.float64))


def test_the_exact_objective_and_all_its_gradients(name: str) -> None:
    model, x = tiny(name), all_sentences()[[0, 2, 9, 30]]
    log_p_x, log_p_z, log_q = by_hand(model, x)
    expected = (log_q.exp() * (log_p_x + log_p_z - log_q)).sum(0)
    found = model.objective(x)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(model.exact_log_likelihood(x), (log_p_x + log_p_z).logsumexp(0))
    assert (expected < (log_p_x + log_p_z).logsumexp(0)).all()
    parameters = dict(model.named_parameters())
    gradients, truth = (
        torch.autograd.grad(
            value.sum(), list(parameters.values()), allow_unused=True, materialize_grads=True
        )
        for value in (found, expected)
    )
    for parameter, gradient, true in zip(parameters, gradients, truth, strict=True):
        assert true.abs().max() > 0, parameter
        torch.testing.assert_close(gradient, true, msg=parameter)


@pytest.mark.parametrize("estimator", ["exact", "reinmax", "rloo", "vimco", "gumbel-softmax"])
def test_one_step_with_every_kind_of_estimator(estimator: str) -> None:
    model, x = tiny(estimator=estimator, word_dropout=0.5), all_sentences()[:8]
    model.objective(x).mean().backward()
    gradients = [p.grad for p in model.parameters() if p.requires_grad]
    assert all(g is not None and g.isfinite().all() for g in gradients)
    assert model.elbo(x).shape == model.log_likelihood(x, 3).shape == (8,)


def test_word_dropout_is_one_function_of_the_code() -> None:
    """Enumerated or not, in chunks or not, a code is scored with the same tokens taken out."""
    model, x = tiny(word_dropout=0.5).train(), all_sentences()[::4]
    z = torch.eye(K, dtype=torch.float64)[CODES]
    f = LogLikelihood(model, x)
    everywhere = z[:, None].expand(-1, len(x), -1, -1)
    torch.testing.assert_close(f.at_codes(z), f(everywhere))
    assert not torch.allclose(f(everywhere), tiny().decode_one_hot(everywhere).log_prob(x))


def test_saved_and_loaded_it_reads_and_writes_text(name: str, tmp_path: Path) -> None:
    model, x = tiny(name).eval(), all_sentences()
    model.save_pretrained(tmp_path / "model")
    again = DiscreteVAE.from_pretrained(tmp_path / "model")
    assert again.architecture() == model.architecture()
    torch.testing.assert_close(again.exact_log_likelihood(x), model.exact_log_likelihood(x))
    assert again.likelihood.vocabulary == VOCABULARY
    read = again.likelihood.vocabulary.to_rows(["ab", "", "bba"], T).double()
    written = again.likelihood.vocabulary.to_sentences(again.reconstruct(read))
    assert written == VOCABULARY.to_sentences(model.reconstruct(read))


def test_reconstructions_and_samples_are_sentences(name: str) -> None:
    model, x = tiny(name), all_sentences()
    for found in (model.reconstruct(x), model.sample(9), model.decode(CODES).sample()):
        model.likelihood.check(found)
        assert all(set(s) <= set("ab�") for s in VOCABULARY.to_sentences(found))
    best = model.likelihood.point(model.decode(model.encode(x)))
    assert torch.equal(model.reconstruct(x), best)


@pytest.mark.parametrize("call", ["elbo", "log_likelihood", "exact_log_likelihood"])
def test_bounds_refuse_what_is_no_sentence(call: str) -> None:
    with pytest.raises(ValueError, match="`x` must hold an end"):
        getattr(tiny(), call)(torch.full((2, T), 3.0, dtype=torch.float64))


def test_training_tells_sentences_apart_and_writes_them_back(tmp_path: Path) -> None:
    """Two sentences: the code learns which, and their shares are all that they cost."""
    path = tmp_path / "file.txt"
    path.write_text("to be\nor not\n" * 40)
    found = load_text(path, test=0.1)
    torch.manual_seed(0)
    length = found.splits.shape[0]
    likelihood = TokenLikelihood(found.vocabulary, length, width=16, features=8)
    network = TextNetwork(found.vocabulary.size, width=8, widths=(16,))
    model = DiscreteVAE((length,), 1, 2, network, likelihood, free_bits=0.5)
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    for epoch in range(100):
        for x in Batches(found.splits.train, 32, BINARIZERS["none"], epoch=epoch):
            optimizer.zero_grad()
            (-model.objective(x).mean()).backward()
            optimizer.step()
    model.eval()
    x = found.vocabulary.to_rows(["to be", "or not"], length)
    assert found.vocabulary.to_sentences(model.reconstruct(x)) == ["to be", "or not"]
    assert interpolate(model, x[0], x[1]) == ["to be", "or not"]
    assert interpolate(model, x[0], x[0]) == ["to be"]
    elbo = model.elbo(x, 100).detach()
    share = (found.splits.train.values() == x[0]).all(-1).double().mean()
    cost = -torch.stack([share, 1 - share]).log()
    assert 0.3 < share < 0.7
    assert ((elbo + cost).abs() < 0.1).all()
    per_token = float(cost.sum()) / (6 + 7)
    assert bits_per_token(elbo, token_counts(x)) == pytest.approx(per_token / math.log(2), abs=0.03)
    assert perplexity(elbo, token_counts(x)) == pytest.approx(math.exp(per_token), abs=0.03)


def test_the_codes_of_sentences_are_summed_over_only_where_they_are_few() -> None:
    """Each pair of a code and a sentence is a pass of the network: 4,096 would take hours."""
    vocabulary = Vocabulary.of_characters(["to be"])
    likelihood = TokenLikelihood(vocabulary, 6, width=4, features=4)
    network = TextNetwork(vocabulary.size, width=4, widths=(4,))
    few, many = (DiscreteVAE((6,), d, 8, network, likelihood) for d in (2, 4))
    assert (few.enumerable, many.enumerable) == (True, False)
    x = vocabulary.to_rows(["be"], 6)
    assert many.exact_log_likelihood(x).shape == (1,)  # where it is asked for


def short_sentences() -> Tensor:
    """Of at most two tokens, so that a position is padding in all of them."""
    x = all_sentences()
    return x[token_counts(x) < T]


def figures(model: DiscreteVAE, x: Tensor) -> dict[str, Tensor]:
    model.eval()
    draws = torch.Generator().manual_seed(0)
    return {
        "elbo": model.elbo(x, 3, draws),
        "importance-weighted": model.log_likelihood(x, 20, draws),
        "exact": model.exact_log_likelihood(x),
        "objective": model.objective(x, draws),
        "codes": model.encode(x),
        "posterior": model.posterior(x),
        "tokens": model.likelihood.dimensions(x),
    }


@pytest.mark.parametrize("estimator", ["exact", "reinmax", "nvil", "vimco"])
def test_figures_and_gradients_are_those_without_the_padding(name: str, estimator: str) -> None:
    x, found = short_sentences(), []
    for batch in (x, x[:, :-1]):
        model = tiny(name, estimator)
        values = figures(model, batch)
        model.train()
        model.objective(batch, torch.Generator().manual_seed(1)).sum().backward()
        grads = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
        found.append((values, grads))
    (one, grads), (two, others) = found
    assert grads.keys() == others.keys()
    for key, value in {**one, **grads}.items():
        torch.testing.assert_close({**two, **others}[key], value)


def test_word_dropout_is_that_of_the_padded_batch(name: str) -> None:
    model, x = tiny(name, word_dropout=0.5).train(), short_sentences()
    torch.testing.assert_close(model.objective(x[:, :-1]), model.objective(x))


def test_figures_are_in_the_order_of_the_rows(name: str) -> None:
    model, x = tiny(name), all_sentences()
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        model.exact_log_likelihood(x[order]), model.exact_log_likelihood(x)[order]
    )
    alone = torch.cat([model.exact_log_likelihood(row[None]) for row in x])
    torch.testing.assert_close(model.exact_log_likelihood(x), alone)


def test_more_than_t_positions_are_refused(name: str) -> None:
    model = tiny(name)
    with pytest.raises(ValueError, match=r"`x` must end in shape \(4,\), got \(2, 5\)"):
        model.elbo(torch.nn.functional.pad(all_sentences()[:2], (0, 1)))
