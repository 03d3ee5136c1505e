"""Gives the study's image network an autoregressive prior, and writes results/image_prior.json.

Encoder and decoder are those of the run `grey/image-categorical` of the study on MNIST; the prior
is fitted to codes drawn from its posterior. What is fitted already is only measured.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from discretevae.data import load
from discretevae.evaluation import mean_figure
from discretevae.evaluation.bounds import evaluate_bounds, evaluate_log_likelihood
from discretevae.experiments.folder import versions
from discretevae.models import DiscreteVAE, from_pretrained
from discretevae.priors import AutoregressivePrior
from discretevae.training import draw_codes, fit_prior

RESULTS = Path(__file__).parent.parent / "results"
WIDTHS = (256, 256)
STAGES = ((12, 2e-3), (6, 3e-4))
"""Passes over the codes, and the learning rate of each stage."""
DRAWS, BATCH, SAMPLES = 4, 500, 1000


def fit(run: Path, folder: Path) -> None:
    model, data = from_pretrained(run / "model").eval(), load("mnist")
    assert isinstance(model, DiscreteVAE)
    codes = draw_codes(model, data.train, data.binarizer, DRAWS)
    held_out = draw_codes(model, data.validation, data.binarizer, 1, seed=1)
    prior = AutoregressivePrior(model.num_latents, model.num_categories, WIDTHS)
    for seed, (epochs, rate) in enumerate(STAGES):
        fit_prior(prior, codes, epochs, BATCH, rate, seed, held_out)
    model.prior = prior.eval()
    model.save_pretrained(folder / "model")


@torch.no_grad()
def measure(folder: Path, examples: int) -> dict[str, Any]:
    """True bounds on the grey test images, which are of no likelihood there."""
    model, data = from_pretrained(folder / "model").eval(), load("mnist")
    draws = torch.Generator().manual_seed(0)
    x = data.test.values()
    bounds = evaluate_bounds(model, x.split(250), draws)
    some = x[:examples].split(50)
    weighted = evaluate_log_likelihood(model, some, SAMPLES, draws)
    note = f"importance-weighted bound, {SAMPLES} samples, {examples} examples"
    return {
        "elbo": mean_figure(bounds.elbo).as_dict(),
        "kl": mean_figure(bounds.kl).as_dict(),
        "log_likelihood": mean_figure(weighted, note=note).as_dict(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", default="runs/study-mnist/grey/image-categorical")
    parser.add_argument("--folder", default="runs/image-ar")
    parser.add_argument("--examples", type=int, default=200)
    given = parser.parse_args()
    folder = Path(given.folder)
    if not (folder / "model" / "config.json").exists():
        fit(Path(given.run), folder)
    record = {
        "what": "image network, 30 × 10, grey MNIST, autoregressive prior fitted afterwards",
        **measure(folder, given.examples),
        "settings": {"widths": WIDTHS, "stages": STAGES, "draws": DRAWS, "batch_size": BATCH},
        "versions": versions(),
    }
    text = json.dumps(record, indent=2) + "\n"
    (RESULTS / "image_prior.json").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
