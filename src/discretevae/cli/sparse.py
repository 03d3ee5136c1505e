"""The command that takes activations apart into sparse latents."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from discretevae.cli.options import OptionsError
from discretevae.cli.parser import typed_options
from discretevae.experiments.sparse_recipe import SparseRecipe
from discretevae.texts import say

if TYPE_CHECKING:
    from discretevae.experiments.characters import Demo
    from discretevae.experiments.folder import Run

__all__ = ["SparseOutput", "is_sparse", "of_demo", "sparse", "stored_sparse"]


@dataclass(frozen=True)
class SparseOutput:
    """Where it is kept; not part of a configuration that a run leaves behind.

    Arguments:
        output: Folder of the run; by default a new one under runs/.
        overwrite: Replace the run that is in --output.
        resume: Folder of a run to go on with; all options are those that it has.
    """

    output: str | None = None
    overwrite: bool = False
    resume: str | None = None


def sparse(recipe: SparseRecipe, *, output: SparseOutput) -> None:
    """Train a sparse autoencoder on activations, measure it, and show what its latents are.

    Examples:
        discretevae sparse activations.npy
        discretevae sparse --demo --kind batch-topk
    """
    from discretevae.experiments.folder import Run, free_folder, held

    if output.resume is not None:
        _resume(recipe, output)
        return
    if output.overwrite and output.output is None:
        raise ValueError("`overwrite` must go with --output, which was not given.")
    name = f"{_name(recipe)}-{recipe.kind}"
    folder = Path(output.output or free_folder(Path("runs"), name))
    if not recipe.demo:
        _require_fits(recipe)  # whatever is wrong shows before a folder is touched
    with held(folder):
        run = Run.create(folder, recipe.as_dict(), output.overwrite)
        _run(run, recipe, resume=False)


def _resume(recipe: SparseRecipe, output: SparseOutput) -> None:
    from discretevae.experiments.folder import Run, held

    if recipe != SparseRecipe() or output.output or output.overwrite:
        raise ValueError("`resume` must go without other options, which are those of the run.")
    run = Run.open(output.resume or "")
    with held(run.folder):
        run.remove_leftovers()
        _run(run, stored_sparse(run), resume=True)


def is_sparse(run: "Run") -> bool:
    """Whether a run is of a sparse autoencoder."""
    from discretevae.sparse.formats.saelens import WEIGHTS

    return (run.model / WEIGHTS).is_file()


def stored_sparse(run: "Run") -> SparseRecipe:
    """The recipe of a run, checked as if it were given now.

    Raises:
        ValueError: If it is none.
    """
    options = run.options()
    try:
        found = typed_options("sparse", sparse, options)
        return SparseRecipe(**{name: found[name] for name in options})
    except (OptionsError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"`{run.config}` must hold the options of a sparse autoencoder, got: {error}."
        ) from None


def of_demo(recipe: SparseRecipe, demo: "Demo") -> SparseRecipe:
    """Names the files of a demonstration."""
    return replace(recipe, demo=False, activations=str(demo.activations), shown=str(demo.shown))


def _name(recipe: SparseRecipe) -> str:
    return "demo" if recipe.demo else Path(recipe.activations or "sparse").resolve().stem


def _require_fits(recipe: SparseRecipe) -> None:
    from discretevae.experiments.sparse_run import build_sparse, load_shown, open_data

    data = open_data(recipe)
    load_shown(recipe.shown, data.blocks.count)
    build_sparse(recipe, data, progress_bar=False)


def _run(run: "Run", recipe: SparseRecipe, resume: bool) -> None:
    from discretevae.experiments.sparse_run import (
        build_sparse,
        evaluate_run,
        load_shown,
        open_data,
        save_run,
    )
    from discretevae.pages.sparse_page import describe_sparse, publish_sparse

    network = None
    if recipe.demo:
        from discretevae.experiments.characters import prepare_demo

        demo = prepare_demo(run.folder / "demo", lambda line: say(line, error=True))
        network = demo.scored
        recipe = of_demo(recipe, demo)
    data = open_data(recipe)
    shown = load_shown(recipe.shown, data.blocks.count)
    prepared = build_sparse(recipe, data, run.folder, resume)
    say(f"{run.folder}: {describe_sparse(prepared.module.model, data)}", error=True)
    try:
        model = prepared.fit().model
        save_run(run, model)
        found = evaluate_run(run, model, data, network)
        publish_sparse(run, model, data, recipe, found, shown)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"; to go on: discretevae sparse --resume {run.folder}") from None
