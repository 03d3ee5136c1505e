"""The page of a study: its tables, its figures and how to read them."""

import math
import re
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from discretevae.experiments.folder import command_line, versions
from discretevae.files import write_text
from discretevae.pages.html import render
from discretevae.pages.report import format_value, picture
from discretevae.studies.architectures.drawings import Drawings
from discretevae.studies.architectures.findings import Bound, Study
from discretevae.studies.architectures.run import IMPORTANCE_EXAMPLES, Work
from discretevae.studies.architectures.sections import Section, Table

__all__ = ["publish_study", "sections_of", "write_page"]

SCORES = {
    "nmi": "NMI",
    "ari": "ARI",
    "accuracy": "accuracy",
    "purity": "purity",
    "silhouette": "silhouette",
}


def publish_study(found: Study, work: Work) -> Path:
    """Draws the figures and writes `study.html`."""
    drawings = Drawings(found, work)
    return write_page(work.folder / "study.html", found, list(sections_of(found, drawings)))


def write_page(path: Path, found: Study, sections: Sequence[Section]) -> Path:
    """Writes one HTML file that needs no other."""
    shown = [
        {
            "id": re.sub(r"[^a-z0-9]+", "-", section.title.lower()).strip("-"),
            "title": section.title,
            "paragraphs": section.paragraphs,
            "tables": section.tables,
            "figures": [picture(figure) for figure in section.figures],
        }
        for section in sections
    ]
    page = render(
        "study.html.j2",
        title=f"Study of discrete codes: {found.data}",
        summary=list(_summary(found)),
        warnings=found.skipped,
        sections=shown,
        command=command_line(),
        versions=list(versions().items()),
    )
    write_text(path, page)
    return path


def sections_of(found: Study, drawings: Drawings) -> Iterator[Section]:
    """Gives the parts of the page in their order."""
    yield _bounds(found, drawings)
    if found.one_code:
        yield _one_code(found)
    if found.sweep:
        yield _sweep(found)
    yield _codes(found, drawings)
    if found.clusters:
        yield _clusters(found, drawings)


def _summary(found: Study) -> Iterator[str]:
    size = f"{found.num_latents} × {found.num_categories}"
    yield (
        f"Networks with {size} categorical latents and with {found.num_latents} Gaussian ones, "
        f"trained on {found.data} with seed {found.options['seed']}."
    )
    yield (
        "Every ELBO and log-likelihood is a true lower bound on hard samples, in nats per example, "
        "with its standard error over the test examples, unless it is called a surrogate."
    )


def _bounds(found: Study, drawings: Drawings) -> Section:
    rows = [
        (
            model.title,
            model.pixels,
            format_value(model.train_elbo),
            format_value(model.elbo, model.elbo_se),
            _figure(model.log_likelihood),
            format_value(model.kl),
            str(model.epochs),
            f"{model.seconds_per_epoch:.1f}",
        )
        for model in found.models
    ]
    columns = ("model", "data", "train ELBO", "test ELBO", "log p(x) ≥", "KL", "epochs", "s/epoch")
    notes = [
        f"log p(x) ≥: the importance-weighted bound with S = {found.samples} samples, on the whole "
        f"test set for the MLP and on its first {IMPORTANCE_EXAMPLES:,} examples for the others."
    ]
    if any(model.pixels == "grey" for model in found.models):
        notes.append(
            "Grey: cross-entropy on grey values, which is no likelihood; it compares with figures "
            "of the same kind only. Binarised: a fresh Bernoulli draw of every pixel."
        )
    return Section(
        "Bounds",
        [_best(found.models)],
        [Table(columns, rows, " ".join(notes))],
        [*drawings.curves(), *drawings.reconstructions()],
    )


def _best(models: Sequence[Bound]) -> str:
    texts = []
    for pixels in dict.fromkeys(model.pixels for model in models):
        best = max((m for m in models if m.pixels == pixels), key=lambda m: m.elbo)
        texts.append(f"{best.title} ({pixels}, {format_value(best.elbo, best.elbo_se)})")
    return f"The best test ELBO: {'; '.join(texts)}."


def _one_code(found: Study) -> Section:
    rows = [
        (
            model.title,
            format_value(model.surrogate),
            format_value(model.elbo, model.elbo_se),
            format_value(model.kl),
        )
        for model in found.one_code
    ]
    most = math.log(found.num_categories)
    by_name = {model.title: model for model in found.one_code}
    pairs = [
        (network, by_name[f"{network}, exact"], by_name[f"{network}, relaxed"])
        for network in ("MLP", "CNN")
        if {f"{network}, exact", f"{network}, relaxed"} <= by_name.keys()
    ]
    gaps = [
        f"{network}: {format_value(relaxed.surrogate)} relaxed, {format_value(relaxed.elbo)} true, "
        f"{format_value(exact.elbo)} with the exact gradient."
        for network, exact, relaxed in pairs
    ]
    return Section(
        "One latent, honestly",
        [
            f"A single code of {found.num_categories} categories says at most log "
            f"{found.num_categories} = {most:.2f} nats about an example. Decoding relaxed samples, "
            "which are points inside the simplex, passes more through it than the KL counts: the "
            "value is no bound on log p(x).",
            *gaps,
        ],
        [
            Table(
                ("model", "surrogate (no bound where relaxed)", "true test ELBO", "KL"),
                rows,
                "Surrogate: what training maximised, on the test set. For the relaxed models it "
                "decodes Gumbel-Softmax samples in training and evaluation.",
            )
        ],
    )


def _sweep(found: Study) -> Section:
    rows = [(str(d), format_value(elbo)) for d, elbo in found.sweep.items()]
    return Section(
        "How many latents",
        [
            f"The MLP for a few epochs; D = {found.num_latents} has the best validation "
            "ELBO and is taken for all other models."
        ],
        [Table(("D", "validation ELBO"), rows)],
    )


def _codes(found: Study, drawings: Drawings) -> Section:
    titles = {model.name: model.title for model in found.models}
    clusters, probes = [], []
    for name, notes in found.codes.items():
        for representation, scores in notes["clustering"].items():
            cells = [_spread(scores.get(score)) for score in SCORES]
            clusters.append((titles[name], representation, *cells))
        for representation, figures in notes["probes"].items():
            cells = [_figure(figures[probe]) for probe in ("linear", "k-NN")]
            silhouette = format_value(notes["label_silhouette"][representation])
            probes.append((titles[name], representation, *cells, silhouette))
    tables = [
        Table(
            ("model", "representation", *SCORES.values()),
            clusters,
            "K-means on the test codes: mean ± standard deviation over the seeds. UMAP: K-means in "
            "the plane that UMAP makes of the probabilities or means, each seed with its own.",
        )
    ]
    if probes:
        tables.append(
            Table(
                ("model", "representation", "linear probe", "5-NN probe", "silhouette of classes"),
                probes,
                "Probes: test accuracy ± standard error of classifiers of up to 10,000 training "
                "codes.",
            )
        )
    return Section(
        "What the codes know",
        [
            "Nothing was trained with labels. Codes are the most probable categories as one-hot, "
            "probabilities are q(z|x), means those of the Gaussian posterior."
        ],
        tables,
        list(drawings.embeddings()),
    )


def _clusters(found: Study, drawings: Drawings) -> Section:
    labelled = "nmi" in found.clusters[0]
    scores = ("nmi", "ari", "accuracy", "purity") if labelled else ()
    rows = [
        (
            f"{run['seed']:.0f}",
            format_value(run["objective"]),
            f"{run['contrast']:.3f}".replace("-", "−"),
            f"{run['mutual_information']:.3f}",
            format_value(run["elbo"]),
            *(f"{run[score]:.3f}" for score in scores),
        )
        for run in found.clusters
    ]
    mean = [statistics.fmean(run[score] for run in found.clusters) for score in scores]
    rows.append(("mean", "", "", "", "", *(f"{value:.3f}" for value in mean)))
    names = [SCORES[score] for score in scores]
    columns = ("seed", "objective", "contrast", "information", "test ELBO", *names)
    return Section(
        "A code whose categories are classes",
        [
            f"One latent of {found.num_categories} categories, trained with the exact ELBO, a "
            "contrastive term between each image and a slightly deformed copy, and the mutual "
            "information between image and category, which spreads the images over all categories. "
            "The category itself is the cluster. No label takes part in the training of a run or "
            "in the choice of the weights that are kept."
        ],
        [
            Table(
                columns,
                rows,
                "Objective: ELBO + 1000 (contrast + information), what training maximised, in its "
                "last epoch; contrast: −InfoNCE; information: I(z; x) of image and category, the "
                "mean over batches of that within each, no more than that over all images.",
            )
        ],
        list(drawings.clusters()),
    )


def _figure(figure: dict[str, Any] | None) -> str:
    return "–" if figure is None else format_value(figure["value"], figure["se"])


def _spread(values: Sequence[float] | None) -> str:
    if not values or any(math.isnan(value) for value in values):
        return "–"
    return f"{statistics.fmean(values):.3f} ± {statistics.stdev(values):.3f}"
