"""Compares `train FILE` without an option with the best of a search; writes results/defaults.md.

Eight kinds of data, made of the photographs that come with scikit-learn, of matplotlib's letters
and of Python's own library: none of them was there when the rule was chosen. A search has 12 runs
with the same D × K and as many steps; the best on the validation examples counts. The share that is
closed is that of the way from no code to that run, in test ELBO.
"""

import argparse
import importlib
import inspect
import io
import json
import math
import random
import statistics
import string
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from PIL import Image
from sklearn.datasets import load_sample_images

import discretevae as dv
from discretevae.data import Splits, read_by
from discretevae.experiments.folder import versions
from discretevae.experiments.recipe import Recipe
from discretevae.experiments.resolve import resolve_with_data
from discretevae.experiments.run import build
from discretevae.training import best_row

RESULTS = Path(__file__).parent.parent / "results"
RUNS = 12
MORE = Path("more")
"""A file beside that of a kind: further examples to test on, where a file has no parts."""
MODULES = (
    *("argparse", "ast", "collections", "concurrent.futures", "copy", "csv", "datetime"),
    *("difflib", "email.message", "fractions", "gettext", "heapq", "inspect", "json", "logging"),
    *("mailbox", "os", "pathlib", "pickletools", "random", "shutil", "statistics", "string"),
    *("tarfile", "tempfile", "textwrap", "threading", "tokenize", "typing", "unittest", "zipfile"),
)
FONTS = ("DejaVu Sans", "DejaVu Serif", "DejaVu Sans Mono", "STIXGeneral")


def blocks(size: int, step: int) -> np.ndarray:
    """Squares of scikit-learn's two photographs, (n, size, size, 3), in random order."""
    found = [
        photo[i : i + size, j : j + size]
        for photo in load_sample_images().images
        for i in range(0, photo.shape[0] - size + 1, step)
        for j in range(0, photo.shape[1] - size + 1, step)
    ]
    return np.stack(found)[np.random.default_rng(0).permutation(len(found))]


def library() -> Iterator[tuple[str, FunctionType]]:
    """Functions and methods of Python's library, with the modules they are in."""
    seen = set()
    for name in MODULES:
        module = importlib.import_module(name)
        owners = [module, *(c for _, c in inspect.getmembers(module, inspect.isclass))]
        for owner in owners:
            for _, function in inspect.getmembers(owner, inspect.isfunction):
                if function.__module__ == name and function.__qualname__ not in seen:
                    seen.add(function.__qualname__)
                    yield name, function


def colour_images(folder: Path) -> str:
    """Small pictures cut out of the photographs, as PNG files."""
    pictures = [Image.fromarray(block).resize((16, 16)) for block in blocks(80, 48)[:240]]
    return saved(pictures, folder / "pictures")


def grey_images(folder: Path) -> str:
    """Capital letters in four fonts, a little turned, as PNG files."""
    draw, pictures = np.random.default_rng(0), []
    for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" * 9:
        figure, png = Figure(figsize=(0.2, 0.2), dpi=80), io.BytesIO()
        font: Any = {"family": FONTS[draw.integers(4)], "rotation": float(draw.normal(0, 12))}
        x, y = draw.normal(0.5, 0.04, 2)
        figure.text(x, y, letter, size=9, ha="center", va="center", **font)
        figure.savefig(png, format="png")
        pictures.append(Image.fromarray(255 - np.asarray(Image.open(png).convert("L"))))
    order = draw.permutation(len(pictures))
    return saved([pictures[i] for i in order], folder / "letters")


def saved(pictures: list[Image.Image], path: Path) -> str:
    """Writes pictures to folders called train, val and test: 100, 40 and the rest."""
    for i, picture in enumerate(pictures):
        part = path / ("train" if i < 100 else "val" if i < 140 else "test")
        part.mkdir(parents=True, exist_ok=True)
        picture.save(part / f"{i:03}.png")
    return str(path)


def patches(folder: Path) -> str:
    """Grey 8 × 8 patches of the photographs without their mean brightness."""
    grey = blocks(8, 16)[:750].mean(-1) / 255
    grey -= grey.mean((1, 2), keepdims=True)
    np.save(folder / MORE.with_suffix(".npy"), grey[250:])
    np.save(folder / "patches.npy", grey[:250])
    return str(folder / "patches.npy")


def numbers(folder: Path) -> str:
    """Twelve numbers that describe a square of the photographs."""
    x = blocks(24, 24)[:700] / 255
    change = np.abs(np.diff(x, axis=1)).mean((1, 2))
    table = np.concatenate(
        [x.mean((1, 2)), x.std((1, 2)), change, np.quantile(x, 0.9, (1, 2))], axis=1
    )
    names = [f"{what}_{c}" for what in ("mean", "spread", "change", "bright") for c in "rgb"]
    return parted(pd.DataFrame(table, columns=names), folder / "numbers.csv")


def bits(folder: Path) -> str:
    """Which pixels around one are brighter than it."""
    grey = blocks(5, 40)[:, :, :, :3].mean(-1)
    rows = (grey > grey[:, 2:3, 2:3]).reshape(len(grey), 25)
    names = [f"brighter_{i}_{j}" for i in range(5) for j in range(5)]
    return parted(pd.DataFrame(rows.astype(int), columns=names), folder / "brighter.csv")


def parted(table: pd.DataFrame, path: Path) -> str:
    """Writes a table whose rows say what they are for: 200 to train, 100 to choose, 400 to test."""
    parts = ["train"] * 200 + ["validation"] * 100 + ["test"] * 400
    table[:700].assign(split=parts[: len(table[:700])]).to_csv(path, index=False)
    return str(path)


def mixed(folder: Path) -> str:
    """What functions are like: numbers, yes/no, categories, and cells that are missing."""
    rows = []
    for _, function in library():
        code, doc = function.__code__, inspect.getdoc(function)
        kind = "method" if "." in function.__qualname__ else "function"
        rows.append(
            {
                "kind": kind,
                "public": "no" if function.__name__.startswith("_") else "yes",
                "arguments": code.co_argcount,
                "locals": code.co_nlocals,
                "stack": code.co_stacksize,
                "log_bytes": round(math.log(len(code.co_code)), 3),
                "names": min(len(code.co_names), 30),
                "defaults": "some" if function.__defaults__ else "none",
                "documented": "yes" if doc else "no",
                "letters_of_doc": round(math.log(len(doc)), 3) if doc else None,
                "starts": function.__name__.strip("_")[:1].lower().translate(VOWELS),
            }
        )
    return parted(pd.DataFrame(rows).sample(frac=1, random_state=0), folder / "functions.csv")


VOWELS = {ord(c): "vowel" if c in "aeiou" else "consonant" for c in string.ascii_lowercase}


def sentences(folder: Path) -> str:
    """Short names of functions, letter by letter."""
    names = sorted({function.__name__ for _, function in library()})
    names = [name for name in names if 4 <= len(name) <= 10 and name.strip("_") == name]
    random.Random(0).shuffle(names)
    (folder / MORE.with_suffix(".txt")).write_text("\n".join(names[120:620]) + "\n")
    (folder / "names.txt").write_text("\n".join(names[:120]) + "\n")
    return str(folder / "names.txt")


def scanlines() -> np.ndarray:
    """Rows of 48 grey values of the photographs, in units of their own."""
    grey = blocks(48, 40)[:, ::12].mean(-1).reshape(-1, 48)[:900]
    return (grey - 100) * 3.7


KINDS: dict[str, Callable[[Path], str]] = {
    "small colour images": colour_images,
    "grey images": grey_images,
    "photographs' patches": patches,
    "numbers": numbers,
    "yes/no": bits,
    "mixed table": mixed,
    "sentences": sentences,
}
IN_PYTHON = "arrays in Python"


def settings(kind: str, found: Recipe, rows: int, seed: int) -> Iterator[dict[str, Any]]:
    """Options at random for as many steps as a resolved recipe has."""
    draw = random.Random(f"{kind} {seed}")
    steps = (found.epochs or 1) * math.ceil(rows / (found.batch_size or 1))
    networks: dict[str, list[str | None]] = {
        "small colour images": IMAGES,
        "grey images": IMAGES,
        "sentences": [None],
    }
    for _ in range(RUNS):
        optimizer = draw.choice(["adam", "adam", "radam", "muon"])
        low, high = (2e-3, 3e-2) if optimizer == "muon" else (3e-4, 1e-2)
        size = min(rows, draw.choice([32, 64, 100, 200]))
        chosen = {
            "optimizer": optimizer,
            "learning_rate": float(f"{math.exp(draw.uniform(math.log(low), math.log(high))):.2g}"),
            "batch_size": size,
            "epochs": max(1, round(steps / math.ceil(rows / size))),
            "beta": draw.choice(["1", "1", f"0:1:{max(1, round(0.3 * steps))}"]),
            "decay": draw.choice(["cosine", "cosine", "linear", "constant"]),
            "patience": 0,
        }
        network = draw.choice(networks.get(kind, [found.network, "tutorial", "report-mlp"]))
        if found.likelihood == "columns":
            chosen["widths"] = draw.choice([None, None, [64], [256, 128]])
        elif network is not None:
            chosen["network"] = network
        yield chosen


IMAGES: list[str | None] = ["image", "image", "tutorial", "report-mlp", "report-cnn"]


def trained(recipe: Recipe, data: Splits) -> dict[str, Any]:
    """One run: what it was told, and its figures."""
    begun = time.perf_counter()
    prepared = build(recipe, data, progress_bar=False)
    try:
        history = prepared.fit()
    except FloatingPointError as error:  # a rate that is too high is part of a search
        return {"validation": -math.inf, "failed": str(error)}
    seconds = time.perf_counter() - begun
    return measured(prepared.model, data) | {
        "validation": best_row(history)["validation_elbo"],
        "seconds": seconds,
    }


def measured(model: Any, data: Splits) -> dict[str, Any]:
    found = dv.evaluate(model, data, samples=0)["test"]
    names = ("elbo", "no_code", "active_latents")
    return {name: found[name]["value"] for name in names} | {"se": found["elbo"]["se"]}


def loaded(recipe: Recipe) -> tuple[Recipe, Splits]:
    """As the command has them, but with more examples to test on where there is a file of them."""
    recipe, data = resolve_with_data(recipe)
    more = Path(recipe.data).with_stem(MORE.name)
    if not Path(recipe.data).is_file() or not more.exists() or data.schema is None:
        return recipe, data
    test = read_by(data.schema, str(more)).examples
    return recipe, replace(data, test=test, originals=test)


def file_case(kind: str, folder: Path, seed: int, only: bool) -> dict[str, Any]:
    """`train FILE` with no option, and the search."""
    path = KINDS[kind](folder)
    recipe, data = loaded(Recipe(data=path, importance_samples=0, seed=seed))
    default = trained(recipe, data)
    tried = []
    for chosen in settings(kind, recipe, len(data.train), seed) if not only else ():
        open_ = Recipe(
            data=path,
            importance_samples=0,
            seed=seed,
            num_latents=recipe.num_latents,
            num_categories=recipe.num_categories,
            **chosen,
        )
        tried.append({"options": chosen, **trained(*loaded(open_))})
        say(kind, tried[-1])
    none = default["no_code"]
    if (
        recipe.likelihood == "tokens"
    ):  # tokens are predicted by those before: a code that is not used
        _, again = loaded(replace(recipe, beta="1000"))
        none = trained(replace(recipe, beta="1000"), again)["elbo"]
    return row(kind, recipe, data, default, none, tried)


def array_case(seed: int, only: bool) -> dict[str, Any]:
    """The same in Python, where a model is made by its sizes alone."""
    data = dv.load_data(scanlines(), likelihood="gaussian", seed=seed)
    torch.manual_seed(seed)
    model = dv.DiscreteVAE(data.shape, likelihood="gaussian")
    begun = time.perf_counter()
    options = dv.TrainingOptions(progress_bar=False, seed=seed)
    history = dv.train(model, data, options)
    default = measured(model, data) | {
        "validation": best_row(history)["validation_elbo"],
        "seconds": time.perf_counter() - begun,
    }
    base = Recipe(data="array", likelihood="gaussian", network="mlp", seed=seed)
    base = replace(base, num_latents=model.num_latents, num_categories=model.num_categories)
    found = dv.training.defaults.by_rule(base, len(data.train))
    tried = []
    for chosen in settings(IN_PYTHON, found, len(data.train), seed) if not only else ():
        tried.append({"options": chosen, **trained(replace(base, **chosen), data)})
        say(IN_PYTHON, tried[-1])
    return row(IN_PYTHON, found, data, default, default["no_code"], tried)


def row(
    kind: str,
    recipe: Recipe,
    data: Splits,
    default: dict[str, Any],
    none: float,
    tried: list[dict[str, Any]],
) -> dict[str, Any]:
    best = max(tried, key=lambda run: run["validation"]) if tried else default
    way = best["elbo"] - none
    return {
        "kind": kind,
        "rows": len(data.train),
        "likelihood": recipe.likelihood,
        "sizes": f"{recipe.num_latents} × {recipe.num_categories}",
        "network": recipe.network,
        "steps": (recipe.epochs or 1) * math.ceil(len(data.train) / (recipe.batch_size or 1)),
        "none": none,
        "default": default,
        "best": best,
        "share": (default["elbo"] - none) / way if way > 0 else 1.0,
        "tried": tried,
    }


def say(kind: str, run: dict[str, Any]) -> None:
    print(kind, {k: v for k, v in run.items() if k != "tried"}, flush=True)


def page(found: list[dict[str, Any]], seed: int, machine: dict[str, str]) -> str:
    """The page of results."""
    shares = [min(1.0, case["share"]) for case in found]
    lines = [
        "# Defaults against a search",
        "",
        f"`python benchmarks/defaults.py --seed {seed}`; two cores, shared, one thread, no GPU; "
        f"torch {machine['torch']}. `train FILE` without an option against the best of "
        f"{RUNS} runs at random (optimiser, rate and its decay, batch, warm-up of β, network) with "
        "the same D × K and number of steps, chosen on the validation examples. Test ELBO in nats "
        "per example; the share is that of the way from no code to the best run. No code: "
        "independent dimensions, of sentences the same model with a code that is not used.",
        "",
        "| kind | rows | likelihood, D × K, network | steps | no code | default | active | best of "
        "the search | share |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for case in found:
        default, best = case["default"], case["best"]
        lines.append(
            f"| {case['kind']} | {case['rows']:,} | {case['likelihood']}, {case['sizes']}, "
            f"{case['network']} | {case['steps']:,} | {case['none']:.2f} | {default['elbo']:.2f} ± "
            f"{default['se']:.2f} | {default['active_latents']} | {best['elbo']:.2f} ± "
            f"{best['se']:.2f} | {case['share']:.0%} |"
        )
    lines += [
        "",
        f"Mean share, each at most 100 %: {statistics.fmean(shares):.1%}; least "
        f"{min(shares):.1%}. One seed; the runs of the search are in `defaults.json`.",
        "",
    ]
    return "\n".join(lines)


def place(case: dict[str, Any]) -> int:
    return [*KINDS, IN_PYTHON].index(case["kind"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", help="some of them, with commas between them; the others stay")
    parser.add_argument("--only-defaults", action="store_true", help="without the search")
    parser.add_argument("--output", type=Path, default=RESULTS)
    given = parser.parse_args()
    kinds = given.kinds.split(",") if given.kinds else [*KINDS, IN_PYTHON]
    path = given.output / "defaults.json"
    found = json.loads(path.read_text())["cases"] if given.kinds and path.exists() else []
    for kind in kinds:
        with tempfile.TemporaryDirectory() as folder:
            begun = time.perf_counter()
            only = given.only_defaults
            if kind == IN_PYTHON:
                case = array_case(given.seed, only)
            else:
                case = file_case(kind, Path(folder), given.seed, only)
            case["seconds"] = time.perf_counter() - begun
        say(kind, case)
        found = sorted([case, *(c for c in found if c["kind"] != kind)], key=place)
        record = {"seed": given.seed, "versions": versions(), "cases": found}
        path.write_text(json.dumps(record, indent=1) + "\n")
        (given.output / "defaults.md").write_text(page(found, given.seed, versions()))


if __name__ == "__main__":
    main()
