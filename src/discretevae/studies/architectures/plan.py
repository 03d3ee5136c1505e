"""What a study trains: experiments, each one run of the command `train`."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from discretevae.experiments.recipe import Recipe

__all__ = ["GROUPS", "PIXELS", "SWEPT", "Experiment", "Plan"]

SWEPT = (5, 10, 20, 30, 40)
"""Numbers of latents that are tried, with the MLP."""
GROUPS = ("models", "one_code", "clusters")
"""The kinds of experiments besides the sweep."""
PIXELS: dict[str, dict[str, Any]] = {
    "grey": {"likelihood": "bernoulli-grey", "binarize": "none"},
    "binarised": {"likelihood": "bernoulli", "binarize": "fresh"},
}
"""What grey images are taken for: values under cross-entropy, as the report has it, or draws."""
REPORTED_NETWORKS = {"report-mlp": "MLP", "report-cnn": "CNN"}
NETWORKS = {**REPORTED_NETWORKS, "image": "image network"}
CODES: dict[str, dict[str, Any]] = {
    "categorical": {"model": "discrete", "estimator": "reinmax", "temperature": "1.3"},
    "Gaussian": {"model": "gaussian"},
}
"""Kind of latent → its options; ReinMax with the temperature that its authors tuned to."""
GRADIENTS = {"exact": "exact", "relaxed": "gumbel-softmax"}
RECIPE: dict[str, Any] = {
    "optimizer": "muon",
    "learning_rate": 1e-2,
    "decay": "cosine",
    "patience": 0,
}
LEARNT = {**RECIPE, **CODES["categorical"]}
CLUSTERING = {
    "network": "image",
    "estimator": "exact",
    "optimizer": "adam",
    "learning_rate": 2e-3,
    "contrastive": "1000",
    "contrastive_temperature": 0.5,
    "balance": "1000",
    "validation": 0.0,
    "patience": 0,
    "num_latents": 1,
}
"""One code of C categories that augmentation leaves alone and whose categories are all used; the
last weights are kept, since the best validation ELBO is not what is looked for."""


@dataclass(frozen=True)
class Experiment:
    """One run.

    Arguments:
        name: Its folder within the study.
        title: What it is called in tables.
        pixels: What the data are taken for, such as "grey".
        recipe: Not yet resolved.
    """

    name: str
    title: str
    pixels: str
    recipe: Recipe


@dataclass(frozen=True)
class Plan:
    """The experiments of a study.

    Arguments:
        base: What the experiments have in common.
        likelihoods: What the data are taken for → the options that say so; the first one is that
            of the sweep, the single code and the clusters.
        images: Whether convolutions suit the data.
        augmented: Whether augmentation does, which wants images with values from 0 to 1.
        sweep_epochs: Epochs of each number of latents in the sweep.
        clustering_epochs: Epochs of the clusters, which are there sooner than a good bound.
        image: What differs for the image network.
        contrastive: Weight of a contrastive term, with which the architectures are trained a
            second time; 0 is without.
    """

    base: Recipe
    likelihoods: dict[str, dict[str, Any]]
    images: bool
    augmented: bool
    sweep_epochs: int
    clustering_epochs: int
    image: dict[str, Any] = field(default_factory=dict)
    contrastive: float = 0.0

    def experiments(self, num_latents: int, seeds: Iterable[int]) -> dict[str, list[Experiment]]:
        """All but the sweep, by their groups."""
        models = [*self.architectures(num_latents), *self.contrasted(num_latents)]
        return dict(zip(GROUPS, (models, self.one_code(), self.clusters(seeds)), strict=True))

    def sweep(self) -> list[Experiment]:
        """The MLP with different numbers of latents, each for a few epochs."""
        epochs = {"epochs": self.sweep_epochs}
        return [
            self._first(f"sweep/{d}", f"{d} latents", **LEARNT, **epochs, num_latents=d)
            for d in SWEPT
        ]

    def architectures(self, num_latents: int) -> list[Experiment]:
        """Every network with categorical latents and with as many Gaussian ones."""
        return [
            Experiment(
                f"{pixels}/{network}-{code.lower()}",
                f"{label}, {code}",
                pixels,
                replace(
                    self.base,
                    **{**RECIPE, **(self.image if network == "image" else {})},
                    **likelihood,
                    **CODES[code],
                    network=network,
                    num_latents=num_latents,
                ),
            )
            for pixels, likelihood in self.likelihoods.items()
            for network, label in self._suited(NETWORKS)
            for code in CODES
        ]

    def contrasted(self, num_latents: int) -> list[Experiment]:
        """The report's networks, trained with the contrastive term as well."""
        if not self.contrastive or not self.augmented:
            return []
        return [
            self._first(
                f"contrastive/{network}",
                f"{label}, categorical, contrastive",
                network=network,
                num_latents=num_latents,
                contrastive=str(self.contrastive),
                **LEARNT,
            )
            for network, label in REPORTED_NETWORKS.items()
        ]

    def one_code(self) -> list[Experiment]:
        """A single latent: its exact ELBO, and relaxed samples in its place."""
        return [
            self._first(
                f"one-code/{network}-{gradient}",
                f"{label}, {gradient}",
                network=network,
                num_latents=1,
                estimator=GRADIENTS[gradient],
                **RECIPE,
            )
            for network, label in self._suited(REPORTED_NETWORKS)
            for gradient in GRADIENTS
        ]

    def clusters(self, seeds: Iterable[int]) -> list[Experiment]:
        """A single latent whose categories are to be the classes, once for each seed."""
        if not self.augmented:
            return []
        epochs = {"epochs": self.clustering_epochs}
        return [
            self._first(f"clusters/seed-{s}", f"seed {s}", **{**CLUSTERING, **epochs, "seed": s})
            for s in seeds
        ]

    def _first(self, name: str, title: str, **options: Any) -> Experiment:
        pixels, likelihood = next(iter(self.likelihoods.items()))
        recipe = replace(self.base, **{"network": "report-mlp", **likelihood, **options})
        return Experiment(name, title, pixels, recipe)

    def _suited(self, networks: dict[str, str]) -> Iterator[tuple[str, str]]:
        return (pair for pair in networks.items() if self.images or pair[0] == "report-mlp")
