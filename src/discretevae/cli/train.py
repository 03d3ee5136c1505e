"""The command that trains a model, evaluates it, and writes its page."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from discretevae.cli.options import OptionsError
from discretevae.cli.parser import typed_options
from discretevae.experiments.recipe import Recipe
from discretevae.names import require_count
from discretevae.texts import note
from discretevae.training.processes import process_rank

if TYPE_CHECKING:
    from discretevae.data import Splits
    from discretevae.experiments.folder import Run
    from discretevae.training import Prepared

__all__ = ["Output", "default_name", "resume", "stored_recipe", "train"]

MEASURED_BEFORE = 1
"""Epochs between two measurements of version 0.1.0, whose runs do not say so."""


@dataclass(frozen=True)
class Output:
    """Where it is kept; not part of a configuration that a run leaves behind.

    Arguments:
        output: Folder of the run; by default a new one under runs/.
        overwrite: Replace the run that is in --output.
        resume: Folder of a run to go on with; of the other options only --epochs may differ.
    """

    output: str | None = None
    overwrite: bool = False
    resume: str | None = None


def train(recipe: Recipe, *, output: Output) -> None:
    """Train a model, evaluate it by true bounds, and write a report.

    Examples:
        discretevae train mnist --epochs 30
        discretevae train patients.csv --label outcome -o runs/patients
    """
    from discretevae.experiments.folder import Run, free_folder, held
    from discretevae.experiments.resolve import resolve_with_data
    from discretevae.experiments.run import build

    require_count("importance_samples", recipe.importance_samples, 0)
    if output.overwrite and output.output is None:
        raise ValueError("`overwrite` must go with --output, which was not given.")
    recipe, data = resolve_with_data(recipe)
    folder = Path(output.output or free_folder(Path("runs"), default_name(data, recipe)))
    prepared = build(recipe, data, folder)  # whatever is wrong shows before a folder is touched
    if process_rank(recipe.processes):
        prepared.fit()  # beside the first process, which alone writes
        return
    with held(folder):
        run = Run.create(folder, recipe.as_dict(), output.overwrite)
        run.write_schema(data.schema)
        _say(data, recipe)
        _train(run, recipe, prepared)


def _say(data: "Splits", recipe: Recipe) -> None:
    """Says what the data were taken for; the last lines are of the likelihood and the model."""
    from discretevae.experiments.defaults import ModelDefaults

    lines = [] if data.schema is None else data.schema.lines()
    if data.schema is not None and recipe.likelihood != data.schema.likelihood:
        lines[-1] = f"likelihood: {recipe.likelihood}, as asked"
    sizes, network = (recipe.num_latents, recipe.num_categories), str(recipe.network)
    model = (
        f"model: {recipe.model}, a grid of codes of {recipe.codebook}, network {network} "
        "(--codebook, --down, --network)"
        if None in sizes
        else ModelDefaults(sizes[0] or 0, sizes[1] or 0, network)
    )
    for line in (*lines, model):
        note(line)


def resume(resume: str, **given: Any) -> None:
    """Goes on with a run: what is given besides must be what the run has, but for the epochs."""
    from discretevae.experiments.folder import Run, held

    run = Run.open(resume)
    stored = stored_recipe(run)
    if process_rank(stored.processes):
        _prepared(run, _resumed(stored, given)).fit()
        return
    with held(run.folder):
        stored = stored_recipe(run)
        recipe = _resumed(stored, given)
        if run.model.is_dir() and not (run.folder / "checkpoints").is_dir():
            raise ValueError(
                f"`resume` must be a run that was trained, with its checkpoints, got {resume!r}, "
                "which holds a finished model without: to go on would train it anew."
            )
        later = any((run.folder / "checkpoints").glob("phase-*"))
        if later and recipe.epochs != stored.epochs:
            raise ValueError(
                f"`epochs` must stay as the resumed run has them ({stored.epochs}), for a later "
                f"phase has begun, got {recipe.epochs}."
            )
        prepared = _prepared(run, recipe)
        if recipe != stored:
            run.write_options(recipe.as_dict())
        run.remove_leftovers()
        _train(run, recipe, prepared)


def stored_recipe(run: "Run") -> Recipe:
    """The recipe of a run, checked as if it were given now.

    Raises:
        ValueError: If it is none.
    """
    try:
        stored = typed_options("train", train, run.options())
    except OptionsError as error:
        raise ValueError(f"`{run.config}` must hold the options of a run, got: {error}.") from None
    found = Recipe(**{one.name: stored[one.name] for one in fields(Recipe)})
    return replace(found, measured_every=found.measured_every or MEASURED_BEFORE)


def default_name(data: "Splits", recipe: Recipe) -> str:
    """The name of a run's folder, where none is given."""
    sizes = f"{recipe.num_latents}x{recipe.num_categories}"
    return f"{data.name}-{sizes if recipe.model == 'discrete' else recipe.model}"


def _train(run: "Run", recipe: Recipe, prepared: "Prepared") -> None:
    """Trains, saves the model, evaluates; an interruption says how to go on."""
    from discretevae.pages.publish import describe, publish

    data, model = prepared.data, prepared.model
    note(f"{run.folder}: {describe(model, data)}")
    try:
        prepared.fit()
        model.save_pretrained(run.model)
        publish(run, model, data, recipe)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"; to go on: {run.resume_command}") from None


def _prepared(run: "Run", recipe: Recipe) -> "Prepared":
    from discretevae.experiments.build_data import load_again
    from discretevae.experiments.run import build

    return build(recipe, load_again(recipe, run.read_schema()), run.folder, resume=True)


def _resumed(stored: Recipe, given: dict[str, Any]) -> Recipe:
    """The recipe of a run to go on with; of what is given now only the epochs may differ."""
    from discretevae.experiments.resolve import resolve_recipe

    for name in ("output", "overwrite"):
        if given.get(name):
            raise ValueError(f"`{name}` must not go with --resume, got {given[name]!r}.")
    names = {one.name for one in fields(Recipe)}
    asked = {k: v for k, v in given.items() if k in names and v is not None and v != "auto"}
    recipe = resolve_recipe(replace(stored, **asked))
    for name in sorted(asked.keys() - {"epochs"}):
        if getattr(recipe, name) != getattr(stored, name):
            raise ValueError(
                f"`{name}` must stay as the resumed run has it ({getattr(stored, name)!r}), "
                f"got {asked[name]!r}."
            )
    return recipe
