"""A code inferred in blocks; its bounds and gradients are in the battery, with all models."""

import math
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from enumeration import all_rows
from small_models import Case, scatter
from test_battery import close, drawn, same_gradients
from torch import Tensor

from discretevae.codes.bits_back import BitsBack
from discretevae.codes.errors import CodesError
from discretevae.estimators import NVIL, ReinMax
from discretevae.estimators.multisample import IWAE, VIMCO
from discretevae.experiments.build_model import build_model
from discretevae.experiments.recipe import Recipe
from discretevae.experiments.resolve import resolve_with_data
from discretevae.models import BlockwiseVAE, DiscreteVAE, from_pretrained
from discretevae.networks import MLP
from discretevae.priors import AutoregressivePrior
from discretevae.training.prior import draw_codes, fit_prior

SAMPLES = 2


def of_sizes(**options: Any) -> BlockwiseVAE:
    return BlockwiseVAE((4,), network=MLP((3,)), **options)


@pytest.mark.parametrize("estimator", [VIMCO(SAMPLES), IWAE(SAMPLES, baseline=0.0)])
@pytest.mark.parametrize("prior", ["learned", "autoregressive"])
def test_the_bound_of_several_draws_of_all_blocks(estimator: Any, prior: str) -> None:
    """All pairs of codes, each with its probability: the mean gradient is that of the mean."""
    torch.manual_seed(0)
    case = Case("blocks", prior)
    model = case.model(single=True, estimator=estimator, beta=1.0)
    x, _ = case.data(2)

    def of_pairs() -> tuple[Any, Tensor, Tensor, Tensor]:
        rows = all_rows(model, x)
        pairs = torch.tensor([*product(range(len(rows.codes)), repeat=SAMPLES)])
        log_w = (rows.log_joint - rows.log_posterior)[pairs]
        probability = rows.log_posterior[pairs].sum(1).exp()  # (pairs, N)
        return rows, pairs, probability, log_w.logsumexp(1) - math.log(SAMPLES)

    def estimated() -> Tensor:
        rows, pairs, probability, bound = of_pairs()
        with drawn({name: z[pairs].transpose(0, 1) for name, z in rows.values.items()}):
            found = model.objective(x.expand(len(pairs), *x.shape))
        close(found, bound, "the bound of each pair")
        return (probability.detach() * found).sum(0)

    def exact(score: bool = True) -> Tensor:
        _, _, probability, bound = of_pairs()
        return ((probability if score else probability.detach()) * bound).sum(0)

    same_gradients(model, estimated(), exact())
    with pytest.raises(AssertionError):
        same_gradients(model, exact(score=False), exact())


def test_a_new_model_infers_as_a_flat_one() -> None:
    model = of_sizes(num_latents=5, num_categories=3, blocks=2)
    x = torch.rand(7, 4).round()
    with torch.no_grad():
        known = model.known(x)
        z = torch.nn.functional.one_hot(torch.randint(3, (7, 3)), 3).float()
        own = model.block_logits(1, known.plus("z1", z))
        close(own, known.features[:, 9:15].unflatten(-1, (2, 3)))
        scatter(model.posterior_networks, 1.0)
        other = model.block_logits(1, known.plus("z1", z))
        assert not torch.allclose(own, other)
    assert (model.sizes, [p.start for p in model.places]) == ([3, 2], [0, 3])


def coupled(model: Any) -> tuple[Tensor, Tensor]:
    """The best ELBO in float64 by exact gradients, and log p(x), of a decoder that is given.

    z₁ ⊕ z₂ decides what is seen: the true posterior couples the two.
    """
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    model.decoder = Parity()
    trained = [*model.encoder.parameters()]
    if hasattr(model, "posterior_networks"):
        trained += model.posterior_networks.parameters()
    for parameter in trained:
        parameter.requires_grad_(True)
    optimizer = torch.optim.Adam(trained, 0.03)
    x = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    for _ in range(300):
        optimizer.zero_grad()
        (-model.objective(x).mean()).backward()
        optimizer.step()
    return model.objective(x).mean().detach(), model.exact_log_likelihood(x).mean()


class Parity(torch.nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        first, second = z[..., 1], z[..., 3]
        return 6 * (first * (1 - second) + second * (1 - first)).unsqueeze(-1) - 3


def test_blocks_follow_a_posterior_that_couples() -> None:
    torch.manual_seed(0)
    sizes = {"network": MLP((8,)), "estimator": "exact"}
    flat, truth = coupled(DiscreteVAE((1,), 2, 2, **sizes).double())
    blocks, _ = coupled(BlockwiseVAE((1,), 2, 2, 2, **sizes).double())
    assert truth - blocks < 0.01
    assert truth - flat > 0.5  # one code of the two alone


def test_codes_are_drawn_stored_and_fitted(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = of_sizes(num_latents=4, num_categories=3, blocks=3, prior="learned")
    scatter(model, 0.7)
    model.save_pretrained(tmp_path)
    again = from_pretrained(tmp_path)
    x = torch.rand(6, 4).round()
    close(again.exact_log_likelihood(x), model.exact_log_likelihood(x))
    assert again.blocks == 3
    assert again.sample_codes(5).shape == (5, 4)
    assert again.sample(5).shape == (5, 4)
    assert again.logits(x).shape == (6, 4, 3)
    assert torch.equal(again.logits(x).argmax(-1), again.encode(x))
    prior = AutoregressivePrior(4, 3, widths=(8,))
    before = float(again.elbo(x, 500).detach().mean())
    fit_prior(prior, torch.cat([again.encode(x, sample=True) for _ in range(50)]), 40)
    again.with_prior(prior)
    assert float(again.elbo(x, 500).detach().mean()) > before
    with pytest.raises(CodesError, match=r"infer all latents at once .* z1, z2, z3 one after"):
        BitsBack(model, lanes=2)


def test_estimators_are_the_blocks_own_or_one_of_a_bound() -> None:
    model = of_sizes(num_latents=5, num_categories=3, blocks=2)
    assert model.estimators == (ReinMax(), ReinMax())
    model.set_temperature(1.5)
    assert [e.temperature for e in model.estimators] == [1.5, 1.5]  # type: ignore[attr-defined]
    model.with_estimator("nvil")
    one, other = model.estimators
    assert isinstance(one, NVIL)
    assert one is not other
    model.with_estimator("vimco")
    assert model.estimators == (VIMCO(),)
    model.set_temperature(1.5)
    model.beta = 0.5
    with pytest.raises(ValueError, match="`beta` must be 1 with a multi-sample estimator"):
        model.objective(torch.zeros(2, 4))


@pytest.mark.parametrize(("blocks", "message"), [(0, "at least 1"), (6, "at most the 5 latents")])
def test_the_number_of_blocks_is_checked(blocks: int, message: str) -> None:
    with pytest.raises(ValueError, match=f"`blocks` must be {message}"):
        of_sizes(num_latents=5, blocks=blocks)


def test_a_recipe_asks_for_blocks() -> None:
    recipe = Recipe("digits", limit=20, num_latents=8, num_categories=16, posterior_blocks=4)
    resolved, data = resolve_with_data(recipe)
    assert resolved.estimator == "reinmax"
    model = build_model(resolved, data)
    assert isinstance(model, BlockwiseVAE)
    assert model.sizes == [2, 2, 2, 2]
    assert draw_codes(model, data.train, data.binarizer).shape == (20, 8)
    with pytest.raises(ValueError, match="`posterior_blocks` must go with --model discrete, got 4"):
        resolve_with_data(Recipe("digits", model="gaussian", limit=20, posterior_blocks=4))
