"""How much of a codebook of 512 is used after a short training; writes results/usage.md.

Every quantiser as `discretevae train DATA --model NAME` has it by default, for as many steps on the
same few images; usage, perplexity and distortion over held-out ones.

    python benchmarks/usage.py [--data mnist photos] [--steps 400] [--only vq fsq] [--version now]
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

from discretevae.data import Batches, Examples, Splits, Stream, as_batch
from discretevae.evaluation.code_usage import CodeUsage, code_usage
from discretevae.experiments.folder import versions
from discretevae.experiments.recipe import Recipe
from discretevae.experiments.resolve import resolve_with_data
from discretevae.experiments.run import build
from discretevae.files import write_text
from discretevae.models import VAE

RESULTS = Path(__file__).parent.parent / "results"
CODEBOOK, ROWS, BATCH, TESTED = 512, 2_000, 50, 1_000
CASES: dict[str, dict[str, Any]] = {
    "vq": {"model": "vq"},
    "vq, rotation": {"model": "vq", "gradient": "rotation"},
    "residual, 2": {"model": "vq", "num_quantisers": 2, "prior": "auto"},
    "grouped, 2": {"model": "vq", "groups": 2, "prior": "auto"},
    "two-level": {"model": "two-level", "prior": "auto"},
    "diveq": {"model": "diveq"},
    "simvq": {"model": "simvq"},
    "fsq": {"model": "fsq"},
    "lfq": {"model": "lfq"},
    "bsq": {"model": "bsq"},
    "sq": {"model": "sq"},
    "gumbel-vq": {"model": "gumbel-vq"},
}
"""Name → options of training."""
LIKELIHOODS: dict[str, dict[str, Any]] = {"photos": {"likelihood": "discretised-logistic"}}


def measured(options: dict[str, Any], data: str, steps: int, seed: int) -> dict[str, Any]:
    """Trains a model and looks at the codes of held-out images; drawn codes are drawn."""
    epochs = -(-steps // (ROWS // BATCH))
    asked = Recipe(
        data=data, limit=ROWS, batch_size=BATCH, epochs=epochs, patience=0, codebook=CODEBOOK,
        seed=seed, **LIKELIHOODS.get(data, {}), **{"prior": "uniform", **options},
    )  # fmt: skip
    recipe, splits = resolve_with_data(asked)
    started = time.process_time()
    prepared = build(recipe, splits, progress_bar=False, measured_every=epochs)
    if prepared.model.fitted_afterwards is not None:
        prepared.model.prior.requires_grad_(False)  # it changes no code
    prepared.fit()
    seconds, model = time.process_time() - started, prepared.model.eval()
    draws = torch.Generator().manual_seed(seed)
    seen, _ = looked_at(model, splits, splits.train, draws, seed)
    found, distortion = looked_at(model, splits, splits.test, draws, seed)
    return {
        "steps": epochs * ROWS // BATCH,
        "seed": seed,
        "used": [usage.share for usage in found],
        "used_in_training_images": [usage.share for usage in seen],
        "perplexity": [usage.perplexity for usage in found],
        "distortion": float(distortion.mean()),
        "distortion_se": float(distortion.std() / len(distortion) ** 0.5),
        "seconds": seconds,
        "versions": versions(),
    }


def looked_at(
    model: VAE, splits: Splits, some: Examples | Stream, draws: torch.Generator, seed: int
) -> tuple[list[CodeUsage], torch.Tensor]:
    """Usage of each grid's codebook over the first images of a part, and their distortion."""
    codes, terms = [], []
    first = some.take(slice(0, TESTED))
    with torch.no_grad():
        for batch in Batches(first, 100, splits.binarizer, seed, shuffle=False):
            x, _ = as_batch(batch)
            codes.append(model.encode(x, True, draws))
            terms.append(model.elbo_terms(x, 1, draws).reconstruction)
    areas = [rows * columns for rows, columns in model.grids]
    found = [code_usage(part, CODEBOOK) for part in torch.cat(codes).split(areas, -1)]
    return found, -torch.cat(terms).double()


def row(name: str, found: dict[str, Any]) -> str:
    """A line of the table; several codebooks side by side."""
    used, seen = (
        ", ".join(f"{100 * share:.1f} %" for share in found[part])
        for part in ("used", "used_in_training_images")
    )
    perplexity = ", ".join(f"{number:.0f}" for number in found["perplexity"])
    distortion = f"{found['distortion']:.1f} ± {found['distortion_se']:.1f}"
    return f"| {name} | {used} | {seen} | {perplexity} | {distortion} | {found['seconds']:.0f} |"


def missed(cases: dict[str, Any]) -> str:
    """Names the models that leave more than a tenth of a codebook idle."""
    parts = {
        "in held-out images": [n for n, case in cases.items() if min(case["used"]) < 0.9],
        "in training images": [
            n for n, case in cases.items() if min(case["used_in_training_images"]) < 0.9
        ],
    }
    return "; ".join(f"{part} {', '.join(names) or 'none'}" for part, names in parts.items())


def page(record: dict[str, Any]) -> str:
    """The page of results."""
    lines = [
        "# How much of a codebook is used",
        "",
        f"Each model of a grid by its defaults, K = {CODEBOOK}, batches of {BATCH} of {ROWS:,} "
        f"images, at the first try; `python benchmarks/usage.py`, seed 0. Share of the codes that "
        f"occur in {TESTED:,} held-out images (of photos there are 104) and in as many that were "
        "trained on, perplexity of the codes of held-out ones, and their distortion in nats an "
        "image ± standard error: 49 codes of an image of mnist, 64 of a crop of photos, "
        "top and bottom of two-level; `sq` and `gumbel-vq` have codes that are drawn. No prior is "
        "fitted: no bound is compared. Seconds of one processor; two cores, shared, no GPU.",
        "",
    ]
    for title, cases in record.items():
        lines += [
            f"## {title}",
            "",
            "| model | used | in training images | perplexity | distortion | s |",
        ]
        lines += ["|---|---|---|---|---|---|", *(row(*case) for case in cases.items()), ""]
        lines += [f"Below 90 %: {missed(cases)}.", ""]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", default=["mnist", "photos"])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--version", default="now", help="what the heading says of the code")
    parser.add_argument("--output", type=Path, default=RESULTS)
    given = parser.parse_args()
    path = given.output / "usage.json"
    for data in given.data:
        for name in given.only:
            found = measured(CASES[name], data, given.steps, given.seed)
            record = json.loads(path.read_text()) if path.exists() else {}
            title = f"{data}, {found['steps']:,} steps, {given.version}"
            record.setdefault(title, {})[name] = found
            write_text(path, json.dumps(record, indent=1) + "\n")
            write_text(given.output / "usage.md", page(record))


if __name__ == "__main__":
    main()
