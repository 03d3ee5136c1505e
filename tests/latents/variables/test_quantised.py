"""On a chain that is small enough to be enumerated."""

from typing import Any

import pytest
import torch
from torch import Tensor

from discretevae.latents.codes import enumerate_codes
from discretevae.latents.quantisers import FiniteScalarQuantiser, VectorQuantiser
from discretevae.latents.variables import Known, LogitsGiven, PriorAlone, Quantised
from discretevae.likelihoods import BernoulliLikelihood
from discretevae.models.chain import Chain
from discretevae.priors import PRIORS, LearnedPrior, Prior

D, K, E, PIXELS, BATCH = 2, 3, 4, 5, 6


class Small:
    """A linear encoder and decoder about D = 2 vectors of K = 3."""

    def __init__(self, rate: bool = False, beta: float = 1.0, **options: Any) -> None:
        torch.manual_seed(0)
        settings = {"by_gradient": True, "commitment": 0.4, "revive_below": 0.0, **options}
        self.quantiser = VectorQuantiser(K, E, **settings).double()
        self.quantiser.start_from(torch.randn(K, E).double())
        self.prior: Prior = LearnedPrior(D, K).double()
        self.prior.logits.data.normal_()
        self.into = torch.randn(PIXELS, D * E).double().requires_grad_()
        self.out = torch.randn(D * E, PIXELS).double().requires_grad_()
        self.x = torch.rand(BATCH, PIXELS).double().round()
        self.rate, self.beta = rate, beta

    @property
    def z(self) -> Quantised:
        prior = PriorAlone(self.prior)
        return Quantised("z", D, lambda known: known.features, self.quantiser, prior, self.rate)

    @property
    def vectors(self) -> Tensor:
        return (self.x @ self.into).unflatten(-1, (D, E))

    @property
    def chain(self) -> Chain:
        z = self.z
        return Chain(
            (z,),
            ("z",),
            ("z",),
            lambda known: z.flat(known.values["z"]) @ self.out,
            BernoulliLikelihood(1),
            self.beta,
        )

    @property
    def known(self) -> Known:
        return Known(self.vectors)

    def log_joint(self) -> Tensor:
        """log p(x, z) of all K^D codes by hand, (K^D, B)."""
        codes = enumerate_codes(D, K)
        h = self.quantiser.codebook[codes].flatten(-2) @ self.out
        log_p_x = (self.x * h[:, None] - h[:, None].exp().log1p()).sum(-1)
        log_p_z = self.prior.logits.log_softmax(-1)[torch.arange(D), codes].sum(-1)
        return log_p_x + log_p_z[:, None]

    def code(self) -> Tensor:
        codes = torch.cdist(self.vectors, self.quantiser.codebook.expand(BATCH, K, E)).argmin(-1)
        return codes[:, 0] * K + codes[:, 1]


def test_the_objective_has_the_declared_gradients() -> None:
    """Of the decoder's gradient g: the encoder's is g plus commitment, the codebook's its own."""
    small, beta = Small(beta=0.7), 0.7
    objective = small.chain.objective(small.x, small.known, None).sum()
    learned = [small.into, small.quantiser.codebook, small.out]
    of_encoder, of_codebook, of_decoder = torch.autograd.grad(objective, learned)

    z = small.vectors.detach()
    codes = torch.cdist(z, small.quantiser.codebook.expand(BATCH, K, E)).argmin(-1)
    q = small.quantiser.codebook.detach()[codes]
    error = small.x - (q.flatten(-2) @ small.out).sigmoid()  # ∂ log p(x|h) / ∂h
    g = (error @ small.out.T).unflatten(-1, (D, E))
    dz = g - beta * 2 * 0.4 * (z - q)
    torch.testing.assert_close(of_encoder, small.x.T @ dz.flatten(-2))
    torch.testing.assert_close(of_decoder, q.flatten(-2).T @ error)
    moved = torch.zeros(K, E).double()
    moved.index_add_(0, codes.flatten(), beta * 2 * (z - q).flatten(0, 1))
    torch.testing.assert_close(of_codebook, moved)
    assert of_codebook.abs().max() > 0.1


def test_the_rate_trains_the_prior_and_nothing_else() -> None:
    gradients = {}
    for rate in (False, True):
        small = Small(rate, beta=0.7)
        objective = small.chain.objective(small.x, small.known, None).sum()
        learned = [small.into, small.quantiser.codebook, small.prior.logits]
        gradients[rate] = torch.autograd.grad(objective, learned, allow_unused=True)
    assert gradients[False][2] is None
    for without, beside in zip(gradients[False][:2], gradients[True][:2], strict=True):
        torch.testing.assert_close(without, beside)
    small = Small()
    first = torch.stack([small.code() // K, small.code() % K], -1)
    counts = torch.nn.functional.one_hot(first, K).sum(0)
    expected = 0.7 * (counts - BATCH * small.prior.logits.softmax(-1))
    torch.testing.assert_close(gradients[True][2], expected)


@pytest.mark.parametrize("name", ["autoregressive", "boltzmann"])
def test_the_rate_trains_a_prior_that_couples_the_latents(name: str) -> None:
    small = Small(rate=True)
    small.prior = PRIORS[name](D, K).double()
    for weight in small.prior.parameters():
        weight.data.normal_()
    small.chain.objective(small.x, small.known, None).sum().backward()
    codes = torch.stack([small.code() // K, small.code() % K], -1)
    expected = torch.autograd.grad(
        small.prior.log_prob_of_codes(codes).sum(), list(small.prior.parameters())
    )
    for weight, gradient in zip(small.prior.parameters(), expected, strict=True):
        torch.testing.assert_close(weight.grad, gradient)


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("training", [True, False])
def test_the_bound_is_the_joint_of_the_one_code_and_its_gap_the_posterior(
    samples: int, training: bool
) -> None:
    small = Small(by_gradient=False)
    small.quantiser.train(training)
    before = small.quantiser.codebook.clone()
    elbo = small.chain.elbo_terms(small.x, small.known, samples, None).elbo
    joint = small.log_joint()
    of_code = joint.gather(0, small.code()[None])[0]
    torch.testing.assert_close(elbo, of_code)
    exact = small.chain.exact_log_likelihood(small.x, small.known, 100)
    torch.testing.assert_close(exact, joint.logsumexp(0))
    posterior = joint.log_softmax(0).gather(0, small.code()[None])[0]
    torch.testing.assert_close(exact - elbo, -posterior)
    assert (elbo < exact).all()
    weights = small.chain.log_weights(small.x, small.known, samples, None)
    torch.testing.assert_close(weights, of_code.expand(samples, BATCH))
    assert torch.equal(small.quantiser.codebook, before)


def test_a_step_lets_the_codebook_follow_once() -> None:
    small = Small(by_gradient=False)
    alone = Small(by_gradient=False)
    small.chain.objective(small.x, small.known, None)
    alone.quantiser(alone.vectors)
    assert torch.equal(small.quantiser.counts, alone.quantiser.counts)
    assert not torch.equal(small.quantiser.counts, torch.ones(K).double())


def test_codes_of_equal_vectors_stay_apart() -> None:
    small = Small()
    small.quantiser.start_from(torch.zeros(K, E).double())
    codes = enumerate_codes(D, K)
    assert torch.equal(small.z.codes(small.z.value(codes, torch.float64)), codes)


def test_codes_come_back_and_are_sampled_from_the_prior() -> None:
    small = Small()
    codes = small.chain.sample(5, Known(), torch.float64, None)
    assert codes.shape == (5, D)
    assert codes.dtype == torch.int64
    values = small.chain.values(codes, Known(), torch.float64)
    torch.testing.assert_close(
        small.z.flat(values.values["z"]), small.quantiser.codebook[codes].flatten(-2)
    )
    varied = small.chain.variations(codes[0])
    assert varied.shape == (D, K, D)
    assert varied[1, :, 1].tolist() == [0, 1, 2]


def test_a_prior_that_follows_another_variable() -> None:
    logits = torch.randn(BATCH, D, K)
    prior = LogitsGiven(lambda known: logits)
    small = Small()
    z = Quantised("z", D, lambda known: known.features, small.quantiser, prior)
    codes = torch.randint(K, (4, BATCH, D))
    found = z.log_p(z.value(codes, torch.float64), Known())
    expected = torch.distributions.Categorical(logits=logits).log_prob(codes).sum(-1)
    torch.testing.assert_close(found, expected)
    assert torch.equal(z.codes(z.prior_mode(Known())), logits.argmax(-1))


def scalars(*levels: int) -> Quantised:
    uniform = LogitsGiven(lambda known: torch.zeros(1, 1), follows=False)
    return Quantised("z", 1, lambda k: k.features, FiniteScalarQuantiser(levels), uniform)


def test_alternatives_are_all_codes_or_some() -> None:
    few, many = scalars(5, 3), scalars(8, 8, 8)
    assert torch.equal(few.alternatives(), torch.arange(15.0))
    found = many.alternatives()
    assert len(found.unique()) == 32
    assert (found[0], found[-1]) == (0, 511)


def test_what_is_no_code_is_refused() -> None:
    z = Small().z
    with pytest.raises(ValueError, match=r"`codes` must lie in \[0, 3\), got 3"):
        z.value(torch.tensor([[0, 3]]), torch.float64)
    with pytest.raises(ValueError, match=r"`codes` must be whole numbers for z, got 0\.5"):
        z.value(torch.tensor([[0.5, 1.0]]), torch.float64)
    with pytest.raises(ValueError, match="`quantiser` must have at most 2\\^24 codes"):
        scalars(*[8] * 9)
