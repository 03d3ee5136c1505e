"""One run, from its recipe to its record: done once, and continued where it stopped."""

from pathlib import Path
from typing import Any

import torch

from discretevae.data import Splits
from discretevae.evaluation import evaluate
from discretevae.experiments.build_model import build_model, require_room
from discretevae.experiments.folder import Run, held
from discretevae.experiments.recipe import Recipe
from discretevae.training import Prepared, prepare
from discretevae.training.defaults import by_rule

__all__ = ["build", "run_experiment"]


def build(
    recipe: Recipe,
    data: Splits,
    folder: Path | None = None,
    resume: bool = False,
    **changes: Any,
) -> Prepared:
    """Makes the model and its training, and tries whether they go together.

    Arguments:
        recipe: Of the run, resolved.
        data: The splits.
        folder: Of the run; nothing is kept without one.
        resume: Whether to go on with what is there, whose checkpoint must fit.
        changes: Of the options of training.

    Raises:
        ValueError: If they do not.
    """
    require_room(recipe, data)
    torch.manual_seed(recipe.seed)
    model = build_model(recipe, data)
    config = None if folder is None else Run(folder).config
    options, better = recipe.training(**changes), recipe.prior == "auto"
    return prepare(model, data, options, folder, resume, config=config, fit_prior=better)


def run_experiment(recipe: Recipe, data: Splits, run: Run) -> None:
    """Does what is left of a run: its options, training, the model's files, the evaluation.

    Nothing is done where the evaluation is there already.
    """
    run.require_own_parts()
    if run.metrics.exists():
        return
    recipe = by_rule(recipe, len(data.train))
    with held(run.folder):
        if not run.config.exists():
            Run.create(run.folder, recipe.as_dict(), overwrite=False)
            run.write_schema(data.schema)
        run.remove_leftovers()
        prepared = build(recipe, data, run.folder, resume=True, progress_bar=False)
        prepared.fit()
        prepared.model.save_pretrained(run.model)
        found = evaluate(prepared.model, data, recipe.importance_samples, recipe.seed)
        run.write_metrics(found)
