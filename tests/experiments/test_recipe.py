"""The recipe: one schema from which commands, files and studies derive."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import pytest
import torch
import yaml

from discretevae.cli.main import COMMANDS, main
from discretevae.cli.options import arguments_of
from discretevae.cli.parser import parse
from discretevae.cli.train import stored_recipe
from discretevae.data import Examples, Splits
from discretevae.experiments import build_data, build_model
from discretevae.experiments.build_data import Format
from discretevae.experiments.build_model import Kind
from discretevae.experiments.folder import Run
from discretevae.experiments.recipe import Recipe
from discretevae.experiments.resolve import resolve_recipe
from discretevae.likelihoods import LIKELIHOODS, BernoulliLikelihood
from discretevae.models import VAE, DiscreteVAE
from discretevae.networks import MLP, Network
from discretevae.training import TrainingOptions

OLD = """\
data: digits
model: discrete
num_latents: 2
num_categories: 3
upper_latents: null
inference: null
continuous: null
labelled: null
classifier: null
alpha: null
network: mlp
widths:
- 8
channels: null
activation: relu
likelihood: bernoulli
column: null
pieces: null
sentence_length: null
word_dropout: 0.0
categorical: null
numeric: null
hidden_cells: 0.0
estimator: exact
samples: null
baseline: null
temperature: null
beta: '0:1'
free_bits: 0.0
prior: uniform
condition: none
embedding_size: null
contrastive: '0'
contrastive_temperature: 0.1
similarity: cosine
one_sided: false
balance: '0'
binarize: fresh
validation: 0.1
test: 0.1
limit: 60
stream: false
epochs: 2
batch_size: 20
optimizer: adam
learning_rate: 0.001
decay: cosine
patience: 20
test_curve: false
importance_samples: 4
seed: 0
accelerator: auto
devices: 1
num_nodes: 1
precision: 32-true
versions:
  python: 3.11.2
  discretevae: 0.1.0
"""
"""The config.yaml of a run of version 0.1.0, with all its keys."""


def printed(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit):
        parse(COMMANDS, words)
    return capsys.readouterr().out


def test_a_run_of_version_0_1_0_has_a_recipe(tmp_path: Any) -> None:
    (tmp_path / "config.yaml").write_text(OLD)
    recipe = stored_recipe(Run.open(tmp_path))
    assert recipe == Recipe(
        num_latents=2,
        num_categories=3,
        prior="uniform",
        network="mlp",
        widths=[8],
        activation="relu",
        likelihood="bernoulli",
        binarize="fresh",
        estimator="exact",
        beta="0:1",
        limit=60,
        epochs=2,
        batch_size=20,
        optimizer="adam",
        learning_rate=1e-3,
        patience=20,
        measured_every=1,
        importance_samples=4,
    )
    assert resolve_recipe(recipe) == recipe
    assert recipe.as_dict().keys() >= yaml.safe_load(OLD).keys() - {"versions"}


def test_help_has_every_option_under_its_group(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(["train", "--help"], capsys)
    titles = ["Data:", "Model:", "Objective:", "Training:", "Evaluation:", "Output:"]
    starts = [text.index(f"\n{title}\n") for title in titles]
    assert starts == sorted(starts)
    ends = [*starts[1:], len(text)]
    part = {t: text[a:b] for t, a, b in zip(titles, starts, ends, strict=True)}
    for title, flags in {
        "Data:": ("--likelihood", "--binarize", "--limit"),
        "Model:": ("--num-latents", "--prior", "--upper-latents"),
        "Objective:": ("--estimator", "--beta", "--contrastive-temperature"),
        "Training:": ("--epochs", "--learning-rate", "--seed", "--precision"),
        "Evaluation:": ("--importance-samples",),
        "Output:": ("-o TEXT, --output TEXT", "--overwrite", "--resume"),
    }.items():
        assert all(
            f"\n  {flag} " in part[title] or f"\n  {flag}\n" in part[title] for flag in flags
        )
    for one in fields(Recipe):
        assert text.count(f"\n  --{one.name.replace('_', '-')} ") == 1


@pytest.mark.parametrize("command", ["train", "study", "compare"])
def test_what_a_field_says_is_said_by_every_command(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = " ".join(printed([command, "--help"], capsys).split())
    assert "--data TEXT Name of a data set (see `discretevae datasets`)" in text
    choices = "{32-true,bf16-mixed,16-mixed}"
    said = "32-true, bf16-mixed or 16-mixed. (default: 32-true)"
    assert f"--precision {choices} {said}" in text


def test_commands_have_defaults_of_their_own() -> None:
    study, compare = (arguments_of(COMMANDS[name], {})["recipe"] for name in ("study", "compare"))
    assert study == Recipe(num_categories=10, test=0.2)
    assert compare == Recipe(epochs=20, batch_size=100)


def test_the_options_of_training_are_those_of_the_library() -> None:
    ours, theirs = Recipe().training(), TrainingOptions()
    for one in fields(TrainingOptions):
        a, b = getattr(ours, one.name), getattr(theirs, one.name)
        assert a == b or float(a) == float(b)  # a schedule of one number is its text


def test_the_help_loads_no_torch() -> None:
    code = (
        "import sys, discretevae.experiments.recipe, discretevae.cli.main; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def narrow(recipe: Recipe, common: dict[str, Any], data: Splits) -> VAE:
    assert recipe.continuous == 3
    return DiscreteVAE(**common, num_latents=1, num_categories=recipe.num_categories)


def test_a_model_from_outside_is_one_function_and_one_entry(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = Kind(narrow, takes=("prior",), needs={"continuous": "how many"})
    monkeypatch.setitem(build_model.MODELS, "narrow", kind)
    words = ["train", "--model", "narrow", "--limit", "40", "--epochs", "1"]
    run = Run(tmp_path / "run")
    main([*words, "--continuous", "3", "--importance-samples", "0", "-o", str(run.folder)])
    assert stored_recipe(run).model == "narrow"
    for more, message in (
        ([], "`continuous` must be given with --model narrow: how many, got none"),
        (
            ["--continuous", "3", "--free-bits", "1"],
            "`free_bits` must go with --model discrete, hierarchical, joint, sq, gumbel-vq, got",
        ),
    ):
        with pytest.raises(SystemExit):
            main([*words, *more])
        assert message in capsys.readouterr().err


def test_a_format_from_outside_is_one_file_and_one_entry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = (torch.arange(40.0)[:, None] % torch.arange(2, 8) == 0).float()

    def load(recipe: Recipe) -> Splits:
        digits = build_data.load_data(Recipe(likelihood="bernoulli", limit=40))
        parts = dict.fromkeys(("train", "validation", "test"), Examples(x[: recipe.pieces]))
        return replace(digits, **parts, likelihood={"kind": "divisors"})

    def network(recipe: Recipe, likelihood: Mapping[str, Any]) -> Network:
        return MLP((recipe.num_latents,))

    def read(path: str, recipe: Recipe, model: VAE) -> Examples:
        raise NotImplementedError

    divisors = Format(load, read, {"plain": MLP}, network, takes=("pieces",))
    monkeypatch.setitem(build_data.FORMATS, "divisors", divisors)
    recipe = Recipe(data="numbers", likelihood="divisors", pieces=30)
    resolved = resolve_recipe(recipe)
    assert (resolved.network, resolved.activation) == ("plain", None)
    data = build_data.load_data(resolved)
    assert tuple(data.train.shape) == (6,)
    built = build_model.build_network(resolved, data.likelihood)
    assert isinstance(built, MLP)
    assert built.widths == (resolved.num_latents,)
    with pytest.raises(ValueError, match=r"`pieces` must go with --likelihood tokens, divisors"):
        resolve_recipe(replace(recipe, likelihood="bernoulli"))
    with pytest.raises(ValueError, match="`data` must be a file with --likelihood divisors"):
        resolve_recipe(replace(recipe, data="digits"))


def test_a_likelihood_from_outside_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LIKELIHOODS, "mine", BernoulliLikelihood)
    assert resolve_recipe(Recipe(likelihood="mine")).likelihood == "mine"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"likelihood": "bernouli"}, r"`likelihood` must be one of bernoulli, .*tokens, columns, "),
        ({"model": "discret"}, r"`model` must be one of .* \(did you mean 'discrete'\?\)"),
        ({"prior": "learnt"}, r"`prior` must be one of .* \(did you mean 'learned'\?\)"),
        ({"optimizer": "adm"}, r"`optimizer` must be one of adam, .* \(did you mean 'adam'\?\)"),
        ({"condition": "label"}, r"`condition` must be one of .* \(did you mean 'labels'\?\)"),
        ({"binarize": "frsh"}, r"`binarize` must be one of .* \(did you mean 'fresh'\?\)"),
        ({"classifier": "imag"}, r"`classifier` must be one of .* \(did you mean 'image'\?\)"),
        ({"precision": "32"}, "`precision` must be one of 32-true, bf16-mixed, 16-mixed, got '32'"),
        ({"widths": [3]}, "`widths` must go with --network mlp, got 'tutorial'"),
        ({"pieces": 3}, "`pieces` must go with --likelihood tokens, got 3 and bernoulli"),
    ],
)
def test_mistakes_name_the_option(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        resolve_recipe(Recipe(**changes))
