"""What one model does right, all do: faults that models had and their siblings had not."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from discretevae.codes.identity import model_identity
from discretevae.data import load
from discretevae.estimators import Exact, ReinMax, UnorderedSet
from discretevae.experiments.build_model import build_model
from discretevae.experiments.recipe import Recipe
from discretevae.experiments.resolve import resolve_recipe
from discretevae.models import (
    VAE,
    DiscreteVAE,
    HierarchicalVAE,
    JointVAE,
    SemiSupervisedVAE,
    from_pretrained,
)
from discretevae.networks import MLP
from discretevae.priors import BoltzmannPrior
from discretevae.training import TrainingOptions, prepare

PIXELS = 6


def pixels(count: int) -> Tensor:
    return torch.bernoulli(torch.full((count, PIXELS), 0.5))


MODELS = [
    lambda: DiscreteVAE((PIXELS,), 2, 3, MLP((4,)), estimator="nvil"),
    lambda: HierarchicalVAE((PIXELS,), (2, 1), 3, MLP((4,)), estimator="nvil"),
    lambda: JointVAE((PIXELS,), 2, 3, 2, MLP((4,)), estimator="nvil"),
    lambda: SemiSupervisedVAE((PIXELS,), 3, 2, 3, MLP((4,)), estimator="nvil"),
]


@pytest.mark.parametrize("make", MODELS)
def test_the_identity_is_that_of_the_model_whatever_trains_it(make: type, tmp_path: Path) -> None:
    model, x = make(), pixels(8)
    before = model_identity(model)
    (-model.objective(x)).mean().backward()  # the estimator has learned
    assert model_identity(model) == before
    model.save_pretrained(tmp_path)
    assert model_identity(from_pretrained(tmp_path)) == before


def test_the_identity_does_not_move_where_log_z_is_estimated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("discretevae.priors.boltzmann.REPORTED", 1)
    model = DiscreteVAE((PIXELS,), 4, 2, MLP((4,)), prior=BoltzmannPrior(4, 2, budget=1))
    nn.init.normal_(model.prior.weight)
    before = model_identity(model)
    model.objective(pixels(8)).mean().backward()
    model.eval().elbo(pixels(8))
    assert model_identity(model) == before


def test_a_semi_supervised_model_says_how_sure_its_log_z_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("discretevae.priors.boltzmann.REPORTED", 1)
    prior = BoltzmannPrior(4, 2, budget=1)
    nn.init.normal_(prior.weight)
    models: list[VAE] = [
        SemiSupervisedVAE((PIXELS,), 3, 4, 2, MLP((4,)), prior=prior),
        HierarchicalVAE((PIXELS,), (2, 4), 2, MLP((4,)), prior=prior),
        DiscreteVAE((PIXELS,), 4, 2, MLP((4,)), prior=prior),
    ]
    for model in models:
        estimate = model.log_partition()
        assert estimate is not None
        assert estimate.gap > -0.1
    assert DiscreteVAE((PIXELS,), 4, 2, MLP((4,))).log_partition() is None


def test_the_context_is_described_once_a_step() -> None:
    model = DiscreteVAE((PIXELS,), 2, 3, MLP((4,)), context_shape=(1, 4), prior="conditional")
    runs: list[int] = []
    model.context_network.register_forward_hook(lambda *_: runs.append(1))
    context = torch.rand(8, 1, 4)
    for call in (model.objective, model.elbo, model.encode):
        runs.clear()
        call(pixels(8), context=context)
        assert len(runs) == 1


class Counted(MLP):
    """Counts the networks it makes."""

    made: list[str] = []

    def encoder(self, shape: tuple[int, ...], features: int) -> nn.Module:
        self.made.append("encoder")
        return super().encoder(shape, features)

    def decoder(self, features: int, shape: tuple[int, ...]) -> nn.Module:
        self.made.append("decoder")
        return super().decoder(features, shape)


@pytest.mark.parametrize("cls", [DiscreteVAE, JointVAE, HierarchicalVAE])
def test_every_network_is_made_once(cls: type[VAE]) -> None:
    Counted.made.clear()
    sizes = (2, 1) if cls is HierarchicalVAE else 2
    cls((PIXELS,), num_latents=sizes, num_categories=3, network=Counted((4,)))
    assert Counted.made == ["encoder", "decoder"]


def test_the_command_line_and_python_choose_alike_for_every_layer() -> None:
    recipe = Recipe(
        data="digits", model="hierarchical", num_latents=6, num_categories=8, upper_latents=[2]
    )
    data = load("digits", binarize="fresh", limit=40)
    built = build_model(resolve_recipe(recipe), data)
    ours = HierarchicalVAE(data.shape, (6, 2), 8)
    assert [type(e) for e in built.estimators] == [type(e) for e in ours.estimators]
    assert [type(e) for e in ours.estimators] == [ReinMax, UnorderedSet]
    assert type(HierarchicalVAE(data.shape, (6, 1), 8).estimators[1]) is Exact


def test_two_processes_train_a_hierarchy_whose_estimators_learn_nothing(tmp_path: Path) -> None:
    data = load("digits", binarize="fresh", limit=40)
    options = TrainingOptions(epochs=1, accelerator="cpu", devices=2, progress_bar=False)
    model = HierarchicalVAE(data.shape, (4, 2), 3, MLP((4,)), estimator="reinmax")
    prepare(model, data, options, tmp_path / "run")
    learns = HierarchicalVAE(data.shape, (4, 2), 3, MLP((4,)), estimator="nvil")
    with pytest.raises(ValueError, match="`devices` must be 1 with NVIL, which learns"):
        prepare(learns, data, options, tmp_path / "run")
