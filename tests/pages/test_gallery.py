from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from discretevae.data import BINARIZERS, Splits, load
from discretevae.experiments.folder import Run
from discretevae.experiments.shown import shown
from discretevae.models import VAE, DiscreteVAE, GaussianVAE
from discretevae.networks import MLP
from discretevae.pages.gallery import draw_gallery, draw_reconstructions, draw_samples


@pytest.fixture(scope="module")
def digits() -> Splits:
    return load("digits", binarize="fresh", limit=30)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(tmp_path)
    run.history.write_text(
        "epoch,train_objective,train_elbo,validation_elbo\n1,-40,-41,-42\n2,-38,-39,-40\n"
    )
    return run


def model(kind: type[VAE], likelihood: str = "bernoulli") -> VAE:
    torch.manual_seed(0)
    if kind is GaussianVAE:
        return GaussianVAE((1, 8, 8), 2, MLP((8,)), likelihood)
    return DiscreteVAE((1, 8, 8), 2, 3, MLP((8,)), likelihood)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (DiscreteVAE, ["curves", "reconstructions", "categories", "samples", "usage"]),
        (GaussianVAE, ["curves", "reconstructions", "traversals", "samples"]),
    ],
)
def test_each_model_gets_the_pictures_that_suit_it(
    kind: type[VAE], names: list[str], run: Run, digits: Splits
) -> None:
    figures = draw_gallery(run, model(kind), digits, seed=0)
    assert [figure.path.name for figure in figures] == [f"{name}.png" for name in names]
    for figure in figures:
        with Image.open(figure.path) as image:
            assert min(image.size) > 50
        assert figure.title
        assert figure.caption.endswith(".")


def test_without_history_there_are_no_curves(tmp_path: Path, digits: Splits) -> None:
    figures = draw_gallery(Run(tmp_path), model(DiscreteVAE), digits, seed=0)
    assert "ELBO by epoch" not in [figure.title for figure in figures]


def test_without_a_test_set_the_training_examples_are_shown(run: Run, digits: Splits) -> None:
    none = replace(digits, test=digits.test.take(slice(0)))
    assert set(shown(none).examples.values().unique().tolist()) == {0.0, 1.0}
    assert len(draw_gallery(run, model(DiscreteVAE), none, seed=0)) == 5


def test_inputs_are_shown_as_they_were_before_they_became_binary(digits: Splits) -> None:
    look = shown(digits)
    assert len(look.originals.values().unique()) > 2
    assert set(look.examples.values().unique().tolist()) == {0.0, 1.0}
    assert ((look.originals.values() > 0) >= (look.examples.values() > 0)).all()


def test_the_model_is_left_as_it_was(run: Run, digits: Splits) -> None:
    drawn = model(DiscreteVAE)
    before = {name: value.clone() for name, value in drawn.state_dict().items()}
    state = torch.get_rng_state()
    draw_gallery(run, drawn, digits, seed=0)
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in drawn.state_dict().items():
        assert torch.equal(value, before[name])


def test_the_same_seed_gives_the_same_picture(tmp_path: Path, digits: Splits) -> None:
    drawn, paths = model(DiscreteVAE), [tmp_path / f"{i}.png" for i in range(3)]
    for path, seed in zip(paths, (0, 0, 1), strict=True):
        draw_reconstructions(path, drawn, shown(digits), 4, seed)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert paths[0].read_bytes() != paths[2].read_bytes()


def test_a_gaussian_likelihood_is_drawn_over_its_own_range(tmp_path: Path, run: Run) -> None:
    grey = load("digits", limit=30)
    wide = replace(grey, test=replace(grey.test, x=grey.test.values() * 10 - 5), originals=None)
    wide = replace(wide, binarizer=BINARIZERS["none"])
    drawn = model(DiscreteVAE, "gaussian")
    assert len(draw_gallery(run, drawn, wide, seed=0)) == 5
    draw_samples(tmp_path / "constant.png", torch.full((3, 1, 8, 8), 7.0), drawn)
    assert (tmp_path / "constant.png").exists()
