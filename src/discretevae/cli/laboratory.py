"""The commands that measure estimators: on a model, and against each other in training."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from discretevae.cli.options import choices, shares
from discretevae.cli.saved import require_discrete, saved_model
from discretevae.cli.train import default_name, stored_recipe
from discretevae.experiments.recipe import NETWORKS, Recipe
from discretevae.names import require_count, require_seed
from discretevae.texts import say

if TYPE_CHECKING:
    from discretevae.data import Splits
    from discretevae.estimators import Estimator
    from discretevae.models import VAE
    from discretevae.studies.laboratory import GradientReport, OwnProblem
    from discretevae.studies.laboratory.gradients import Sized

__all__ = ["compare", "gradients"]


@choices(network=NETWORKS)
def gradients(
    run: str | None = None,
    *,
    file: str | None = None,
    data: str | None = None,
    num_latents: int | None = None,
    num_categories: int | None = None,
    network: str = "tutorial",
    estimators: str | None = None,
    examples: int = 20,
    replicates: int = 1000,
    fit_steps: int = 200,
    seed: int = 0,
    output: str | None = None,
) -> None:
    """Measure the bias, variance, error and cost of gradient estimators on a model, or on any f.

    Args:
        run: Folder of a run, whose model and test examples are taken; without one, an untrained
            model of --num-latents and --num-categories.
        file: Instead of a model, a Python file that defines `logits`, a tensor (*B, D, K), and `f`,
            which maps one-hot codes (S, *B, D, K) to (S, *B), each row by itself. It is run as
            code, with all that you may do: give no file that you would not run yourself.
        data: Without a run, the data as for `train`; by default digits.
        num_latents: Without a run, D.
        num_categories: Without a run, K.
        network: Without a run, the network as for `train`.
        estimators: Names with commas between them; by default all that suit D and K.
        examples: How many examples, the first ones; of a --file all are taken.
        replicates: Independent estimates of each estimator.
        fit_steps: Steps that an estimator which learns takes on these examples beforehand.
        seed: Of everything random.
        output: Folder of gradients.json and the figures; by default RUN/gradients or a new one
            under runs/.

    Examples:
        discretevae gradients runs/digits-4x8
        discretevae gradients --num-latents 4 --num-categories 2 --estimators rloo,arm
    """
    from discretevae.experiments.shown import shown
    from discretevae.files import write_text
    from discretevae.pages.progress import track
    from discretevae.studies.laboratory import measure_gradients, measure_gradients_of

    require_count("examples", examples, 1)
    require_count("replicates", replicates, 40)
    require_count("fit_steps", fit_steps, 0)
    require_seed(seed)
    given = {"data": data, "num_latents": num_latents, "num_categories": num_categories}
    options = (replicates, fit_steps)
    if file is not None:
        problem, folder = _own(file, {"run": run, **given})
        record: dict[str, Any] = {"seed": seed, "file": file}
        offered = None if estimators is None else _chosen_estimators(problem, estimators)
        measure = partial(measure_gradients_of, problem, offered, *options)
    else:
        model, source, folder = (
            _untrained(network=network, seed=seed, **given) if run is None else _trained(run, given)
        )
        model = require_discrete(model)
        record = {"seed": seed, "model": model.architecture()}
        x = shown(source).examples.values(slice(0, examples))
        measure = partial(
            measure_gradients, model, x, _chosen_estimators(model, estimators), *options
        )
    folder = Path(output) if output else folder
    measured: list[GradientReport] = []

    def keep(report: "GradientReport") -> None:
        measured.append(report)
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps({**report.as_dict(), **record}, indent=2)
        write_text(folder / "gradients.json", text + "\n")

    try:
        _present(measure(seed=seed, progress=track, watch=keep), folder)
    except KeyboardInterrupt:
        if not measured:
            raise KeyboardInterrupt("; nothing was measured yet") from None
        _present(measured[-1], folder)
        raise KeyboardInterrupt(f"; what was measured until then is in {folder}") from None


OF_ESTIMATORS: dict[str, Any] = {
    "network": "tutorial",
    "num_latents": 4,
    "num_categories": 8,
    "optimizer": "adam",
    "learning_rate": 1e-3,
}
"""What the runs of estimators have where nothing is asked for."""


@shares(
    *("data", "likelihood", "binarize", "limit", "activation", "decay", "precision"),
    *("network", "num_latents", "num_categories", "prior", "codebook", "code_size", "down"),
    *("optimizer", "learning_rate", "importance_samples"),
    epochs=20,
    batch_size=100,
)
def compare(
    recipe: Recipe,
    *,
    estimators: str | None = None,
    models: str | None = None,
    seeds: int = 3,
    seconds: float | None = None,
    output: str | None = None,
) -> None:
    """Train estimators, or models, with the same budget and several seeds; it can be continued.

    Args:
        estimators: Names with commas between them; by default rloo,reinmax.
        models: In their place, models of grids with commas between them, as
            vq,vq:rotation,diveq,simvq,fsq,lfq,bsq,sq,gumbel-vq,gumbel-vq:reinmax: after the colon
            the gradient of a quantiser, or an estimator.
        seeds: How many seeds, from 0; more may be asked for later.
        num_latents: D; of estimators 4 by default.
        num_categories: K; of estimators 8 by default.
        batch_size: Examples a step.
        optimizer: adam, radam or muon; adam by default.
        learning_rate: Of the optimiser, at the start; of estimators 1e-3 by default, of models that
            of `train`.
        epochs: The budget of each run.
        seconds: The budget in seconds of training, instead of epochs: a few epochs of each
            estimator are timed beforehand.
        network: tutorial, report-mlp, report-cnn or image; residual for models of grids.
        output: Folder of the runs, comparison.json and comparison.png; by default one under
            runs/ that is named after the data and the sizes.

    Examples:
        discretevae compare mnist --estimators rloo,reinmax,vimco --seeds 5
        discretevae compare photos --models vq,fsq --seconds 600
    """
    from discretevae.pages.progress import track
    from discretevae.studies.laboratory.compare import compare_contenders
    from discretevae.studies.laboratory.present import draw_comparison, print_comparison

    require_count("seeds", seeds, 1)
    require_count("importance_samples", recipe.importance_samples, 0)
    if models is not None and estimators is not None:
        raise ValueError(f"`estimators` must be left out with --models, got {estimators!r}.")
    sizes = "models"
    if models is None:
        left = {k: v for k, v in OF_ESTIMATORS.items() if getattr(recipe, k) is None}
        recipe = replace(recipe, **left)
        sizes = f"{recipe.num_latents}x{recipe.num_categories}"
    names = _names(models or estimators or "rloo,reinmax")
    folder = Path(output or f"runs/compare-{Path(recipe.data).stem}-{sizes}")
    try:
        found = compare_contenders(recipe, names, range(seeds), folder, seconds, track)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("; the same command goes on where it stopped") from None
    print_comparison(found)
    for path in (folder / "comparison.json", draw_comparison(found, folder / "comparison.png")):
        say(path)


def _untrained(**given: Any) -> tuple["VAE", "Splits", Path]:
    """A model as training would start it, its data, and a folder for what is measured."""
    from discretevae.experiments.folder import free_folder
    from discretevae.experiments.resolve import resolve_with_data
    from discretevae.experiments.run import build

    for name in ("num_latents", "num_categories"):
        if given[name] is None:
            raise ValueError(f"`{name}` must be given where there is no RUN, got none.")
    given = {name: value for name, value in given.items() if value is not None}
    recipe, data = resolve_with_data(Recipe(**given))
    folder = free_folder(Path("runs"), f"gradients-{default_name(data, recipe)}")
    return build(recipe, data).model, data, folder


def _trained(run: str, sizes: dict[str, Any]) -> tuple["VAE", "Splits", Path]:
    """A run's model, its data, and a folder for what is measured."""
    from discretevae.experiments.build_data import load_again
    from discretevae.experiments.folder import Run

    for name, value in sizes.items():
        if value is not None:
            raise ValueError(f"`{name}` must not go with a RUN, which has its own, got {value}.")
    opened = Run.open(run)
    data = load_again(stored_recipe(opened), opened.read_schema())
    return saved_model(opened), data, opened.folder / "gradients"


def _own(file: str, others: dict[str, Any]) -> tuple["OwnProblem", Path]:
    """What a file of one's own defines, and a folder for what is measured."""
    from discretevae.experiments.folder import free_folder
    from discretevae.studies.laboratory import read_problem

    for name, value in others.items():
        if value is not None:
            raise ValueError(f"`{name}` must not go with --file, got {value}.")
    return read_problem(file), free_folder(Path("runs"), f"gradients-{Path(file).stem}")


def _present(report: "GradientReport", folder: Path) -> None:
    from discretevae.studies.laboratory.present import draw_gradients, print_gradients

    print_gradients(report)
    for path in (folder / "gradients.json", *draw_gradients(report, folder)):
        say(path)


def _names(names: str) -> list[str]:
    return [name.strip() for name in names.split(",")]


def _chosen_estimators(sized: "Sized", names: str | None) -> dict[str, "Estimator"]:
    """The estimators of E_q[f(z)] with these names; all that suit D × K without any."""
    from discretevae.estimators import ESTIMATORS
    from discretevae.estimators.multisample import MULTISAMPLE_ESTIMATORS
    from discretevae.names import resolve
    from discretevae.studies.laboratory import require_suitable, suitable_estimators

    if names is None:
        return suitable_estimators(sized)
    for name in _names(names):
        if name in MULTISAMPLE_ESTIMATORS:
            raise ValueError(
                f"`estimators` must be of E_q[f(z)], got {name!r}, which is of the S-sample bound."
            )
    chosen = {name: resolve("estimators", name, ESTIMATORS)() for name in _names(names)}
    for estimator in chosen.values():
        require_suitable(estimator, sized)
    return chosen
