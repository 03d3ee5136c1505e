"""The figures of a study: computes the arrays, has them drawn, says what each one shows."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from matplotlib.axes import Axes
from sklearn.cluster import KMeans

from discretevae.evaluation import umap_installed
from discretevae.models import from_pretrained
from discretevae.pages.figures import (
    plot_curves_beside,
    plot_embedding,
    plot_model_reconstructions,
    plot_samples,
    plot_seeds,
    save,
)
from discretevae.pages.figures.style import set_titles
from discretevae.pages.report import ReportFigure
from discretevae.studies.architectures.findings import Bound, Study
from discretevae.studies.architectures.run import Work

__all__ = ["Drawings"]

SHOWN = 10
CURVES = {"train_elbo": "train", "test_elbo": "test"}
SCORES = {"nmi": "NMI", "ari": "ARI", "accuracy": "accuracy"}


class Drawings:
    """Draws into the study's folder what goes with each part of the page.

    Arguments:
        found: What is drawn.
        work: The runs behind it.
        reference: Score → a figure of somebody else's, drawn beside those of the clusters.
    """

    def __init__(
        self, found: Study, work: Work, reference: Mapping[str, float] | None = None
    ) -> None:
        self.found, self.work, self.reference = found, work, reference or {}
        self.folder = work.folder / "figures"
        self.first = found.models[0].pixels

    def curves(self) -> Iterator[ReportFigure]:
        """The ELBO by epoch, one panel a network."""
        for pixels in dict.fromkeys(model.pixels for model in self.found.models):
            panels: dict[str, tuple[list[float], dict[str, list[float]]]] = {}
            for model in self._models(pixels):
                network, code = model.title.split(", ", 1)
                rows = self.work.run_named(model.name).read_history()
                epochs, curves = panels.setdefault(network, ([], {}))
                epochs[:] = [row["epoch"] for row in rows]
                for column, split in CURVES.items():
                    if column in rows[0]:
                        curves[f"{code}, {split}"] = [row[column] for row in rows]
            path = save(plot_curves_beside(panels), self.folder / f"curves-{pixels}.png")
            caption = (
                "The true ELBO after each epoch, on hard samples; the same scale in all panels."
            )
            yield ReportFigure(f"ELBO by epoch, {pixels} data", caption, path)

    def reconstructions(self) -> Iterator[ReportFigure]:
        """Test examples and what each network makes of them."""
        models = self._models(self.first)
        x = self.work.data_of(self.first).test.values(slice(0, SHOWN))
        with torch.no_grad():
            outputs = {
                model.title: from_pretrained(self.work.run_named(model.name).model).reconstruct(x)
                for model in models
            }
        figure = plot_model_reconstructions(
            x.numpy().astype(float),
            {title: output.numpy().astype(float) for title, output in outputs.items()},
            tuple(x.shape[1:]),
            title="Test examples, and what is left of them in the code",
            **self._range(x),
        )
        path = save(figure, self.folder / "reconstructions.png")
        caption = "Each example is encoded to its most probable code and decoded from it alone."
        yield ReportFigure("Reconstructions", caption, path)

    def embeddings(self) -> Iterator[ReportFigure]:
        """t-SNE by class, and UMAP by cluster, of the categorical models."""
        for model in self.found.models:
            if model.name in self.found.codes and "Gaussian" not in model.title:
                yield self._embedding(model, "t-SNE")
                if umap_installed():
                    yield self._embedding(model, "UMAP")

    def clusters(self) -> Iterator[ReportFigure]:
        """The scores of every seed, and what the categories of the first one decode to."""
        if "nmi" in self.found.clusters[0]:
            scores = {
                label: {"categories": [run[score] for run in self.found.clusters]}
                for score, label in SCORES.items()
            }
            reference = {k: self.reference[k] for k in scores if k in self.reference}
            figure = plot_seeds(scores, reference=reference, reference_label="report")
            path = save(figure, self.folder / "clusters.png")
            caption = "A dot for each seed, a tick for their mean."
            yield ReportFigure("Categories against classes", caption, path)
        best = max(self.found.clusters, key=lambda run: run["objective"])
        seed = f"seed {best['seed']:.0f}"
        model = from_pretrained(self.work.run_named(f"clusters/{seed.replace(' ', '-')}").model)
        categories = model.chain.variables[0].alternatives()
        with torch.no_grad():
            means = model.decode(categories.long()[:, None]).mean
        figure = plot_samples(
            means.numpy().astype(float),
            model.shape,
            title="What each category is",
            subtitle=f"the decoded mean of each category, in order; {seed}",
        )
        path = save(figure, self.folder / "categories.png")
        caption = f"The best objective of all seeds is that of {seed}."
        yield ReportFigure("What each category is", caption, path)

    def _embedding(self, model: Bound, method: str) -> ReportFigure:
        data = self.work.data_of(self.first)
        rows, points = self.work.analyst.embedding(self.work.run_named(model.name), data, method)
        labels = None if data.test.labels is None else data.test.labels.numpy()[rows]
        by_cluster = method == "UMAP" or labels is None
        groups = self._clusters(points) if by_cluster else labels
        names = None if by_cluster else data.classes
        ax: Axes = plot_embedding(points, groups, names)
        what = "clusters of K-means" if by_cluster else "true classes"
        set_titles(ax, f"{method} of the codes of the {model.title}", f"coloured by {what}")
        slug = f"{method.lower()}-{model.name.replace('/', '-')}.png"
        path = save(ax, self.folder / slug)
        caption = (
            f"{len(points):,} test examples, their probabilities q(z|x) laid out by {method}, "
            f"coloured by {what}."
        )
        return ReportFigure(f"{method}: {model.title}", caption, path)

    def _clusters(self, points: np.ndarray) -> np.ndarray:
        clusters = min(self.work.analyst.clusters, len(np.unique(points, axis=0)))
        return KMeans(clusters, n_init=10, random_state=0).fit_predict(points)

    def _models(self, pixels: str) -> list[Bound]:
        return [model for model in self.found.models if model.pixels == pixels]

    def _range(self, x: torch.Tensor) -> dict[str, float]:
        low, high = float(x.min()), float(x.max())
        inside = low >= 0 and high <= 1
        return {"vmin": 0.0, "vmax": 1.0} if inside else {"vmin": low, "vmax": high}
