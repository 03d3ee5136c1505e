"""Small priors with random weights, whose every code is looked at."""

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from discretevae.models import DiscreteVAE
from discretevae.networks import MLP
from discretevae.priors import AutoregressivePrior, prior_from_config
from discretevae.priors.autoregressive import MaskedLinear

few = settings(deadline=None, max_examples=20)
seeds, sizes = st.integers(0, 1000), st.tuples(st.integers(1, 4), st.integers(2, 4))
some_widths = st.lists(st.integers(1, 9), max_size=3)


def random_prior(
    num_latents: int, num_categories: int, widths: tuple[int, ...] = (7, 5), seed: int = 0
) -> AutoregressivePrior:
    prior = AutoregressivePrior(num_latents, num_categories, widths).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.normal_(generator=generator)
    return prior


def all_codes(num_latents: int, num_categories: int) -> Tensor:
    return torch.tensor(list(product(range(num_categories), repeat=num_latents)))


def inside_the_simplex(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=torch.float64, generator=generator).softmax(-1)


def total_probability(prior: AutoregressivePrior) -> float:
    return prior.log_prob_of_codes(all_codes(*prior.shape)).exp().sum().item()


def influence(prior: AutoregressivePrior, seed: int = 0) -> Tensor:
    """|d logits of latent i / d z of latent j|, added over classes: (D, D)."""
    z = inside_the_simplex(*prior.shape, seed=seed)
    return torch.autograd.functional.jacobian(prior.logits_along, z).abs().sum((1, 3))


@few
@given(seeds, sizes, some_widths)
def test_the_probabilities_of_all_codes_sum_to_one(
    seed: int, size: tuple[int, int], widths: list[int]
) -> None:
    assert total_probability(random_prior(*size, tuple(widths), seed)) == pytest.approx(1)


@few
@given(seeds, sizes, some_widths)
def test_no_latent_sees_itself_or_a_later_one(
    seed: int, size: tuple[int, int], widths: list[int]
) -> None:
    found = influence(random_prior(*size, tuple(widths), seed), seed)
    assert (found.triu() == 0).all()
    earlier = torch.ones_like(found, dtype=torch.bool).tril(-1)
    assert (found[earlier] > 0).all(), "every earlier one is seen, however narrow the layers"


def test_hidden_units_carry_every_dependence_where_there_are_enough() -> None:
    prior = random_prior(4, 3, (30, 30))
    with torch.no_grad():
        prior.output.weight[:, 30:] = 0  # nothing direct
    assert (influence(prior)[torch.ones(4, 4).tril(-1).bool()] > 0).all()


@pytest.mark.parametrize("layer", ["hidden", "output"])
def test_a_wrong_mask_is_caught(layer: str) -> None:
    """One latent that sees itself: the sum is off, or the influence shows it."""
    prior = random_prior(3, 2)
    masked = prior.output if layer == "output" else prior.hidden[0]
    masked.mask.fill_(True)
    assert not (influence(prior).triu() == 0).all()
    assert total_probability(prior) != pytest.approx(1)


@few
@given(seeds, sizes)
def test_log_prob_is_the_sum_of_the_conditionals(seed: int, size: tuple[int, int]) -> None:
    prior, num_categories = random_prior(*size, seed=seed), size[1]
    codes = all_codes(*size)
    z = torch.nn.functional.one_hot(codes, num_categories).double()
    expected = torch.zeros(len(codes), dtype=torch.float64)
    for d in range(size[0]):
        before = z.clone()
        before[:, d:] = 0.3  # whatever stands here
        log_p = prior.logits_along(before)[:, d].log_softmax(-1)
        expected = expected + log_p[torch.arange(len(codes)), codes[:, d]]
    torch.testing.assert_close(prior.log_prob(z), expected)
    torch.testing.assert_close(prior.log_prob_of_codes(codes), expected)


@pytest.mark.parametrize("leading", [(), (5,), (3, 2, 4)])
def test_any_leading_dimensions_and_points_inside_the_simplex(leading: tuple[int, ...]) -> None:
    prior, z = random_prior(3, 4), inside_the_simplex(*leading, 3, 4).requires_grad_()
    found = prior.log_prob(z)
    assert found.shape == leading
    rows = torch.stack([prior.log_prob(row) for row in z.view(-1, 3, 4)])
    torch.testing.assert_close(found.flatten(), rows.view(-1))
    one = z.detach().view(-1, 3, 4)[0].clone().requires_grad_()
    assert torch.autograd.gradcheck(prior.log_prob, (one,))


def test_it_is_uniform_at_first_and_all_weights_learn() -> None:
    prior = AutoregressivePrior(3, 4, (16, 16)).double()
    codes = all_codes(3, 4)
    assert prior.log_prob_of_codes(codes).exp().tolist() == pytest.approx([4.0**-3] * 64)
    random = random_prior(3, 4)
    random.log_prob_of_codes(codes).sum().backward()
    for parameter in random.parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().max() > 0


def test_masked_weights_have_no_effect_and_no_gradient() -> None:
    prior, codes = random_prior(3, 2), all_codes(3, 2)
    expected = prior.log_prob_of_codes(codes)
    with torch.no_grad():
        for layer in (*prior.hidden, prior.output):
            layer.weight[~layer.mask] = torch.nan
    found = prior.log_prob_of_codes(codes)
    assert torch.equal(found, expected)
    found.sum().backward()
    for layer in (*prior.hidden, prior.output):
        assert layer.weight.grad.isfinite().all()
        assert (layer.weight.grad[~layer.mask] == 0).all()


def test_masks_are_not_saved() -> None:
    prior = AutoregressivePrior(3, 2, (5,))
    names = ["hidden.0.weight", "hidden.0.bias", "output.weight", "output.bias"]
    assert list(prior.state_dict()) == names


def test_samples_have_the_right_joint_frequencies() -> None:
    """Chi-square over all 27 codes; it fails by chance once in 10^6 runs."""
    prior = random_prior(3, 3)
    codes = prior.sample(40_000, torch.Generator().manual_seed(0))
    assert codes.dtype == torch.int64
    expected = 40_000 * prior.log_prob_of_codes(all_codes(3, 3)).exp().detach()
    observed = (codes @ torch.tensor([9, 3, 1])).bincount(minlength=27)
    rare = expected < 5
    pooled = [torch.cat([t[~rare], t[rare].sum()[None]]) for t in (observed, expected)]
    assert stats.chisquare(*(t.numpy() for t in pooled)).pvalue > 1e-6
    wrong = expected.view(3, 3, 3).transpose(0, 2).flatten()  # the order of the latents reversed
    assert stats.chisquare(observed.numpy(), wrong.numpy()).pvalue < 1e-6


def test_a_generator_decides_the_samples() -> None:
    prior = random_prior(3, 3)
    first, again = (prior.sample(50, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, again)


PIXELS, D, K = 4, 3, 2


def model_with_prior(estimator: str) -> DiscreteVAE:
    torch.manual_seed(1)
    model = DiscreteVAE(
        (PIXELS,), D, K, MLP((5,)), estimator=estimator, prior=random_prior(D, K, (6,))
    ).double()
    with torch.no_grad():
        for parameter in (*model.encoder.parameters(), *model.decoder.parameters()):
            parameter.mul_(3)
    return model


def by_hand(model: DiscreteVAE, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """log p(x|z), log p(z) and log q(z|x), one code at a time: each (K^D, *B)."""
    log_q = model.encoder(x).unflatten(-1, (D, K)).log_softmax(-1)
    rows = []
    for code in product(range(K), repeat=D):
        z = torch.eye(K, dtype=torch.float64)[list(code)]
        p = model.decoder(z.flatten()).sigmoid()
        log_p_x = (x * p.log() + (1 - x) * (1 - p).log()).sum(-1)
        conditionals = model.prior.logits_along(z).log_softmax(-1)
        log_p_z = sum(conditionals[d, k] for d, k in enumerate(code))
        log_q_z = sum(log_q[..., d, k] for d, k in enumerate(code))
        rows.append((log_p_x, log_p_z.expand_as(log_p_x), log_q_z))
    first, second, third = (torch.stack(column) for column in zip(*rows, strict=True))
    return first, second, third


def elbo_by_hand(model: DiscreteVAE, x: Tensor) -> Tensor:
    log_p_x, log_p_z, log_q = by_hand(model, x)
    return (log_q.exp() * (log_p_x + log_p_z - log_q)).sum(0)


def test_the_exact_objective_and_all_its_gradients() -> None:
    model, x = model_with_prior("exact"), torch.rand(6, PIXELS, dtype=torch.float64).round()
    found, expected = model.objective(x), elbo_by_hand(model, x)
    torch.testing.assert_close(found, expected)
    log_p_x, log_p_z, _ = by_hand(model, x)
    log_p = (log_p_x + log_p_z).logsumexp(0)
    torch.testing.assert_close(model.exact_log_likelihood(x), log_p)
    assert (found <= log_p).all()
    parameters = dict(model.named_parameters())
    truth = torch.autograd.grad(expected.sum(), list(parameters.values()))
    gradients = torch.autograd.grad(found.sum(), list(parameters.values()))
    for name, gradient, true in zip(parameters, gradients, truth, strict=True):
        assert true.abs().max() > 0, name
        torch.testing.assert_close(gradient, true, msg=name)


def test_the_mean_gradient_of_rloo_agrees() -> None:
    """It fails by chance once in 10^6 runs; a gradient of the prior off by 10 % does not pass."""
    model, x = model_with_prior("rloo"), torch.tensor([1.0, 0.0, 1.0, 1.0], dtype=torch.float64)
    parameters = [p for p in model.parameters() if p.requires_grad]
    truth = torch.autograd.grad(elbo_by_hand(model, x), parameters)
    truth = torch.cat([t.flatten() for t in truth])
    generator, rows = torch.Generator().manual_seed(0), []
    for _ in range(60):
        objective = model.objective(x.expand(500, PIXELS), generator).mean()
        gradients = torch.autograd.grad(objective, parameters)
        rows.append(torch.cat([g.flatten() for g in gradients]))
    drawn = torch.stack(rows)
    quantile = stats.t.isf(1e-6 / 2 / truth.numel(), len(drawn) - 1)
    bound = quantile * drawn.std(0) / len(drawn) ** 0.5 + 1e-12
    assert ((drawn.mean(0) - truth).abs() <= bound).all()
    of_prior = truth.numel() - sum(p.numel() for p in model.prior.parameters())
    off = (drawn.mean(0) - 1.1 * truth).abs()[of_prior:]
    assert (off > bound[of_prior:]).any()


def test_half_precision_does_not_reach_it() -> None:
    prior = random_prior(3, 4).float()
    codes = all_codes(3, 4)
    with torch.autocast("cpu", torch.bfloat16):
        found = prior.log_prob_of_codes(codes)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, prior.log_prob_of_codes(codes))


def test_its_configuration_rebuilds_it() -> None:
    prior = AutoregressivePrior(3, 4, (5, 6))
    again = prior_from_config(prior.config(), 3, 4)
    assert prior.config() == {"kind": "autoregressive", "widths": [5, 6]}
    assert isinstance(again, AutoregressivePrior)
    again.load_state_dict(prior.state_dict())
    assert again.shape == prior.shape
    assert isinstance(prior_from_config({"kind": "autoregressive"}, 3, 4), AutoregressivePrior)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 2), "`num_latents` must be at least 1"),
        ((2, 1), "`num_categories` at least 2"),
        ((2, 2, (8, 0)), r"`widths` must be positive, got \[8, 0\]"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AutoregressivePrior(*arguments)  # type: ignore[arg-type]


def test_a_masked_layer_is_a_linear_one_without_some_weights() -> None:
    mask = torch.tensor([[True, False, True], [False, False, False]])
    layer, x = MaskedLinear(mask), torch.randn(5, 3)
    torch.testing.assert_close(layer(x), x @ (layer.weight * mask).T + layer.bias)
