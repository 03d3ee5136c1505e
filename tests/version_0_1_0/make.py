"""Writes the fixtures of this folder with the code of version 0.1.0, commit 36c9181, alone.

They are never written again: what they hold is what that version wrote. To repeat it, check that
commit out, put its `src` first on the path of Python, and run

    PYTHONPATH=CHECKOUT/src python tests/version_0_1_0/make.py [--only NAME …]

`saved/NAME` is a model's folder, with `expected.npz` beside its two files: a few examples and all
that version 0.1.0 said of them. `trained/NAME` is the folder of a run of two epochs, without its
pictures and page, and `expected.json`: what version 0.1.0 measured when it evaluated the run, what
it wrote when it went on for a third epoch, and by how much each figure changes with other draws.
"""

import argparse
import csv
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
import yaml
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))

from fixture_figures import certain_figures, drawn_figures, mean_and_error

HERE = Path(__file__).parent
SAVED, TRAINED, DATA = HERE / "saved", HERE / "trained", HERE / "data"
DRAWS = 2000
"""Estimates of each bound."""
EXAMPLES = 4
REPEATS = 16
"""Evaluations, and third epochs, with other draws, from which their spread is known."""

Build = Callable[[], tuple[Any, dict[str, Tensor]]]
"""Makes a model and what it is asked about."""


# Saved models.

SIZES = {"num_latents": 3, "num_categories": 4}
ROW = (6,)
IMAGE = (1, 8, 8)
SMALL_IMAGE = (1, 4, 4)
CLASSES = 3
COLUMNS = [
    {"kind": "numeric", "name": "height", "mean": 170.0, "scale": 12.0},
    {"kind": "binary", "name": "smoker", "categories": ["no", "yes"]},
    {"kind": "categorical", "name": "colour", "categories": ["red", "green", "blue"]},
    {"kind": "numeric", "name": "dose", "mean": 0.5, "scale": 0.1},
]
ROWS = [
    [181.5, 1.0, 2.0, 0.45],
    [float("nan"), 0.0, 1.0, 0.7],
    [159.0, float("nan"), float("nan"), 0.52],
    [float("nan")] * 4,
]
SYMBOLS = ["a", "b", "c", "d", " "]
LENGTH = 7
SENTENCES = ["ab ca", "d", "", "abcdab"]


def _mlp(*widths: int, activation: str = "relu") -> Any:
    from discretevae.networks import MLP

    return MLP(widths or (5,), activation)


def _bits(shape: tuple[int, ...] = ROW) -> Tensor:
    return torch.bernoulli(torch.full((EXAMPLES, *shape), 0.4))


def _one_hot_context() -> Tensor:
    return torch.eye(CLASSES)[torch.arange(EXAMPLES) % CLASSES]


def _labels() -> Tensor:
    return torch.tensor([[0.0], [-1.0], [float(CLASSES - 1)], [-1.0]])


def _perturbed(model: Any) -> Any:
    """Moves all weights off their start, where priors are uniform and biases 0."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5).add_(0.3 * torch.randn_like(parameter))
    return model


def _discrete(x: Tensor | None = None, context: Tensor | None = None, **options: Any) -> Build:
    def build() -> tuple[Any, dict[str, Tensor]]:
        from discretevae import DiscreteVAE

        given = {"x": _bits() if x is None else x}
        if context is not None:
            given["context"] = context
            options["context_shape"] = tuple(context.shape[1:])
        model = DiscreteVAE(tuple(given["x"].shape[1:]), **{**SIZES, "network": _mlp(), **options})
        return _perturbed(model), given

    return build


def _prior(kind: str, **options: Any) -> Callable[[], Any]:
    def build() -> Any:
        from discretevae import priors

        sizes = options.pop("sizes", (SIZES["num_latents"], SIZES["num_categories"]))
        if kind == "categorical":
            return priors.CategoricalPrior(torch.randn(sizes))
        return priors.PRIORS[kind](*sizes, **options)

    return build


def _with_prior(prior: Callable[[], Any], **options: Any) -> Build:
    return lambda: _discrete(**options, prior=prior())()


def _continuous_bernoulli() -> tuple[Any, dict[str, Tensor]]:
    x = torch.rand(EXAMPLES, *ROW)
    model, given = _discrete(x, likelihood="continuous-bernoulli")()
    with torch.no_grad():  # beyond 16, that version clamps what it should not
        list(model.decoder.parameters())[-2].mul_(0.5)
        codes = torch.cartesian_prod(*[torch.arange(4)] * 3)
        logits = model.decode(codes).base_dist.logits
    assert 0.5 < float(logits.abs().max()) < 5, logits.abs().max()
    return model, given


def _images(kind: str, **options: Any) -> Build:
    def build() -> tuple[Any, dict[str, Tensor]]:
        from discretevae import networks

        network = getattr(networks, kind)((2, 3), **options)
        return _discrete(_bits(IMAGE), network=network)()

    return build


def _image_given_image() -> tuple[Any, dict[str, Tensor]]:
    from discretevae.networks import CNN

    context = torch.rand(EXAMPLES, *SMALL_IMAGE)
    options = {"network": CNN((2, 3)), "prior": "conditional"}
    return _discrete(_bits(SMALL_IMAGE), context, **options)()


def _table(hidden: float) -> Build:
    def build() -> tuple[Any, dict[str, Tensor]]:
        from discretevae.networks import ColumnsNetwork

        network = ColumnsNetwork(COLUMNS, widths=(5,), hidden=hidden)
        likelihood = {"kind": "columns", "columns": COLUMNS}
        return _discrete(torch.tensor(ROWS), network=network, likelihood=likelihood)()

    return build


def _sentences(network: str, word_dropout: float, **options: Any) -> Build:
    def build() -> tuple[Any, dict[str, Tensor]]:
        from discretevae.likelihoods import TokenLikelihood
        from discretevae.networks import TextNetwork

        vocabulary = {"symbols": SYMBOLS, "merges": []}
        likelihood = TokenLikelihood(
            vocabulary, LENGTH, network, features=5, width=4, word_dropout=word_dropout
        )
        reader = TextNetwork(likelihood.vocabulary.size, network, width=4, widths=(5,))
        x = likelihood.vocabulary.to_rows(SENTENCES, LENGTH)
        sizes = {"num_latents": 2, "num_categories": 4}
        return _discrete(x, network=reader, likelihood=likelihood, **sizes, **options)()

    return build


def _float64() -> tuple[Any, dict[str, Tensor]]:
    model, given = _discrete(prior="learned")()
    return model.double(), {name: value.double() for name, value in given.items()}


def _of(kind: str, shape: tuple[int, ...] = ROW, **options: Any) -> Build:
    """A model of another kind; options that are functions are called first."""

    def build() -> tuple[Any, dict[str, Tensor]]:
        import discretevae

        made = {k: v() if callable(v) else v for k, v in options.items()}
        given = {"x": _bits(shape) if "x" not in made else made.pop("x")}
        if "context" in made:
            given["context"] = made.pop("context")
            if kind != "SemiSupervisedVAE":
                made["context_shape"] = tuple(given["context"].shape[1:])
        model = getattr(discretevae, kind)(shape, **{"network": _mlp(), **made})
        return _perturbed(model), given

    return build


def _semi_supervised(**options: Any) -> Build:
    given = {"num_classes": CLASSES, **SIZES, "context": _labels, **options}
    return _of("SemiSupervisedVAE", **given)


MODELS: dict[str, Build] = {
    # Priors.
    "discrete-uniform": _discrete(),
    "discrete-learned": _discrete(prior="learned"),
    "discrete-categorical": _with_prior(_prior("categorical")),
    "discrete-autoregressive": _with_prior(_prior("autoregressive", widths=(6, 6))),
    "discrete-autoregressive-linear": _with_prior(_prior("autoregressive", widths=())),
    "discrete-boltzmann": _discrete(prior="boltzmann"),
    "discrete-boltzmann-estimated": _with_prior(_prior("boltzmann", budget=2, chains=5, steps=2)),
    "discrete-too-many-codes": _discrete(num_latents=17, num_categories=2, prior="learned"),
    # Likelihoods and their networks.
    "discrete-bernoulli-grey": lambda: _discrete(
        torch.rand(EXAMPLES, *ROW), likelihood="bernoulli-grey"
    )(),
    "discrete-continuous-bernoulli": _continuous_bernoulli,
    "discrete-gaussian": lambda: _discrete(torch.randn(EXAMPLES, *ROW), likelihood="gaussian")(),
    "table": _table(hidden=0.0),
    "table-hidden-cells": _table(hidden=0.3),
    "text-gru": _sentences("gru", 0.0),
    "text-gru-word-dropout": _sentences("gru", 0.3, prior="learned", embedding_size=2),
    "text-transformer": _sentences("transformer", 0.0),
    # Networks.
    "discrete-leaky-relu": lambda: _discrete(network=_mlp(5, 4, activation="leaky-relu"))(),
    "discrete-linear": lambda: _discrete(network=_mlp(1))(),
    "discrete-of-an-image": lambda: _discrete(_bits(IMAGE))(),
    "discrete-cnn": _images("CNN"),
    "discrete-cnn-leaky-relu": _images("CNN", activation="leaky-relu"),
    "discrete-image": _images("GroupNormCNN", hidden=4),
    "discrete-embedding": _discrete(embedding_size=2),
    "discrete-float64": _float64,
    # Conditions.
    "conditional": lambda: _discrete(context=_one_hot_context(), prior="conditional")(),
    "conditional-uniform-embedding": lambda: _discrete(
        context=torch.randn(EXAMPLES, 2), embedding_size=2
    )(),
    "conditional-boltzmann": lambda: _discrete(context=_one_hot_context(), prior="boltzmann")(),
    "conditional-of-images": _image_given_image,
    # The continuous baseline.
    "gaussian": _of("GaussianVAE", num_latents=3),
    "gaussian-conditional": _of("GaussianVAE", num_latents=3, context=_one_hot_context),
    "gaussian-gaussian-conditional-image": _of(
        "GaussianVAE",
        SMALL_IMAGE,
        num_latents=2,
        likelihood="gaussian",
        x=lambda: torch.randn(EXAMPLES, *SMALL_IMAGE),
        context=lambda: torch.rand(EXAMPLES, *SMALL_IMAGE),
    ),
    # Layers.
    "hierarchical": _of("HierarchicalVAE", num_latents=(3, 2), num_categories=3),
    "hierarchical-bottom-up": _of(
        "HierarchicalVAE", num_latents=(3, 2), num_categories=(3, 4), inference="bottom-up"
    ),
    "hierarchical-three-layers": _of(
        "HierarchicalVAE", num_latents=(3, 2, 1), num_categories=(2, 3, 4), prior="learned"
    ),
    "hierarchical-three-layers-bottom-up": _of(
        "HierarchicalVAE",
        num_latents=(2, 2, 2),
        num_categories=(2, 3, 4),
        prior="learned",
        inference="bottom-up",
    ),
    "hierarchical-autoregressive": _of(
        "HierarchicalVAE",
        num_latents=(2, 3),
        num_categories=3,
        prior=_prior("autoregressive", sizes=(3, 3), widths=(6,)),
    ),
    "hierarchical-boltzmann-bottom-up": _of(
        "HierarchicalVAE",
        num_latents=(2, 3),
        num_categories=(4, 3),
        prior="boltzmann",
        inference="bottom-up",
    ),
    # Gaussian numbers beside the code.
    "joint": _of("JointVAE", **SIZES, num_continuous=2),
    "joint-learned-conditional-embedding": _of(
        "JointVAE",
        **SIZES,
        num_continuous=1,
        prior="conditional",
        context=_one_hot_context,
        embedding_size=2,
    ),
    "joint-autoregressive": _of(
        "JointVAE", **SIZES, num_continuous=2, prior=_prior("autoregressive", widths=(6,))
    ),
    # Labels for some.
    "semi-supervised": _semi_supervised(),
    "semi-supervised-learned-classifier": _semi_supervised(
        prior="learned", classifier=lambda: _mlp(4, activation="leaky-relu")
    ),
    "semi-supervised-boltzmann": _semi_supervised(prior="boltzmann", num_classes=4),
    "semi-supervised-autoregressive": _semi_supervised(prior=_prior("autoregressive", widths=(6,))),
}


def write_saved(only: list[str]) -> None:
    """Writes models, and what they say."""
    for seed, (name, build) in enumerate(MODELS.items()):
        if name not in only:
            continue
        torch.manual_seed(1000 + seed)
        model, given = build()
        model.eval()
        folder = SAVED / name
        shutil.rmtree(folder, ignore_errors=True)
        model.save_pretrained(folder)
        np.savez_compressed(folder / "expected.npz", **_expected(model, given))
        print(f"{name}: {sum(f.stat().st_size for f in folder.iterdir()):,} bytes")


def _expected(model: Any, given: dict[str, Tensor]) -> dict[str, np.ndarray]:
    stream = torch.Generator().manual_seed(1)
    context = given.get("context")
    given["codes"] = model.sample_codes(EXAMPLES, stream, context).to(
        torch.int64 if not _has_numbers(model) else given["x"].dtype
    )
    prior = getattr(getattr(model, "conditional", model), "prior", None)
    features = context if getattr(model, "context_features", 0) else None
    if prior is not None and (features is None or features.ndim == 2):
        given["prior_codes"] = prior.sample(EXAMPLES, stream, features)
    found = {f"given_{name}": value.numpy() for name, value in given.items()}
    certain = certain_figures(model, given)
    found |= {name: value.numpy() for name, value in certain.items()}
    for mode in ("eval", "train"):
        if mode == "train" and _differs_in_training(model):
            continue
        model.train(mode == "train")
        for name, values in drawn_figures(model, given, DRAWS, seed=2).items():
            mean, error = mean_and_error(values)
            found |= {f"{mode}_{name}_mean": mean, f"{mode}_{name}_error": error}
    model.eval()
    return found


def _has_numbers(model: Any) -> bool:
    return model.kind in ("GaussianVAE", "JointVAE")


def _differs_in_training(model: Any) -> bool:
    """Whether words or cells are hidden from it while it trains."""
    dropped = getattr(model.likelihood, "word_dropout", 0.0)
    return bool(
        dropped or (getattr(model.network, "hidden", 0.0) and model.network.kind == "columns")
    )


# Runs.

COMMON = [
    *("--limit", "60", "--batch-size", "20", "--epochs", "2", "--learning-rate", "0.01"),
    *("--importance-samples", "20", "--accelerator", "cpu"),
]
CODE = ["--num-latents", "2", "--num-categories", "3"]
MLP = ["--network", "mlp", "--widths", "6", *COMMON]
DIGITS = ["digits", *MLP]
SMALL_IMAGES = ["images.npz", *MLP]
TABLE = ["table.csv", "--likelihood", "columns", "--widths", "6", *COMMON]
RUNS: dict[str, list[str]] = {
    "discrete": [*DIGITS, *CODE, "--beta", "0:1"],
    "discrete-relax-learned": [*DIGITS, *CODE, "--estimator", "relax", "--prior", "learned"],
    "discrete-vimco-embedding": [*DIGITS, *CODE, "--estimator", "vimco", "--embedding-size", "2"],
    "discrete-boltzmann": [
        *DIGITS,
        *("--num-latents", "6", "--num-categories", "2", "--prior", "boltzmann"),
        *("--estimator", "reinmax", "--temperature", "1.3:0.7"),
    ],
    "gaussian": [*DIGITS, "--model", "gaussian", "--num-latents", "2", "--optimizer", "radam"],
    "joint-nvil": [
        *(*DIGITS, *CODE, "--model", "joint", "--continuous", "2", "--estimator", "nvil"),
    ],
    "conditional": [*SMALL_IMAGES, *CODE, "--condition", "labels", "--prior", "conditional"],
    "hierarchical-nvil": [
        *(*TABLE, *CODE, "--model", "hierarchical", "--upper-latents", "2", "1"),
        *("--prior", "learned", "--estimator", "nvil"),
    ],
    "semi-supervised": [
        *(*SMALL_IMAGES, *CODE, "--model", "semi-supervised", "--labelled", "21"),
        *("--contrastive", "1", "--balance", "1", "--alpha", "5"),
    ],
    "table": [*TABLE, *CODE, "--hidden-cells", "0.2"],
    "text": [
        *("lines.txt", "--widths", "6", *COMMON, "--num-latents", "2", "--num-categories", "4"),
        *("--prior", "learned", "--free-bits", "0.1", "--word-dropout", "0.2"),
        *("--optimizer", "muon", "--validation", "0"),  # one checkpoint, and a small one
    ],
}
"""Name → what is given to `discretevae train`."""
KEPT = ("config.yaml", "metrics.csv", "metrics.json", "model", "checkpoints")


def write_data() -> None:
    """Writes small images of three classes, a table and a text, of which runs are."""
    DATA.mkdir(exist_ok=True)
    draws = np.random.default_rng(0)
    labels = np.arange(120) % CLASSES
    stripes = np.stack([np.eye(4), np.eye(4)[::-1], np.ones((4, 4)) * [1, 0, 0, 1]])
    grey = (200 * stripes[labels] + draws.integers(0, 50, (120, 4, 4))).astype(np.uint8)
    np.savez_compressed(DATA / "images.npz", x=grey[:, None], labels=labels)
    with (DATA / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["height", "smoker", "colour", "dose"])
        for _ in range(80):
            tall = draws.random() < 0.5
            cells = [
                f"{draws.normal(185 if tall else 160, 6):.1f}",
                "yes" if draws.random() < (0.8 if tall else 0.3) else "no",
                str(draws.choice(["red", "green", "blue"], p=[0.6, 0.3, 0.1])),
                f"{draws.normal(0.5, 0.1):.3f}",
            ]
            writer.writerow([cell if draws.random() > 0.1 else "" for cell in cells])
    words = ["to", "be", "or", "not", "that", "is"]
    lines = [" ".join(draws.choice(words, draws.integers(1, 4))) for _ in range(80)]
    (DATA / "lines.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_trained(only: list[str]) -> None:
    """Trains runs, goes on with copies of them, and writes what became of both."""
    from discretevae.cli import main

    write_data()
    place = Path(tempfile.gettempdir()) / "discretevae-0.1.0"  # checkpoints hold their folder
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for path in DATA.iterdir():
        shutil.copy(path, place)
    for name, words in RUNS.items():
        if name not in only:
            continue
        with _inside(place):
            run, again = place / name, place / f"{name}-resumed"
            main(["train", *words, "--output", str(run)])
            shutil.copytree(run, again)
            main(["train", "--resume", str(again), "--epochs", "3"])
            expected = {
                "evaluated": _with_spread(json.loads((run / "metrics.json").read_text()), run),
                "resumed": _third_epoch(again, run),
            }
        folder = TRAINED / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for part in KEPT:
            kept = run / part
            (shutil.copytree if kept.is_dir() else shutil.copy)(kept, folder / part)
        _forget_machine(folder / "config.yaml")
        text = json.dumps(expected, indent=1) + "\n"
        (folder / "expected.json").write_text(text, encoding="utf-8")
        size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
        print(f"{name}: {size:,} bytes", file=sys.stderr)
    shutil.rmtree(place)


def _with_spread(metrics: dict[str, Any], run: Path) -> dict[str, Any]:
    """Figures, each with its standard deviation over evaluations with other draws."""
    from discretevae.assemble import data_from_options
    from discretevae.commands.saved import as_trained, saved_model
    from discretevae.commands.train import stored_options
    from discretevae.runs import Run

    from discretevae.evaluation import evaluate

    opened = Run.open(run)
    options = stored_options(opened)
    model = saved_model(opened, **as_trained(opened, options))
    data = data_from_options(options)
    others = [
        evaluate(model, data, options["importance_samples"], seed) for seed in range(1, REPEATS + 1)
    ]
    found: dict[str, Any] = {}
    for split, figures in metrics.items():
        found[split] = {}
        for name, figure in figures.items():
            values = np.array([other[split][name]["value"] for other in others], float)
            spread = values.std(0, ddof=1).tolist()
            found[split][name] = {"value": figure["value"], "spread": spread}
    return found


def _third_epoch(again: Path, run: Path) -> dict[str, Any]:
    """The last row of a run that went on, and its spread over training with other draws."""
    from discretevae.commands.train import assemble, stored_options
    from discretevae.runs import Run

    from discretevae.data.seeding import generator
    from discretevae.training import train

    resumed = Run.open(again)
    row = resumed.read_history()[-1]
    options = stored_options(resumed)
    others: list[dict[str, float]] = []
    for seed in range(1, REPEATS + 1):
        copy = again.with_name(f"{again.name}-{seed}")
        shutil.copytree(run, copy)

        def stream(name: str, *key: int, device: Any = None, other: int = seed) -> torch.Generator:
            return generator(name, other, *key, device=device)

        with mock.patch("discretevae.training.module.generator", stream):
            parts = assemble(options, copy)
            torch.manual_seed(seed)  # of anything that takes the global stream
            others.append(train(parts.model, parts.data, parts.training, copy, resume=True)[-1])
        shutil.rmtree(copy)
    names = [name for name in row if name != "seconds"]
    spread = {name: float(np.std([other[name] for other in others], ddof=1)) for name in names}
    return {name: {"value": row[name], "spread": spread[name]} for name in names}


def _forget_machine(config: Path) -> None:
    """Leaves in the options the name of a file of data without its folder, and no machine."""
    options = yaml.safe_load(config.read_text(encoding="utf-8"))
    if Path(options["data"]).is_absolute():
        options["data"] = Path(options["data"]).name
    options["versions"]["machine"] = "Linux"
    config.write_text(yaml.safe_dump(options, sort_keys=False), encoding="utf-8")


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def main() -> None:
    """Writes what was asked for."""
    names = [*MODELS, *RUNS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    only = parser.parse_args().only
    torch.set_num_threads(1)
    write_saved(only)
    write_trained(only)


if __name__ == "__main__":
    main()
