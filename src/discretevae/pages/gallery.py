"""The pictures of a run: computes the arrays, has them drawn, says what each one shows."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.data import BINARIZERS, Batches, Examples, Splits
from discretevae.evaluation import code_health
from discretevae.evaluation.text import interpolate
from discretevae.experiments.folder import Run
from discretevae.experiments.shown import Shown, contexts_of, shown
from discretevae.models import VAE
from discretevae.pages.figures import (
    new_axes,
    plot_categories,
    plot_code_grids,
    plot_elbo_curves,
    plot_reconstructions,
    plot_samples,
    plot_traversals,
    plot_usage,
    save,
)
from discretevae.pages.figures.tiles import MAX_TILES, plot_tiles
from discretevae.pages.report import ReportFigure, ReportTable
from discretevae.pages.writing import as_cells

__all__ = ["by_effect", "draw_gallery", "draw_reconstructions", "draw_samples", "write_tables"]

SHOWN = 8
SAMPLES = 40
COLUMNS = 10


@torch.no_grad()
def draw_gallery(run: Run, model: VAE, data: Splits, seed: int) -> list[ReportFigure]:
    """Draws every picture that suits the model into the run's folder, in the page's order."""
    look = shown(data)
    examples = look.examples
    figures = _curves(run)
    if data.likelihood is None:
        figures.append(_reconstructions(run.figures / "reconstructions.png", model, look, seed))
        if model.grids:
            figures.append(_code_grids(run.figures / "code-grids.png", model, examples))
        elif model.variables:
            figures.append(_variations(run.figures, model, examples))
        figures.append(_samples(run.figures / "samples.png", model, data, seed))
    if model.categorical is not None:
        figures.append(_usage(run.figures / "usage.png", model, examples))
    return figures


@torch.no_grad()
def write_tables(model: VAE, data: Splits, seed: int) -> list[ReportTable]:
    """Lists what the model writes, where the data are sentences or tables."""
    if model.likelihood.header is None:
        return []
    write = _sentences if model.likelihood.sequential else _rows
    return write(model, shown(data).examples, seed)


def _sentences(model: VAE, examples: Examples, seed: int) -> list[ReportTable]:
    x, context = examples.values(slice(0, SHOWN)), _context(examples, slice(0, SHOWN), model)
    draws = torch.Generator().manual_seed(seed)
    given, written, drawn = (
        as_cells(some, model.likelihood).rows
        for some in (
            x,
            model.reconstruct(x, context),
            model.sample(len(x), draws, context, mean=True),
        )
    )
    pairs = [(*sentence, *again) for sentence, again in zip(given, written, strict=True)]
    first = None if context is None else context[0]
    between = interpolate(model, x[0], x[-1], first)
    return [
        ReportTable(
            "Reconstructions",
            "Sentences not trained on, and the most probable ones that their code alone tells.",
            ("sentence", "from its code"),
            pairs,
        ),
        ReportTable(
            "Samples from the prior",
            "Codes drawn from the prior, and the most probable sentence of each, word by word.",
            ("sentence",),
            drawn,
        ),
        ReportTable(
            "From one sentence to another",
            "The code of one sentence becomes that of another, one latent after the other.",
            ("sentence",),
            [(sentence,) for sentence in between],
        ),
    ]


def _rows(model: VAE, examples: Examples, seed: int) -> list[ReportTable]:
    x, context = examples.values(slice(0, SHOWN)), _context(examples, slice(0, SHOWN), model)
    drawn = model.sample(len(x), torch.Generator().manual_seed(seed), context)
    again = model.reconstruct(x, context)
    return [
        ReportTable(title, caption, *as_cells(rows, model.likelihood))
        for title, caption, rows in (
            ("Rows", "Rows not trained on; – where a cell is missing.", x),
            ("Reconstructions", "The same rows, from their code alone.", again),
            (
                "Samples from the prior",
                "A code of the prior each, and a row from p(x | z).",
                drawn,
            ),
        )
    ]


@torch.no_grad()
def draw_reconstructions(path: Path, model: VAE, look: Shown, count: int, seed: int = 0) -> None:
    """Draws the tutorial's first picture: inputs, their draws, and both decoded again."""
    parts = look.originals, look.examples
    x, drawn = (part.values(slice(0, count)).to(model.device) for part in parts)
    context = _context(look.examples, slice(0, count), model)
    p = model.decode(model.encode(drawn, context=context), context)
    with torch.random.fork_rng(devices=[]):  # distributions take no generator
        torch.manual_seed(seed)
        draws = p.sample()
    low, high = _range(model, x)
    inputs, outputs = (_array(x), _array(drawn)), (_array(p.mean), _array(draws))
    save(plot_reconstructions(*inputs, *outputs, shape=model.shape, vmin=low, vmax=high), path)


def draw_samples(path: Path, images: Tensor, model: VAE, conditions: Sequence[str] = ("",)) -> None:
    """Draws decoded samples (conditions, count, *shape): a grid, or a row for each condition."""
    low, high = _range(model, images)
    if len(conditions) == 1:
        save(plot_samples(_array(images[0]), model.shape, vmin=low, vmax=high), path)
        return
    kept = images[:MAX_TILES, :MAX_TILES]
    figure = plot_tiles(
        _array(kept.flatten(0, 1)),
        model.shape,
        columns=kept.shape[1],
        title="Samples of each condition",
        subtitle=["a row for each condition", "decoded from codes of the prior"],
        row_labels=conditions[:MAX_TILES],
        vmin=low,
        vmax=high,
    )
    save(figure, path)


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
    return [ReportFigure("ELBO by epoch", caption, path, drawn=True)]


def _reconstructions(path: Path, model: VAE, look: Shown, seed: int) -> ReportFigure:
    draw_reconstructions(path, model, look, SHOWN, seed)
    caption = "Examples not trained on, and what the model makes of them through their code alone."
    return ReportFigure("Reconstructions", caption, path)


def _code_grids(path: Path, model: VAE, examples: Examples) -> ReportFigure:
    """Where each code stands, for some examples."""
    x = examples.values(slice(0, SHOWN)).to(model.device)
    found = [codes.cpu().numpy() for codes in model.on_grids(model.encode(x))]
    low, high = _range(model, x)
    classes = max(model.chain.classes or [1])
    figure = plot_code_grids(_array(x), found, model.shape, classes, vmin=low, vmax=high)
    caption = (
        "Examples not trained on, and the code at each position of the grid that stands for them: "
        "one colour for each code of the codebook."
    )
    return ReportFigure("Codes on their grids", caption, save(figure, path))


def _variations(folder: Path, model: VAE, examples: Examples) -> ReportFigure:
    """What each number of one code does: a row for each, changed to all that it may be."""
    context = _context(examples, slice(0, 1), model)
    code = model.encode(examples.values(slice(0, 1)).to(model.device), context=context)[0]
    changed = model.chain.variations(code)
    means = model.decode(changed, _repeated(context, changed)).mean
    low, high = _range(model, means)
    first = model.chain.named(model.chain.generative[0])
    if first.classes is None:
        values = first.alternatives().numpy()
        figure = plot_traversals(
            _array(means), values, model.shape, latents=by_effect(means), vmin=low, vmax=high
        )
        caption = (
            "One code, decoded; each row moves one latent and keeps the others. Those that change "
            "most come first."
        )
        path = save(figure, folder / "traversals.png")
        return ReportFigure("What each latent does", caption, path)
    place = model.chain.place(first.name)
    own = code[place].long().cpu().numpy()
    figure = plot_categories(
        _array(means), own, model.shape, latents=by_effect(means), vmin=low, vmax=high
    )
    path = save(figure, folder / "categories.png")
    follow = any(v.follows() for v in model.chain.variables)
    what, others = (
        ("top latent", "all layers below follow as they are most probable")
        if follow
        else ("latent", "all others stay as they are")
    )
    caption = (
        f"One code, decoded; each row changes one {what} to each of its categories, and {others}. "
        "The framed picture in each row is the code itself. Those that change most come first."
    )
    return ReportFigure(f"What each category of each {what} does", caption, path)


def by_effect(means: Float[Tensor, "D K *shape"]) -> list[int]:
    """Orders the latents of a code by how much its picture changes with each, the most first.

    Example:
        >>> by_effect(torch.tensor([[[0.4], [0.5]], [[0.0], [1.0]]]))
        [1, 0]
    """
    return means.double().var(1).flatten(1).sum(1).argsort(descending=True).tolist()


def _samples(path: Path, model: VAE, data: Splits, seed: int) -> ReportFigure:
    generator = torch.Generator(model.device).manual_seed(seed)
    if model.context_shape is not None:
        return _conditional_samples(path, model, data, generator)
    draw_samples(path, model.sample(SAMPLES, generator, mean=True)[None], model)
    caption = "Codes drawn from the prior, decoded to the mean of p(x | z)."
    return ReportFigure("Samples from the prior", caption, path)


def _conditional_samples(
    path: Path, model: VAE, data: Splits, generator: torch.Generator
) -> ReportFigure:
    contexts = contexts_of(shown(data).examples, data.classes)
    values = [None if c is None else c.to(model.device) for c in contexts.values[:MAX_TILES]]
    images = torch.stack([model.sample(COLUMNS, generator, c, mean=True) for c in values])
    draw_samples(path, images, model, contexts.names[:MAX_TILES])
    caption = (
        "Each row has one condition: codes drawn from the prior given it, decoded to the mean of "
        "p(x | z, c)."
    )
    return ReportFigure("Samples of each condition", caption, path)


def _context(examples: Examples, index: slice, model: VAE) -> Tensor | None:
    return None if examples.context is None else examples.context[index].to(model.device)


def _repeated(context: Tensor | None, codes: Tensor) -> Tensor | None:
    """One context for all codes (*B, D)."""
    return None if context is None else context[0].expand(*codes.shape[:-1], *context.shape[1:])


def _usage(path: Path, model: VAE, examples: Examples) -> ReportFigure:
    batches = Batches(examples, 1000, BINARIZERS["none"], shuffle=False, device=model.device)
    health = code_health(model, batches)
    save(plot_usage(_array(health.usage), new_axes()), path)
    caption = (
        "How often each category of each latent is used over the test examples (the aggregate "
        "posterior). A healthy code uses all categories; a dead one is never chosen."
    )
    return ReportFigure("Use of the code", caption, path, drawn=True)


def _range(model: VAE, x: Tensor) -> tuple[float, float]:
    """Probabilities are shown from 0 to 1, other values over the range they have."""
    return model.likelihood.shades(x)


def _array(x: Tensor) -> np.ndarray:
    return x.detach().cpu().double().numpy()
