from dataclasses import replace

import pytest

from discretevae.cli.study import study_recipe
from discretevae.experiments.resolve import resolve_recipe
from discretevae.studies.architectures.plan import PIXELS, SWEPT, Plan

BASE = replace(study_recipe(data="digits", importance_samples=0), epochs=50, batch_size=50)


def plan(images: bool = True, contrastive: float = 0.0) -> Plan:
    image = {"optimizer": "adam", "epochs": 3}
    return Plan(BASE, PIXELS, images, images, 5, 7, image=image, contrastive=contrastive)


def test_every_network_has_both_codes_on_both_kinds_of_pixels() -> None:
    experiments = plan().architectures(30)
    assert [experiment.name for experiment in experiments] == [
        f"{pixels}/{network}-{code}"
        for pixels in ("grey", "binarised")
        for network in ("report-mlp", "report-cnn", "image")
        for code in ("categorical", "gaussian")
    ]
    for experiment in experiments:
        assert experiment.recipe.num_latents == 30
        assert ("gaussian" in experiment.name) == (experiment.recipe.model == "gaussian")
        grey = experiment.recipe.likelihood == "bernoulli-grey"
        assert (experiment.pixels == "grey") == grey
        assert (experiment.recipe.binarize == "none") == grey


def test_what_is_no_image_has_the_mlp_alone() -> None:
    """Augmentation and convolutions do not suit it."""
    experiments = plan(images=False, contrastive=1.0)
    everything = [*experiments.architectures(3), *experiments.one_code(), *experiments.sweep()]
    assert {experiment.recipe.network for experiment in everything} == {"report-mlp"}
    assert experiments.clusters(range(3)) == experiments.contrasted(3) == []


def test_the_sweep_has_epochs_of_its_own() -> None:
    found = {e.recipe.num_latents: e.recipe.epochs for e in plan().sweep()}
    assert found == dict.fromkeys(SWEPT, 5)


def test_one_code_is_trained_exactly_and_relaxed() -> None:
    found = {(e.recipe.network, e.recipe.estimator) for e in plan().one_code()}
    assert found == {
        (network, estimator)
        for network in ("report-mlp", "report-cnn")
        for estimator in ("exact", "gumbel-softmax")
    }
    assert {e.recipe.num_latents for e in plan().one_code()} == {1}


def test_clusters_differ_in_their_seed_alone() -> None:
    first, second = plan().clusters([0, 1])
    assert (first.recipe.seed, second.recipe.seed) == (0, 1)
    assert replace(first.recipe, seed=1) == second.recipe
    assert first.recipe.epochs == 7


def test_the_contrastive_term_is_an_option() -> None:
    assert plan().contrasted(5) == []
    weights = [e.recipe.contrastive for e in plan(contrastive=2.0).contrasted(5)]
    assert weights == ["2.0", "2.0"]


def test_every_experiment_can_be_resolved_and_has_a_folder_of_its_own() -> None:
    experiments = plan(contrastive=1.0)
    everything = [
        *experiments.sweep(),
        *experiments.architectures(3),
        *experiments.contrasted(3),
        *experiments.one_code(),
        *experiments.clusters(range(2)),
    ]
    for experiment in everything:
        resolve_recipe(experiment.recipe)
    assert len({experiment.name for experiment in everything}) == len(everything)


@pytest.mark.parametrize("pixels", PIXELS)
def test_the_first_likelihood_is_that_of_the_single_experiments(pixels: str) -> None:
    only = Plan(BASE, {pixels: PIXELS[pixels]}, True, True, sweep_epochs=1, clustering_epochs=1)
    assert {e.pixels for e in (*only.one_code(), *only.sweep(), *only.clusters([0]))} == {pixels}


def test_the_image_network_has_options_of_its_own() -> None:
    found = {e.recipe.network: e.recipe for e in plan().architectures(30)}
    assert (found["image"].optimizer, found["image"].epochs) == ("adam", 3)
    assert (found["report-cnn"].optimizer, found["report-cnn"].epochs) == ("muon", 50)


def test_gaussian_models_have_no_estimator_of_their_own() -> None:
    for experiment in plan().architectures(3):
        discrete = experiment.recipe.model == "discrete"
        assert (experiment.recipe.temperature == "1.3") == discrete
