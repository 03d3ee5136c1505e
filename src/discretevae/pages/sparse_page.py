"""The page of a sparse autoencoder: its figures, and what each latent stands for."""

from discretevae.data.activations import Activations
from discretevae.experiments.folder import Run, command_line, versions
from discretevae.experiments.sparse_recipe import SparseRecipe
from discretevae.experiments.sparse_run import Shown, SparseFindings
from discretevae.files import write_text
from discretevae.pages.figures.sparse import plot_density, plot_fvu
from discretevae.pages.figures.style import save
from discretevae.pages.html import render
from discretevae.pages.latent_examples import latents_shown
from discretevae.pages.report import ReportFigure, format_value, picture
from discretevae.pages.terminal import print_table, table_of
from discretevae.sparse import SparseAutoencoder
from discretevae.texts import say

__all__ = ["describe_sparse", "publish_sparse"]

MOST_SHOWN = 100
"""Latents that a page shows."""
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
    chosen = found.latents.effect.argsort(descending=True)[:MOST_SHOWN]
    chosen = chosen[found.latents.density[chosen] > 0]
    config = {**recipe.as_dict(), **recipe.shape(data.dim, data.dim_out)}
    page = render(
        "sparse.html.j2",
        title=run.folder.resolve().name,
        summary=describe_sparse(model, data),
        rows=_rows(found),
        warnings=_warnings(found),
        figures=[picture(figure) for figure in figures],
        latents=latents_shown(model, data, found.latents, chosen, shown),
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
