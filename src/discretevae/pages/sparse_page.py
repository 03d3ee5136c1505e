"""The page of a sparse autoencoder: its figures, and what each latent stands for."""

import base64
import io
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from discretevae.data.activations import Activations
from discretevae.evaluation.sparse import nearest
from discretevae.experiments.folder import Run, command_line, versions
from discretevae.experiments.sparse_recipe import SparseRecipe
from discretevae.experiments.sparse_run import Shown, SparseFindings
from discretevae.files import write_text
from discretevae.pages.figures.sparse import plot_density, plot_fvu
from discretevae.pages.figures.style import save
from discretevae.pages.html import render
from discretevae.pages.report import ReportFigure, format_value, picture
from discretevae.pages.terminal import print_table, table_of
from discretevae.sparse import SparseAutoencoder
from discretevae.texts import say

__all__ = ["describe_sparse", "publish_sparse"]

MOST_SHOWN = 100
"""Latents that a page shows."""
AROUND = 24
"""Tokens before and after the one of an example."""
SIDE = 64
"""Pixels of a small image, at least."""
LABELS = {
    "fvu": "variance unexplained (FVU)",
    "l0": "active latents (L0)",
    "dead": "dead latents",
    "dense_1_percent": "active in over 1 %",
    "dense_10_percent": "active in over 10 %",
    "norm_ratio": "ratio of norms",
    "relative_bias": "relative reconstruction bias",
    "largest_cosine": "largest cosine",
    "bits": "bits, a true bound",
    "bits_of_gaussian": "bits of one Gaussian",
    "bits_saved": "bits saved",
    "ce_clean": "cross-entropy of the network",
    "ce_score": "CE score",
    "kl_score": "KL score",
}


class Mark(NamedTuple):
    """A piece of text, and how strongly a latent is active there, from 0 to 1."""

    text: str
    strength: float


class Example(NamedTuple):
    """An activation in which a latent is strong."""

    amplitude: str
    row: int
    marks: list[Mark]
    image: str | None


class LatentShown(NamedTuple):
    """What a page says of a latent."""

    number: int
    density: str
    strength: str
    near: str
    examples: list[Example]


def describe_sparse(model: SparseAutoencoder, data: Activations) -> str:
    """Says in a sentence what was trained on what."""
    what = "transcoder" if model.transcodes else "sparse autoencoder"
    out = f" to {model.dim_out}" if model.transcodes else ""
    return (
        f"{what}, {model.kind}: {model.width:,} latents of {model.dim} numbers{out}, k {model.k}, "
        f"on {data.splits.name}: {len(data.splits.train):,} activations to train, "
        f"{len(data.splits.test):,} held out."
    )


def publish_sparse(
    run: Run,
    model: SparseAutoencoder,
    data: Activations,
    recipe: SparseRecipe,
    found: SparseFindings,
    shown: Shown,
) -> None:
    """Draws, writes the page, and says the figures and where it is."""
    history = run.read_history("step", "train_fvu", "test_fvu")
    steps, in_training, held_out = (
        [row[name] for row in history] for name in ("step", "train_fvu", "test_fvu")
    )
    figures = [
        ReportFigure(
            "Density",
            "How often latents are active. Those at the right take part in much; those far left "
            "are rare.",
            save(plot_density(found.latents.density.numpy()), run.figures / "density.png"),
        ),
        ReportFigure(
            "While training",
            "The share of the variance that reconstructions leave.",
            save(plot_fvu(steps, in_training, held_out), run.figures / "training.png"),
        ),
    ]
    config = {**recipe.as_dict(), **recipe.shape(data.dim, data.dim_out)}
    page = render(
        "sparse.html.j2",
        title=run.folder.resolve().name,
        summary=describe_sparse(model, data),
        rows=_rows(found),
        warnings=_warnings(found),
        figures=[picture(figure) for figure in figures],
        latents=latents_shown(model, data, found, shown),
        total=model.width,
        config=[(name, str(value)) for name, value in config.items()],
        command=command_line(),
        versions=list(versions().items()),
    )
    write_text(run.report, page)
    _print(found)
    for warning in _warnings(found):
        say(f"Warning: {warning}")
    say(f"model: {run.model}")
    say(f"report: {run.report}")


def _rows(found: SparseFindings) -> list[dict[str, str]]:
    return [
        {
            "label": LABELS[name],
            "value": format_value(figure.value, figure.se),  # type: ignore[arg-type]
            "unit": figure.unit,
            "note": figure.note or "",
        }
        for name, figure in found.figures.items()
    ]


def _warnings(found: SparseFindings) -> list[str]:
    return [
        f"{len(reason.latents):,} latents are never active, {reason.says}. {reason.remedy}."
        for reason in found.reasons
    ]


def _print(found: SparseFindings) -> None:
    table = table_of("Held-out activations")
    for name, justify in (("", "left"), ("value", "right"), ("unit", "left")):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for row in _rows(found):
        table.add_row(row["label"], row["value"], row["unit"])
    print_table(table)


@torch.no_grad()
def latents_shown(
    model: SparseAutoencoder, data: Activations, found: SparseFindings, shown: Shown
) -> list[LatentShown]:
    """Gives what there is to see of the latents that explain most."""
    of = found.latents
    explains = of.density * of.strength.square()
    chosen = explains.argsort(descending=True)[:MOST_SHOWN]
    chosen = chosen[of.density[chosen] > 0]
    if not len(chosen):
        return []
    cosines, others = nearest(model, chosen)
    amplitudes = _around(model, data, of.rows[chosen], chosen, shown)
    return [
        LatentShown(
            int(latent),
            format_value(float(of.density[latent]) * 100),
            format_value(float(of.strength[latent])),
            ", ".join(
                f"{int(o)} ({float(c):.2f})" for c, o in zip(cosines[i], others[i], strict=True)
            ),
            [
                _example(float(a), int(row), int(latent), shown, amplitudes)
                for a, row in zip(of.strongest[latent], of.rows[latent], strict=True)
                if row >= 0
            ],
        )
        for i, latent in enumerate(chosen)
    ]


def _example(
    a: float, row: int, latent: int, shown: Shown, amplitudes: Mapping[tuple[int, int], float]
) -> Example:
    marks, image = [], None
    if shown.tokens is not None:
        around = range(max(0, row - AROUND), min(len(shown.tokens), row + AROUND + 1))
        marks = [
            Mark(_visible(shown.tokens[i]), round(amplitudes.get((i, latent), 0.0) / a, 2))
            for i in around
        ]
    if shown.images is not None:
        image = _as_link(shown.images[row])
    return Example(format_value(a), row, marks, image)


def _visible(token: str) -> str:
    """A line's end shows as a sign."""
    return token.replace("\n", "⏎")


def _around(
    model: SparseAutoencoder,
    data: Activations,
    rows: torch.Tensor,
    latents: torch.Tensor,
    shown: Shown,
) -> dict[tuple[int, int], float]:
    """How strongly latents are active in the tokens around their strongest examples."""
    if shown.tokens is None:
        return {}
    wanted: dict[int, set[int]] = {}
    for latent, strongest in zip(latents.tolist(), rows.tolist(), strict=True):
        for row in strongest:
            if row >= 0:
                for i in range(max(0, row - AROUND), min(len(shown.tokens), row + AROUND + 1)):
                    wanted.setdefault(i, set()).add(latent)
    found: dict[tuple[int, int], float] = {}
    order = np.array(sorted(wanted))
    start = 0
    for part, size in enumerate(data.blocks.parts):
        here = order[np.searchsorted(order, start) : np.searchsorted(order, start + size)]
        if len(here):
            x, _ = data.pair(data.blocks.part(part).x[torch.from_numpy(here - start)])
            a, support = model.active(x)
            entries = zip(support.rows.tolist(), support.latents.tolist(), a.tolist(), strict=True)
            for i, latent, value in entries:
                if latent in wanted[int(here[i])]:
                    found[int(here[i]), latent] = value
        start += size
    return found


def _as_link(image: np.ndarray) -> str:
    """A small PNG as a link; numbers are stretched to what can be seen."""
    values = np.asarray(image, np.float64)
    low, high = float(values.min()), float(values.max())
    levels = np.zeros_like(values) if high == low else (values - low) / (high - low)
    drawn = Image.fromarray((255 * levels).round().astype(np.uint8))
    scale = max(1, SIDE // max(drawn.size))
    drawn = drawn.resize((scale * drawn.width, scale * drawn.height), Image.Resampling.NEAREST)
    file = io.BytesIO()
    drawn.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
