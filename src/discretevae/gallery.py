"""The pictures of a run: computes the arrays, has them drawn, says what each one shows."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from discretevae.assemble import Shown, shown
from discretevae.data import Examples, Splits
from discretevae.evaluation import code_health
from discretevae.figures import (
    new_axes,
    plot_categories,
    plot_elbo_curves,
    plot_reconstructions,
    plot_samples,
    plot_traversals,
    plot_usage,
    save,
)
from discretevae.models import VAE, DiscreteVAE, GaussianVAE
from discretevae.report import ReportFigure
from discretevae.runs import Run

__all__ = ["draw_gallery", "draw_reconstructions", "draw_samples"]

SHOWN = 8
SAMPLES = 40


@torch.no_grad()
def draw_gallery(run: Run, model: VAE, data: Splits, seed: int) -> list[ReportFigure]:
    """Draws every picture that suits the model into the run's folder, in the page's order."""
    look = shown(data)
    examples = look.examples
    figures = _curves(run)
    figures.append(_reconstructions(run.figures / "reconstructions.png", model, look, seed))
    if isinstance(model, DiscreteVAE):
        figures.append(_categories(run.figures / "categories.png", model, examples))
    if isinstance(model, GaussianVAE):
        figures.append(_traversals(run.figures / "traversals.png", model, examples))
    figures.append(_samples(run.figures / "samples.png", model, examples, seed))
    if isinstance(model, DiscreteVAE):
        figures.append(_usage(run.figures / "usage.png", model, examples))
    return figures


@torch.no_grad()
def draw_reconstructions(path: Path, model: VAE, look: Shown, count: int, seed: int = 0) -> None:
    """Draws the tutorial's first picture: inputs, their draws, and both decoded again."""
    x, drawn = (part.values(slice(0, count)).to(model.device) for part in look)
    p = model.decode(model.encode(drawn))
    with torch.random.fork_rng(devices=[]):  # distributions take no generator
        torch.manual_seed(seed)
        draws = p.sample()
    low, high = _range(model, x)
    inputs, outputs = (_array(x), _array(drawn)), (_array(p.mean), _array(draws))
    save(plot_reconstructions(*inputs, *outputs, shape=model.shape, vmin=low, vmax=high), path)


def draw_samples(path: Path, images: Tensor, model: VAE) -> None:
    """Draws decoded samples as a grid."""
    low, high = _range(model, images)
    save(plot_samples(_array(images), model.shape, vmin=low, vmax=high), path)


def _curves(run: Run) -> list[ReportFigure]:
    rows = run.read_history()
    if not rows:
        return []
    names = {
        "train_elbo": "train ELBO",
        "validation_elbo": "validation ELBO",
        "test_elbo": "test ELBO",
        "train_objective": "objective (trained surrogate)",
    }
    curves = {
        label: [row[name] for row in rows] for name, label in names.items() if name in rows[0]
    }
    path = run.figures / "curves.png"
    save(plot_elbo_curves([int(row["epoch"]) for row in rows], curves, new_axes()), path)
    caption = (
        "The true ELBO after each epoch (hard samples, β = 1), beside the objective that training "
        "maximised. Where the two part, the objective is relaxed, weighted, of several samples, "
        "has further terms, or is a running mean."
    )
    return [ReportFigure("ELBO by epoch", caption, path)]


def _reconstructions(path: Path, model: VAE, look: Shown, seed: int) -> ReportFigure:
    draw_reconstructions(path, model, look, SHOWN, seed)
    caption = "Examples not trained on, and what the model makes of them through their code alone."
    return ReportFigure("Reconstructions", caption, path)


def _categories(path: Path, model: DiscreteVAE, examples: Examples) -> ReportFigure:
    x = examples.values(slice(0, 1)).to(model.device)
    code = model.encode(x)[0]
    changed = code.repeat(model.num_latents, model.num_categories, 1)
    latent = torch.arange(model.num_latents)
    changed[latent, :, latent] = torch.arange(model.num_categories, device=code.device)
    means = model.decode(changed).mean
    low, high = _range(model, means)
    save(plot_categories(_array(means), code.cpu().numpy(), model.shape, vmin=low, vmax=high), path)
    caption = (
        "One code, decoded; each row changes one latent to each of its categories and keeps the "
        "others. The framed picture in each row is the code itself."
    )
    return ReportFigure("What each category of each latent does", caption, path)


def _traversals(path: Path, model: GaussianVAE, examples: Examples) -> ReportFigure:
    mean = model.encode(examples.values(slice(0, 1)).to(model.device))[0]
    values = torch.linspace(-2, 2, 9, device=mean.device)
    changed = mean.repeat(model.num_latents, len(values), 1)
    latent = torch.arange(model.num_latents)
    changed[latent, :, latent] = values
    means = model.decode(changed).mean
    low, high = _range(model, means)
    save(
        plot_traversals(_array(means), values.cpu().numpy(), model.shape, vmin=low, vmax=high), path
    )
    caption = "One code, decoded; each row moves one latent and keeps the others."
    return ReportFigure("What each latent does", caption, path)


def _samples(path: Path, model: VAE, examples: Examples, seed: int) -> ReportFigure:
    generator = torch.Generator(model.device).manual_seed(seed)
    draw_samples(path, model.sample(SAMPLES, generator), model)
    caption = "Codes drawn from the prior, decoded to the mean of p(x | z)."
    return ReportFigure("Samples from the prior", caption, path)


def _usage(path: Path, model: DiscreteVAE, examples: Examples) -> ReportFigure:
    batches = (examples.values(slice(i, i + 1000)) for i in range(0, len(examples), 1000))
    health = code_health(model, (x.to(model.device) for x in batches))
    save(plot_usage(_array(health.usage), new_axes()), path)
    caption = (
        "How often each category of each latent is used over the test examples (the aggregate "
        "posterior). A healthy code uses all categories; a dead one is never chosen."
    )
    return ReportFigure("Use of the code", caption, path)


def _range(model: VAE, x: Tensor) -> tuple[float, float]:
    """Probabilities are shown from 0 to 1, other values over the range they have."""
    if model.likelihood.name != "gaussian":
        return 0.0, 1.0
    low, high = float(x.min()), float(x.max())
    return (low, high) if high > low else (low, low + 1)


def _array(x: Tensor) -> np.ndarray:
    return x.detach().cpu().double().numpy()
