"""Trains estimators or models against each other: same data, same budget, several seeds."""

import json
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from scipy.stats import t as student

from discretevae.data import Splits
from discretevae.experiments.build_data import load_data
from discretevae.experiments.build_model import MODELS
from discretevae.experiments.folder import Run, require_no_links
from discretevae.experiments.recipe import Recipe
from discretevae.experiments.resolve import resolve_recipe, resolve_with_data
from discretevae.experiments.run import build, run_experiment
from discretevae.files import read_text, write_text
from discretevae.latents.quantisers import GRADIENTS, QUANTISERS
from discretevae.names import require_count
from discretevae.training.defaults import budget

__all__ = ["Comparison", "ComparisonRow", "MeanOfSeeds", "compare_contenders"]

CONFIDENCE = 0.95
PILOT_EPOCHS = 3
"""Epochs that are timed to turn seconds into epochs; the first, which warms up, is left out."""
FROM_DATA = ("likelihood", "num_latents", "num_categories", "network")
NOT_COMPARED = ("model", "estimator", "gradient", "seed", "epochs")
FIGURES = {
    "test_elbo": "elbo",
    "log_likelihood": "log_likelihood",
    "rate": "kl",
    "bits_per_dimension": "bits_per_dimension",
    "used_codes": "used_codes",
    "perplexity": "perplexity",
    "collisions": "collisions",
}
"""Figure of a row → that of a run's evaluation on the test examples."""

Progress = Callable[[Iterable[Any], str], Iterable[Any]]


@dataclass(frozen=True)
class MeanOfSeeds:
    """A mean over seeds, and half the width of its 95 % interval; None from one seed."""

    mean: float
    half_width: float | None


@dataclass(frozen=True)
class ComparisonRow:
    """What the runs of one contender came to; bounds are true ones in nats per example.

    Attributes:
        name: An estimator; or a model, with the word that it was given after a colon.
        epochs: Of each run.
        seeds: How many runs.
        seconds: Of training.
        train_elbo: On the training examples.
        test_elbo: On the test examples, as all that follows: distortion and rate add up to its
            negative.
        log_likelihood: The importance-weighted bound.
        distortion: −E log p(x|z).
        rate: KL of posterior and prior; of a code that is a point −log p(z).
        bits_per_dimension: Of −ELBO.
        used_codes: Share of the codebook, of models of a grid.
        perplexity: Of its codes; of other models the mean over latents.
        collisions: Share of examples whose whole code another has, of models of a grid.
    """

    name: str
    epochs: int
    seeds: int
    seconds: MeanOfSeeds
    train_elbo: MeanOfSeeds
    test_elbo: MeanOfSeeds | None
    log_likelihood: MeanOfSeeds | None
    distortion: MeanOfSeeds | None
    rate: MeanOfSeeds | None
    bits_per_dimension: MeanOfSeeds | None
    used_codes: MeanOfSeeds | None
    perplexity: MeanOfSeeds | None
    collisions: MeanOfSeeds | None


@dataclass(frozen=True)
class Comparison:
    """The rows of the contenders whose runs are finished, and every run's curve.

    Attributes:
        rows: One a contender.
        curves: Name → seed by seed (seconds of training, ELBO), epoch by epoch.
        curve_split: The split that the curves are of: "validation", or "train" without one.
    """

    rows: list[ComparisonRow]
    curves: dict[str, list[tuple[list[float], list[float]]]]
    curve_split: str

    def as_dict(self) -> dict[str, Any]:
        """Gives plain types, as the JSON file has them."""
        return asdict(self)


def compare_contenders(
    recipe: Recipe,
    contenders: Sequence[str],
    seeds: Sequence[int],
    folder: str | Path,
    seconds: float | None = None,
    progress: Progress = lambda steps, what: steps,
) -> Comparison:
    """Trains every contender with every seed, each in a run folder of its own below `folder`.

    What is finished is not trained again and what was interrupted goes on, so that the same call
    continues a comparison; more contenders and more seeds may be added to it.

    Arguments:
        recipe: What the runs have in common; `epochs` is the budget unless `seconds` is.
        contenders: Names of estimators, or of models; "vq:rotation" is a model with the gradient of
            its quantiser, "gumbel-vq:reinmax" one with its estimator.
        seeds: Of the runs, weights and splits of the data alike; the same for every contender.
        folder: Where the runs, `comparison.json` and the plan are kept.
        seconds: The budget of each run in seconds of training, turned into epochs by timing a few
            beforehand; the plan remembers how many, also for later calls.
        progress: Wraps the runs, for a progress bar.

    Raises:
        ValueError: If an option is wrong, a name unknown, an estimator outside its theory, or the
            folder holds a comparison with other options.
    """
    _require_names(contenders, seeds, seconds)
    settings = {name: _settings(recipe, name) for name in contenders}
    plan = _Plan.open(Path(folder), recipe, seconds)
    first, data = resolve_with_data(next(iter(settings.values())))
    known = {name: getattr(first, name) for name in FROM_DATA}
    settings = {name: resolve_recipe(replace(r, **known)) for name, r in settings.items()}
    for resolved in settings.values():
        build(resolved, data)  # whatever is wrong shows before anything is trained
    plan.write()
    for name in contenders:
        if name not in plan.epochs:
            plan.epochs[name] = _epochs(settings[name], data, seconds)
            plan.write()
    runs = [(seed, name) for seed in seeds for name in contenders]
    data_seed = recipe.seed
    for seed, name in progress(runs, "runs"):
        run = plan.run(name, seed)
        if run.metrics.exists():
            continue
        if seed != data_seed:  # a run's splits are those of its own seed, the same for all
            data, data_seed = load_data(replace(settings[name], seed=seed)), seed
        run_experiment(replace(settings[name], seed=seed, epochs=plan.epochs[name]), data, run)
    return _collect(plan, contenders, seeds)


class _Plan:
    """What a comparison is of; kept in its folder so that the same call continues it."""

    def __init__(self, folder: Path, shared: dict[str, Any], epochs: dict[str, int]) -> None:
        self.folder, self.shared, self.epochs = folder, shared, epochs

    @classmethod
    def open(cls, folder: Path, recipe: Recipe, seconds: float | None) -> "_Plan":
        """Makes a plan, or reads the one that is there and checks that it is the same."""
        shared = {k: v for k, v in recipe.as_dict().items() if k not in NOT_COMPARED}
        shared |= {"seconds": seconds, "epochs": None if seconds else recipe.epochs}
        plan = cls(folder, shared, {})
        if not plan.path.exists():
            if folder.exists() and any(folder.iterdir()):
                raise ValueError(
                    f"`--output` must be a new or empty folder or hold a comparison, got "
                    f"{str(folder)!r}, which holds something else."
                )
            return plan
        require_no_links("--output", *folder.iterdir())
        try:
            found = json.loads(read_text(plan.path))
            stored, plan.epochs = dict(found["options"]), dict(found["epochs"])
            for name, epochs in plan.epochs.items():
                require_count(name, epochs)
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"`{plan.path}` must hold a comparison's plan: {error}.") from None
        stored = {**{k: v for k, v in Recipe().as_dict().items() if k in shared}, **stored}
        for name in {**stored, **shared}:  # an older plan lacks what came later
            if stored.get(name) != shared.get(name):
                raise ValueError(
                    f"`{name}` must stay as the comparison in {str(folder)!r} has it "
                    f"({stored.get(name)!r}), got {shared.get(name)!r}."
                )
        return plan

    @property
    def path(self) -> Path:
        return self.folder / "plan.json"

    def write(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        record = {"options": self.shared, "epochs": self.epochs}
        write_text(self.path, json.dumps(record, indent=2) + "\n")

    def run(self, name: str, seed: int) -> Run:
        return Run(self.folder / name.replace(":", "-") / f"seed-{seed}")


def _require_names(contenders: Sequence[str], seeds: Sequence[int], seconds: float | None) -> None:
    for name, values in (("contenders", contenders), ("seeds", seeds)):
        if not values:
            raise ValueError(f"`{name}` must name at least one, got none.")
        if len(set(values)) < len(values):
            raise ValueError(f"`{name}` must name each once, got {', '.join(map(str, values))}.")
    if seconds is not None and not (math.isfinite(seconds) and seconds > 0):
        raise ValueError(f"`seconds` must be positive, got {seconds}.")


def _settings(recipe: Recipe, contender: str) -> Recipe:
    """The recipe of one contender's runs: all alike, and none stops early."""
    return resolve_recipe(replace(recipe, **_options(contender), patience=0))


def _options(contender: str) -> dict[str, Any]:
    """The options that a contender stands for.

    Example:
        >>> _options("rloo"), _options("vq:rotation")
        ({'estimator': 'rloo'}, {'model': 'vq', 'gradient': 'rotation'})
    """
    name, _, word = contender.partition(":")
    if name not in MODELS:
        return {"estimator": contender}
    option = "gradient" if word in GRADIENTS and name in QUANTISERS else "estimator"
    return {"model": name, option: word} if word else {"model": name}


def _epochs(recipe: Recipe, data: Splits, seconds: float | None) -> int:
    """Turns seconds into epochs, by the time of a few; at least one."""
    if seconds is None:
        return budget(recipe, len(data.train)).epochs
    pilot = replace(recipe, epochs=PILOT_EPOCHS, measured_every=1)
    history = build(pilot, data, progress_bar=False).fit()
    each = (history[-1]["seconds"] - history[0]["seconds"]) / (PILOT_EPOCHS - 1)
    return max(1, round(seconds / max(each, 1e-3)))


def _collect(plan: _Plan, contenders: Sequence[str], seeds: Sequence[int]) -> Comparison:
    rows, curves = [], {}
    split = "validation" if plan.shared["validation"] else "train"
    for name in contenders:
        runs = [plan.run(name, seed) for seed in seeds]
        histories = [run.read_history("seconds", f"{split}_elbo") for run in runs]
        metrics = [run.read_metrics(("train", "elbo")) for run in runs]
        rows.append(
            ComparisonRow(
                name=name,
                epochs=plan.epochs[name],
                seeds=len(seeds),
                seconds=_mean([history[-1]["seconds"] for history in histories]),
                train_elbo=_mean([found["train"]["elbo"]["value"] for found in metrics]),
                distortion=_mean_of(metrics, "reconstruction", sign=-1),
                **{figure: _mean_of(metrics, found) for figure, found in FIGURES.items()},
            )
        )
        curves[name] = [
            ([row["seconds"] for row in history], [row[f"{split}_elbo"] for row in history])
            for history in histories
        ]
    found = Comparison(rows, curves, split)
    text = json.dumps({**found.as_dict(), "options": plan.shared}, indent=2) + "\n"
    write_text(plan.folder / "comparison.json", text)
    return found


def _mean_of(metrics: Sequence[Mapping[str, Any]], name: str, sign: int = 1) -> MeanOfSeeds | None:
    tests = [found.get("test", {}) for found in metrics]
    values = [sign * test[name]["value"] for test in tests if name in test]
    return _mean(values) if values else None


def _mean(values: Sequence[float]) -> MeanOfSeeds:
    """Gives the mean with Student's interval.

    Example:
        >>> _mean([1.0, 2.0, 3.0]).half_width
        2.484...
    """
    mean, n = statistics.fmean(values), len(values)
    if n < 2:
        return MeanOfSeeds(mean, None)
    quantile = float(student.ppf((1 + CONFIDENCE) / 2, n - 1))
    return MeanOfSeeds(mean, quantile * statistics.stdev(values) / math.sqrt(n))
