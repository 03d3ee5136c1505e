import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from discretevae.data import BINARIZERS, Examples, Splits
from discretevae.evaluation import evaluate
from discretevae.likelihoods import ColumnsLikelihood, TokenLikelihood
from discretevae.models import VAE, DiscreteVAE, GaussianVAE
from discretevae.networks import MLP
from discretevae.networks.columns import ColumnsNetwork
from discretevae.networks.text import TextNetwork
from discretevae.schema.columns import BinaryColumn
from discretevae.schema.vocabulary import Vocabulary

FIGURES = {"elbo", "reconstruction", "kl", "objective_gap", "bits_per_dimension", "no_code"}
HEALTH = {
    "active_latents",
    "dead_categories",
    "distinct_codes",
    "mutual_information",
    "code_information",
    "perplexity",
    "kl_per_latent",
    "mutual_information_per_latent",
    "perplexity_per_latent",
}


def splits(*sizes: int) -> Splits:
    generator = torch.Generator().manual_seed(1)
    train, validation, test = (
        Examples(torch.rand(size, 5, generator=generator).round()) for size in sizes
    )
    return Splits("toy", train, validation, test)


def discrete(**options: object) -> DiscreteVAE:
    return DiscreteVAE((5,), 2, 3, MLP((6,)), **options)


def test_every_figure_has_a_value_an_error_and_a_unit() -> None:
    record = evaluate(discrete(), splits(30, 20, 40), samples=10)
    assert set(record) == {"train", "validation", "test"}
    exact = FIGURES | HEALTH | {"exact_log_likelihood"}
    assert set(record["train"]) == set(record["validation"]) == exact
    assert set(record["test"]) == exact | {"log_likelihood", "gzip"}
    for figures in record.values():
        for figure in figures.values():
            assert {"value", "se", "unit"} <= set(figure) <= {"value", "se", "unit", "note"}
            assert np.isfinite(figure["value"]).all()
            assert figure["unit"]
        for name in FIGURES | {"exact_log_likelihood"}:
            assert figures[name]["se"] >= 0
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_the_exact_figure_is_the_mean_over_the_split_with_its_standard_error() -> None:
    model, data = discrete(), splits(30, 20, 300)  # more than one batch
    figure = evaluate(model, data, samples=0)["test"]["exact_log_likelihood"]
    with torch.no_grad():
        values = model.exact_log_likelihood(data.test.values()).double().numpy()
    assert figure["value"] == pytest.approx(values.mean(), rel=1e-6)
    assert figure["se"] == pytest.approx(values.std(ddof=1) / len(values) ** 0.5, rel=1e-5)
    assert figure["unit"] == "nats per example"


def test_the_figures_agree_with_each_other() -> None:
    model = discrete(beta=0.5, estimator="exact")
    test = evaluate(model, splits(3, 3, 400), samples=50)["test"]
    value = {name: figure["value"] for name, figure in test.items()}
    assert value["elbo"] == pytest.approx(value["reconstruction"] - value["kl"], abs=1e-5)
    assert value["bits_per_dimension"] == pytest.approx(-value["elbo"] / 5 / np.log(2), rel=1e-5)
    assert value["kl"] == pytest.approx(sum(value["kl_per_latent"]), abs=1e-5)
    assert value["mutual_information"] <= value["kl"] + 1e-6
    # Sampled bounds stay below log p(x); six standard errors are allowed.
    assert value["elbo"] <= value["exact_log_likelihood"] + 6 * test["elbo"]["se"]
    slack = 6 * test["log_likelihood"]["se"]
    assert value["log_likelihood"] == pytest.approx(value["exact_log_likelihood"], abs=slack)
    # The trained surrogate has β = 0.5: it is above the ELBO by half the KL.
    gap = 6 * test["objective_gap"]["se"]
    assert value["objective_gap"] == pytest.approx(value["kl"] / 2, abs=gap)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "model", [discrete(estimator="reinforce"), GaussianVAE((5,), 2, MLP((6,)))]
)
def test_the_model_is_left_as_it_was(model: VAE, training: bool) -> None:
    model.train(training)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    evaluate(model, splits(30, 20, 10), samples=5)
    assert model.training is training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(random, torch.get_rng_state())


def test_the_mode_is_restored_after_an_error() -> None:
    model = discrete().train()
    data = splits(3, 3, 3)
    grey = replace(data, test=Examples(data.test.x / 2))
    with pytest.raises(ValueError, match="`x` must be 0 or 1"):
        evaluate(model, grey)
    assert model.training


@pytest.mark.parametrize("binarizer", ["none", "fresh"])
def test_the_same_seed_gives_the_same_numbers(binarizer: str) -> None:
    model, data = discrete(), replace(splits(30, 20, 10), binarizer=BINARIZERS[binarizer])
    first = evaluate(model, data, samples=5, seed=3)
    torch.manual_seed(99)
    assert evaluate(model, data, samples=5, seed=3) == first
    assert evaluate(model, data, samples=5, seed=4) != first


def test_what_cannot_be_computed_is_left_out() -> None:
    large = DiscreteVAE((5,), 40, 10, MLP((6,)))
    record = evaluate(large, splits(30, 0, 10), samples=0)
    assert set(record) == {"train", "test"}
    assert set(record["test"]) == FIGURES | {"gzip"} | HEALTH - {"code_information"}
    gaussian = evaluate(GaussianVAE((5,), 2, MLP((6,))), splits(30, 20, 10), samples=3)
    assert set(gaussian["test"]) == FIGURES | {"log_likelihood", "gzip"}


def test_cross_entropy_on_grey_values_is_labelled() -> None:
    data = splits(9, 9, 9)
    grey = replace(
        data, **{s: Examples(getattr(data, s).x / 2) for s in ("train", "validation", "test")}
    )
    record = evaluate(discrete(likelihood="bernoulli-grey"), grey, samples=3)
    bounds = "elbo", "reconstruction", "log_likelihood", "exact_log_likelihood"
    for name in (*bounds, "bits_per_dimension"):
        assert "not a likelihood" in record["test"][name]["note"]
    honest = evaluate(discrete(), data, samples=3)
    assert "not a likelihood" not in json.dumps(honest)


def test_progress_is_shown_for_every_step() -> None:
    steps: list[str] = []

    def progress(batches: object, what: str) -> object:
        steps.append(what)
        return batches

    evaluate(discrete(), splits(3, 3, 3), samples=2, progress=progress)
    assert "ELBO (train)" in steps
    assert "importance-weighted log-likelihood (test)" in steps
    assert "exact log-likelihood (validation)" in steps


def silent(model: DiscreteVAE) -> DiscreteVAE:
    """All weights 0: the KL is 0, and every choice of the likelihood is uniform."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    return model


def only(x: torch.Tensor) -> Splits:
    return Splits("toy", Examples(x), Examples(x[:0]), Examples(x))


def test_missing_cells_of_a_table_are_no_dimensions() -> None:
    """Three bits are known, each at 1/2: one bit a cell, however many cells are not there."""
    columns = tuple(BinaryColumn(name, ("no", "yes")) for name in "abcd")
    network, likelihood = ColumnsNetwork(columns, (4,)), ColumnsLikelihood(columns)
    model = silent(DiscreteVAE((4,), 1, 2, network, likelihood))
    gap = float("nan")
    x = torch.tensor([[1.0, 0.0, gap, gap], [gap, gap, gap, 1.0]])
    figure = evaluate(model, only(x), samples=0)["test"]["bits_per_dimension"]
    assert figure["value"] == pytest.approx(1, rel=1e-6)
    assert figure["se"] == pytest.approx(0, abs=1e-6)
    assert figure["unit"] == "bits per cell"


def test_padding_of_sentences_is_no_dimension() -> None:
    """Of V = 4 possible tokens each costs two bits, its end too; padding costs none."""
    vocabulary = Vocabulary(["a", "b"])  # with the end and the unknown: four choices
    x = vocabulary.to_rows(["", "a", "abba"], 12)
    model = DiscreteVAE(
        (12,),
        1,
        2,
        TextNetwork(vocabulary.size, width=4, widths=(4,)),
        TokenLikelihood(vocabulary, 12, features=4, width=4),
    )
    test = evaluate(silent(model), only(x), samples=0)["test"]
    assert test["bits_per_dimension"]["value"] == pytest.approx(2, rel=1e-6)
    assert test["bits_per_dimension"]["unit"] == "bits per token"
    assert test["bits_per_token"] == test["bits_per_dimension"]
    assert test["perplexity_per_token"]["value"] == pytest.approx(4, rel=1e-6)


def test_information_counted_twice_is_said_to_be() -> None:
    """Two latents that say the same bit: log 2 each, log 2 together."""
    model = DiscreteVAE((1,), 2, 2, MLP((2,)))
    x = torch.tensor([[0.0], [1.0], [0.0], [1.0]])
    model.encoder = torch.nn.Linear(1, 4)
    with torch.no_grad():
        model.encoder.weight.copy_(200 * torch.tensor([[1.0], [-1.0], [1.0], [-1.0]]))
        model.encoder.bias.copy_(100 * torch.tensor([-1.0, 1.0, -1.0, 1.0]))
    test = evaluate(model, only(x), samples=0)["test"]
    assert test["mutual_information"]["value"] == pytest.approx(2 * np.log(2))
    assert test["code_information"]["value"] == pytest.approx(np.log(2))
    assert "total correlation" in test["mutual_information"]["note"]
