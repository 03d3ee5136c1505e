"""What is measured on a trained model beyond its bounds: what its codes know of the classes."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from discretevae.data import Batches, Examples, Splits, as_batch
from discretevae.evaluation import (
    Figure,
    cluster_metrics,
    embedded_rows,
    kmeans_clustering,
    kmeans_scores,
    knn_probe,
    label_silhouette,
    linear_probe,
    mean_figure,
    representations,
    tsne,
    umap,
    umap_installed,
)
from discretevae.evaluation.bounds import evaluate_log_likelihood
from discretevae.evaluation.embeddings import cached_array
from discretevae.evaluation.record import labelled
from discretevae.experiments.folder import Run
from discretevae.files import read_text, write_text
from discretevae.models import VAE, from_pretrained

__all__ = ["Analyst", "code_scores", "log_likelihood"]

BATCH = 1_000
PROBED = 10_000
"""The most training examples that the probes are given."""
LATENT = ("probabilities", "mean")
"""The representation that t-SNE and UMAP take: that of a discrete, and of a Gaussian model."""


@dataclass(frozen=True)
class Analyst:
    """Measures models one after the other and remembers what it found.

    Arguments:
        folder: Where it keeps its notes: one JSON and some embeddings a model.
        seeds: Of K-means and of UMAP.
        clusters: C, the number of clusters looked for.
    """

    folder: Path
    seeds: Sequence[int]
    clusters: int

    def analyse(self, run: Run, data: Splits) -> dict[str, Any]:
        """Gives the clusterings and the probes, from the notes if they are of the same model.

        Without labels there is no score against them and no probe, without umap-learn no "UMAP".

        Returns:
            "clustering": representation → score → one value a seed; "label_silhouette" and
            "probes": representation → figures.
        """
        settings = {
            "seeds": list(self.seeds),
            "clusters": self.clusters,
            "umap": umap_installed(),
        }
        return self._noted(run, "codes", settings, lambda model: self._measure(run, model, data))

    def log_likelihood(self, run: Run, data: Splits, samples: int, examples: int) -> dict[str, Any]:
        """Gives the importance-weighted bound on the first test examples."""

        def measure(model: VAE) -> dict[str, Any]:
            return log_likelihood(model, data, samples, examples).as_dict()

        settings = {"samples": samples, "examples": examples}
        return self._noted(run, "likelihood", settings, measure)

    def embedding(
        self, run: Run, data: Splits, method: str, seed: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Gives the test examples that were drawn, and their places in the plane."""
        found = self._representations(from_pretrained(run.model), data.test, data)
        x = next(found[name] for name in LATENT if name in found)
        return self._embed(run, x, method, seed)

    def _embed(
        self, run: Run, x: np.ndarray, method: str, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        rows = embedded_rows(len(x), seed=0)
        compute = {"t-SNE": tsne, "UMAP": umap}[method]
        path = self._note(run, f"{method}-{seed}").with_suffix(".npz")
        path.parent.mkdir(parents=True, exist_ok=True)
        key = {"x": x[rows], "method": method, "seed": seed}
        return rows, cached_array(path, lambda: compute(x[rows], seed), key)

    def _measure(self, run: Run, model: VAE, data: Splits) -> dict[str, Any]:
        train = data.train.take(slice(PROBED))
        x_test = self._representations(model, data.test, data)
        labels = None if data.test.labels is None else data.test.labels.numpy()
        notes: dict[str, Any] = {"clustering": {}, "label_silhouette": {}, "probes": {}}
        for name, x in x_test.items():
            found = kmeans_clustering(x, self.clusters, labels, self.seeds)
            notes["clustering"][name] = {k: v.tolist() for k, v in found.values.items()}
            if labels is not None:
                notes["label_silhouette"][name] = label_silhouette(x, labels)
        notes["clustering"] |= self._umap_clustering(run, x_test, labels)
        if train.labels is not None and len(train.labels.unique()) > 1 and labels is not None:
            x_train = self._representations(model, train, data)
            for name, x in x_test.items():
                arguments = x_train[name], train.labels.numpy(), x, labels
                notes["probes"][name] = {
                    "linear": linear_probe(*arguments).as_dict(),
                    "k-NN": knn_probe(*arguments).as_dict(),
                }
        return notes

    def _umap_clustering(
        self, run: Run, found: dict[str, np.ndarray], labels: np.ndarray | None
    ) -> dict[str, Any]:
        """K-means in the plane of UMAP: every seed has a plane of its own."""
        if not umap_installed():
            return {}
        x = next(found[name] for name in LATENT if name in found)
        scores: dict[str, list[float]] = {}
        for seed in self.seeds:
            rows, points = self._embed(run, x, "UMAP", seed)
            seen = None if labels is None else labels[rows]
            for name, value in kmeans_scores(points, self.clusters, seen, seed).items():
                scores.setdefault(name, []).append(value)
        return {"UMAP": scores}

    def _representations(
        self, model: VAE, examples: Examples, data: Splits
    ) -> dict[str, np.ndarray]:
        return representations(model.eval(), _batches(examples, data))

    def _noted(
        self,
        run: Run,
        what: str,
        settings: dict[str, Any],
        measure: Callable[[VAE], dict[str, Any]],
    ) -> dict[str, Any]:
        """Reads a note of the very same weights and settings, or measures and writes it."""
        path = self._note(run, what).with_suffix(".json")
        weights = hashlib.sha256((run.model / "model.safetensors").read_bytes()).hexdigest()
        key = {"weights": weights, **settings}
        try:
            note = json.loads(read_text(path))
            if note["of"] == key:
                return note["found"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            pass  # missing or damaged: measured again
        found = measure(from_pretrained(run.model))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps({"of": key, "found": found}, indent=2) + "\n")
        return found

    def _note(self, run: Run, what: str) -> Path:
        return self.folder / f"{run.folder.parent.name}-{run.folder.name}" / what


@torch.no_grad()
def log_likelihood(model: VAE, data: Splits, samples: int, examples: int) -> Figure:
    """Gives the importance-weighted bound on the first test examples, in nats per example.

    On grey values under cross-entropy its note says that this is no likelihood.
    """
    model.eval()
    some = data.test.take(slice(examples))
    draws = torch.Generator().manual_seed(0)
    values = evaluate_log_likelihood(model, _batches(some, data), samples, draws)
    note = f"importance-weighted bound, {samples} samples, {len(some)} examples"
    return labelled(mean_figure(values, note=note), model)


def code_scores(model: VAE, data: Splits) -> dict[str, float]:
    """Compares the most probable category of the first latent with the labels of the test set."""
    assert data.test.labels is not None
    codes = torch.cat([model.encode(as_batch(batch).x) for batch in _batches(data.test, data)])[
        :, 0
    ]
    return cluster_metrics(data.test.labels.numpy(), codes.numpy())


def _batches(examples: Examples, data: Splits) -> Batches:
    return Batches(examples, BATCH, data.binarizer, shuffle=False)
