"""Runs a study: trains what is missing, measures it, and collects what was found."""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from discretevae.data import Splits
from discretevae.evaluation import umap_installed
from discretevae.experiments.build_data import load_data
from discretevae.experiments.defaults import USUAL
from discretevae.experiments.folder import Run, require_no_links
from discretevae.experiments.recipe import Recipe
from discretevae.experiments.resolve import resolve_recipe
from discretevae.experiments.run import build, run_experiment
from discretevae.files import read_text, write_text
from discretevae.models import from_pretrained
from discretevae.studies.architectures.analysis import Analyst, code_scores
from discretevae.studies.architectures.findings import Bound, Study
from discretevae.studies.architectures.plan import GROUPS, PIXELS, SWEPT, Experiment, Plan
from discretevae.training import best_row

__all__ = ["IMPORTANCE_EXAMPLES", "Work", "collect", "run_study"]

LEAST = 10
"""The fewest examples to train and to test on."""
FEW = 10_000
"""Training examples below which a data set is small."""
ADAM = {"optimizer": "adam", "learning_rate": 1e-3, "patience": 20}
"""What all experiments have that ask for nothing else."""
SMALL, LARGE = {"epochs": 30, "batch_size": 50}, {"epochs": 200, "batch_size": 250}
"""The protocol for small data sets, and the report's for all others."""
IMAGE = {"optimizer": "adam", "learning_rate": 1e-3, "batch_size": 100}
"""What differs, where there are many examples, for the image network, whose units cannot die: many
small steps, for a third of the epochs."""
SWEEP_STEPS, CLUSTERING_STEPS = 250, 600
"""The fewest steps of the sweep and of the clusters."""
CHEAP = "report-mlp"
"""The network whose importance-weighted bound is taken over the whole test set."""
IMPORTANCE_EXAMPLES = 1_000
"""The first test examples, on which that of all other networks is taken."""

Progress = Callable[[Iterable[Any], str], Iterable[Any]]


def run_study(
    recipe: Recipe,
    folder: str | Path,
    num_latents: int | None = None,
    seeds: int = 5,
    contrastive: float = 0.0,
    protocol: Mapping[str, int | None] | None = None,
    progress: Progress = lambda steps, what: steps,
) -> tuple[Study, "Work"]:
    """Trains and measures everything; what is finished is not done again.

    Arguments:
        recipe: What the runs have in common; without a likelihood they have what suits the data.
            Its importance samples are those of the bounds.
        folder: Where the runs, the notes and `study.json` are kept.
        num_latents: D of the architectures; by default the best of a sweep.
        seeds: How many clusterings.
        contrastive: Weight of the contrastive term, with which the report's networks are trained
            a second time; 0 is without.
        protocol: `epochs` and `batch_size`; those that suit the data where they are None.
        progress: Wraps the steps, for a progress bar.

    Raises:
        ValueError: If an option is wrong, or the folder holds a study with other options.
    """
    work = Work(recipe, Path(folder), seeds, contrastive, protocol)
    work.claim_folder({"num_latents": num_latents, "seeds": seeds, "contrastive": contrastive})
    swept = work.plan.sweep() if num_latents is None else []
    for experiment in progress(swept, "sweep"):
        work.train(experiment)
    sweep = work.sweep(swept)
    latents = max(sweep, key=lambda d: sweep[d]) if num_latents is None else num_latents
    experiments = work.plan.experiments(latents, range(seeds))
    for experiment in progress([e for group in experiments.values() for e in group], "training"):
        work.train(experiment)
    found = collect(work, experiments, latents, sweep, recipe.importance_samples, progress)
    write_text(work.folder / "study.json", json.dumps(found.as_dict(), indent=2) + "\n")
    return found, work


def collect(
    work: "Work",
    experiments: Mapping[str, Sequence[Experiment]],
    num_latents: int,
    sweep: dict[int, float],
    samples: int,
    progress: Progress = lambda steps, what: steps,
) -> Study:
    """Measures what is trained: all of `Plan.experiments`, or some of them."""
    models, one_code, clusters = (experiments[group] for group in GROUPS)
    described = work.described(models)
    return Study(
        data=work.name,
        num_latents=num_latents,
        num_categories=work.num_categories,
        samples=samples,
        sweep=sweep,
        models=[work.bound(e, samples) for e in progress(models, "bounds")],
        one_code=[work.bound(e, samples=0) for e in one_code],
        codes={e.name: work.codes(e) for e in progress(described, "codes")},
        clusters=[work.cluster(e) for e in clusters],
        skipped=work.skipped(),
        options=work.plan.base.as_dict(),
    )


class Work:
    """The data and the folder of a study, and single steps on them."""

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        seeds: int,
        contrastive: float,
        protocol: Mapping[str, int | None] | None = None,
    ) -> None:
        self.folder = folder
        self._loaded: dict[tuple[Any, ...], Splits] = {}
        raw = load_data(replace(recipe, likelihood="gaussian", binarize="none"))
        for part, examples in (("training", raw.train), ("test", raw.test)):
            if len(examples) < LEAST:
                raise ValueError(
                    f"`data` must leave at least {LEAST} {part} examples for a study, "
                    f"got {len(examples)}."
                )
        self.name, self.labels = raw.name, raw.test.labels
        small = len(raw.train) < FEW
        given = {k: v for k, v in (protocol or {}).items() if v is not None}
        usual: dict[str, Any] = {**ADAM, **(SMALL if small else LARGE), **given}
        self.num_categories = recipe.num_categories or USUAL.num_categories
        usual |= {"num_categories": self.num_categories, "importance_samples": 0}
        base = replace(recipe, **usual, test_curve=True)
        epochs, size = int(usual["epochs"]), int(usual["batch_size"])
        steps = math.ceil(len(raw.train) / max(1, size))
        third = {"epochs": max(1, epochs // 3)}

        def short(least: int) -> int:
            return max(epochs // 10, math.ceil(least / steps))

        self.plan = Plan(
            base,
            _likelihoods(recipe.likelihood, raw),
            images=len(raw.shape) == 3,
            augmented=len(raw.shape) == 3 and _within_0_and_1(raw),
            sweep_epochs=short(SWEEP_STEPS),
            clustering_epochs=short(CLUSTERING_STEPS),
            image={} if small else IMAGE | third,
            contrastive=contrastive,
        )
        clusters = self.num_categories if self.labels is None else len(self.labels.unique())
        self.analyst = Analyst(folder / "notes", range(max(2, seeds)), clusters)

    def claim_folder(self, asked: dict[str, Any]) -> None:
        """Writes down what the study is, or refuses to go on with another one."""
        path, asked = self.folder / "plan.json", {**self.plan.base.as_dict(), **asked}
        if path.exists():
            require_no_links("--output", *self.folder.iterdir())
            _require_same(asked, path)
        elif self.folder.exists() and any(self.folder.iterdir()):
            raise ValueError(
                "`--output` must be a new or empty folder or hold a study, got "
                f"{str(self.folder)!r}, which holds something else."
            )
        latents = SWEPT[-1] if asked["num_latents"] is None else asked["num_latents"]
        experiments = self.plan.experiments(latents, range(1))
        for experiment in (e for group in experiments.values() for e in group):
            build(resolve_recipe(experiment.recipe), self.data(experiment))
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(asked, indent=2) + "\n")

    def run(self, experiment: Experiment) -> Run:
        """Gives an experiment's folder."""
        return Run(self.folder / experiment.name)

    def data(self, experiment: Experiment) -> Splits:
        """Loads the data as an experiment takes them, and keeps the last ones."""
        recipe = experiment.recipe
        key = (recipe.likelihood, recipe.binarize, recipe.seed)
        if key not in self._loaded:
            self._loaded = {key: load_data(recipe)}
        return self._loaded[key]

    def run_named(self, name: str) -> Run:
        """Gives a folder by the name of its experiment."""
        return Run(self.folder / name)

    def data_of(self, pixels: str) -> Splits:
        """Loads the data as what they are taken for."""
        first = next(e for e in self.plan.architectures(1) if e.pixels == pixels)
        return self.data(first)

    def train(self, experiment: Experiment) -> None:
        """Does what is left of an experiment."""
        recipe = resolve_recipe(experiment.recipe)
        run_experiment(recipe, self.data(experiment), self.run(experiment))

    def sweep(self, experiments: Iterable[Experiment]) -> dict[int, float]:
        """Gives the validation ELBO of each number of latents, or the train ELBO without one."""
        found = {}
        for experiment in experiments:
            row = best_row(self.run(experiment).read_history("epoch", "train_elbo"))
            latents = experiment.recipe.num_latents
            assert latents is not None
            found[latents] = row.get("validation_elbo", row["train_elbo"])
        return found

    def bound(self, experiment: Experiment, samples: int) -> Bound:
        """Collects the bounds of a finished run."""
        run = self.run(experiment)
        history = run.read_history("seconds")
        of_test = [("test", name) for name in ("elbo", "kl", "objective_gap")]
        metrics = run.read_metrics(("train", "elbo"), *of_test)
        test = metrics["test"]
        likelihood = None
        if samples:
            data = self.data(experiment)
            whole = experiment.recipe.network == CHEAP
            examples = len(data.test) if whole else IMPORTANCE_EXAMPLES
            likelihood = self.analyst.log_likelihood(run, data, samples, examples)
        return Bound(
            name=experiment.name,
            title=experiment.title,
            pixels=experiment.pixels,
            epochs=len(history),
            seconds_per_epoch=history[-1]["seconds"] / len(history),
            train_elbo=metrics["train"]["elbo"]["value"],
            elbo=test["elbo"]["value"],
            elbo_se=test["elbo"]["se"],
            kl=test["kl"]["value"],
            surrogate=test["elbo"]["value"] + test["objective_gap"]["value"],
            log_likelihood=likelihood,
        )

    def described(self, models: Sequence[Experiment]) -> list[Experiment]:
        """The models whose codes are looked at: those of the first kind of pixels."""
        first = next(iter(self.plan.likelihoods))
        return [experiment for experiment in models if experiment.pixels == first]

    def codes(self, experiment: Experiment) -> dict[str, Any]:
        """Measures what the codes know of the classes."""
        return self.analyst.analyse(self.run(experiment), self.data(experiment))

    def cluster(self, experiment: Experiment) -> dict[str, float]:
        """Gives the objective of one clustering and, with labels, the scores of its code."""
        run, data = self.run(experiment), self.data(experiment)
        model = from_pretrained(run.model)
        terms = "train_objective", "train_contrast", "train_mutual_information"
        row = run.read_history(*terms)[-1]
        metrics = run.read_metrics(("test", "elbo"))
        found = {
            "seed": experiment.recipe.seed,
            "objective": row["train_objective"],
            "contrast": row["train_contrast"],
            "mutual_information": row["train_mutual_information"],
            "elbo": metrics["test"]["elbo"]["value"],
        }
        return found if self.labels is None else found | code_scores(model, data)

    def skipped(self) -> list[str]:
        """Says what was left out, and why."""
        found = []
        if self.labels is None:
            found.append("Scores against classes and probes: the data have no labels.")
        if not self.plan.images:
            found.append("Convolutional networks: the data are no images.")
        if not self.plan.augmented:
            found.append(
                "The contrastive term and clusters by augmentation: the data are no images with "
                "values from 0 to 1."
            )
        if not umap_installed():
            found.append('UMAP: it needs umap-learn, pip install "discretevae[analysis]".')
        return found


def _likelihoods(given: str | None, data: Splits) -> dict[str, dict[str, Any]]:
    """What the data are taken for: both kinds of pixels, unless they can be but one thing."""
    if given is not None:
        return {given: {"likelihood": given, "binarize": None}}
    x = torch.cat([data.train.values(), data.test.values()])
    if bool(((x == 0) | (x == 1)).all()):
        return {"binary": {"likelihood": "bernoulli", "binarize": "none"}}
    if _within_0_and_1(data):
        return PIXELS
    return {"gaussian": {"likelihood": "gaussian", "binarize": "none"}}


def _within_0_and_1(data: Splits) -> bool:
    x = torch.cat([data.train.values(), data.test.values()])
    return bool(((x >= 0) & (x <= 1)).all())


def _require_same(asked: dict[str, Any], path: Path) -> None:
    try:
        stored = dict(json.loads(read_text(path)))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"`{path}` must hold a study's plan: {error}.") from None
    for name, value in asked.items():
        if stored.get(name, value) != value:  # an older plan lacks what came later
            raise ValueError(
                f"`{name}` must stay as the study in {str(path.parent)!r} has it "
                f"({stored.get(name)!r}), got {value!r}."
            )
