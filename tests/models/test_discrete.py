"""What is special of models with one code; what all share is in `test_battery.py`."""

from itertools import product

import pytest
import torch
from enumeration import all_rows, log_evidence
from small_models import chance_bound
from torch import Tensor

from discretevae.estimators import ESTIMATORS
from discretevae.latents import EnumerationError
from discretevae.likelihoods import BernoulliLikelihood, GaussianLikelihood
from discretevae.models import DiscreteVAE
from discretevae.models import chain as models_chain
from discretevae.networks import MLP
from discretevae.priors import CategoricalPrior

PIXELS, D, K = 5, 2, 3


def tiny(
    num_latents: int = D, likelihood: str = "bernoulli", estimator: str = "exact", **options: object
) -> DiscreteVAE:
    prior = CategoricalPrior(torch.linspace(-1, 1, num_latents * K).view(num_latents, K))
    model = DiscreteVAE(
        (PIXELS,), num_latents, K, MLP((6,)), likelihood, estimator, prior, **options
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)  # far from uniform
    return model.double()


def pixels(*batch: int, likelihood: str = "bernoulli") -> Tensor:
    x = torch.rand((*batch, PIXELS), dtype=torch.float64)
    return x.round() if likelihood == "bernoulli" else x


def test_the_bounds_are_in_order() -> None:
    """ELBO < IWAE(2) < IWAE(50) < log p(x), each further than chance takes it (10^-6)."""
    model, x = tiny(), pixels(2)
    with torch.no_grad():
        log_p, many = log_evidence(model, x), x.expand(20_000, 2, PIXELS)
        levels = [all_rows(model, x).elbo]
        for samples in (2, 50):
            values = model.log_likelihood(many[: 40_000 // samples], samples)
            bound = chance_bound(values, comparisons=4)
            assert (values.mean(0) - bound > levels[-1]).all()
            assert (values.mean(0) <= log_p + bound).all()
            levels.append(values.mean(0))
        assert ((log_p - levels[-1]) < 0.5 * (log_p - levels[0])).all()


def test_importance_samples_are_taken_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models_chain, "ROWS", 8)
    model, x = tiny(), pixels(3)
    rows: list[int] = []
    model.decoder.register_forward_hook(lambda _, z, h: rows.append(z[0].shape[:-1].numel()))
    model.log_likelihood(x, samples=5)
    assert rows == [6, 6, 3]  # two samples of three examples


def test_reconstruction_is_the_mean_at_the_most_probable_code() -> None:
    model, x = tiny(), pixels(6)
    z = torch.nn.functional.one_hot(model.encode(x), K).double().flatten(-2)
    torch.testing.assert_close(model.reconstruct(x), model.decoder(z).sigmoid())


def test_samples_are_means_at_codes_of_the_prior() -> None:
    model = tiny()
    generator = torch.Generator().manual_seed(0)
    means = model.sample(500, generator, mean=True)
    codes = torch.tensor(list(product(range(K), repeat=D)))
    known = model.decoder(torch.nn.functional.one_hot(codes, K).double().flatten(-2)).sigmoid()
    nearest = torch.cdist(means, known).min(1)
    assert means.shape == (500, PIXELS)
    assert nearest.values.max() < 1e-6
    assert len(nearest.indices.unique()) > 1


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([[0, 3]], r"`codes` must lie in \[0, 3\)"),
        ([[-1, 0]], r"`codes` must lie in \[0, 3\)"),
        ([[0, 0, 0]], r"`codes` must end in 2 numbers \(2 of z\), got \(1, 3\)"),
    ],
)
def test_codes_that_do_not_fit_are_refused(codes: list[list[int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny().decode(torch.tensor(codes))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"network": "tutrial"}, r"`network` must be .* \(did you mean 'tutorial'\?\)"),
        ({"likelihood": "bernouli"}, r"`likelihood` must be .* \(did you mean 'bernoulli'\?\)"),
        ({"estimator": "reimax"}, r"`estimator` must be .* \(did you mean 'reinmax'\?\)"),
        (
            {"prior": CategoricalPrior(torch.zeros(3, 2))},
            "`prior` must fit D × K = 2 × 3, got 3 × 2",
        ),
        ({"beta": -1.0}, "`beta` must be .* got -1"),
        ({"beta": float("nan")}, "`beta` must be .* got nan"),
        ({"shape": ()}, "`shape` must hold positive sizes"),
        ({"shape": (0, 3)}, "`shape` must hold positive sizes"),
        ({"num_latents": 0}, "`num_latents` must be at least 1"),
        ({"num_categories": 1}, "`num_categories` at least 2"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DiscreteVAE(**({"shape": (5,), "num_latents": 2, "num_categories": 3} | arguments))


def test_a_space_too_large_is_sampled_unless_the_sum_is_asked_for() -> None:
    model = DiscreteVAE((PIXELS,), 400, 10, MLP((4,)))
    x = torch.ones(2, PIXELS)
    assert not model.enumerable
    with pytest.raises(EnumerationError, match=r"10\^400 .* got 65536"):
        model.exact_log_likelihood(x)
    with torch.no_grad():
        assert model.log_likelihood(x).shape == (2,)
    assert tiny().enumerable


def test_auto_enumerates_while_it_is_cheap() -> None:
    assert isinstance(DiscreteVAE((5,), 2, 3).estimator, ESTIMATORS["exact"])
    assert not isinstance(DiscreteVAE((5,), 20, 10).estimator, ESTIMATORS["exact"])


@pytest.mark.parametrize("likelihood", ["bernoulli", "continuous-bernoulli", "gaussian"])
def test_mixed_precision_keeps_figures_in_float32(likelihood: str) -> None:
    model, x = tiny(likelihood=likelihood).float(), pixels(8, likelihood=likelihood).float()
    full = model.objective(x), model.exact_log_likelihood(x)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = model.objective(x), model.exact_log_likelihood(x)
        others = model.elbo(x), model.log_likelihood(x, 5), model.logits(x)
    for figure in (*mixed, *others):
        assert figure.dtype == torch.float32
        assert figure.isfinite().all()
    for figure, reference in zip(mixed, full, strict=True):
        torch.testing.assert_close(figure, reference, rtol=0.02, atol=0.1)


def test_the_likelihood_is_never_computed_in_half_precision() -> None:
    """A thousand pixels: a product in bfloat16 would be off by tenths of a nat."""
    model = DiscreteVAE((1000,), 1, 2, MLP(()), GaussianLikelihood())
    with torch.no_grad():
        model.decoder[0].weight.zero_()
        model.decoder[0].bias.fill_(0.33203125)  # a number that bfloat16 holds
    bernoulli = DiscreteVAE((1000,), 1, 2, MLP(()), BernoulliLikelihood())
    bernoulli.decoder.load_state_dict(model.decoder.state_dict())
    x = torch.rand(3, 1000).round()
    for one in (model, bernoulli):
        full = one.exact_log_likelihood(x)
        with torch.autocast("cpu", torch.bfloat16):
            torch.testing.assert_close(one.exact_log_likelihood(x), full, rtol=1e-6, atol=0)
